"""The workers that a coordinator knows: which may be dialled, with what credentials, and who has them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Optional

from padiff_rpc.addresses import check_address
from padiff_rpc.errors import BusyError, CancelledError, InvalidRequestError, NotFoundError
from padiff_rpc.records import record
from padiff_rpc.serving import read_token
from padiff_rpc.v1.records import Label, Party, Tls, WorkerAddress
from padiff_rpc.v1.words import Side

Lent = Mapping[Side, WorkerAddress]


@record
class WorkerTls:
    """Paths of what the coordinator shows to a worker, and of the CA that the worker's certificate is of."""

    ca: str = ""
    certificate: str = ""
    key: str = ""

    def read(self) -> Tls:
        """Returns what the files hold now. Raises InvalidRequestError."""
        return Tls.from_files(ca=self.ca or None, certificate=self.certificate or None, key=self.key or None)


@record
class ConfiguredWorker:
    """One worker of the configuration. Files are read at each use, so that they may be replaced."""

    name: str
    address: str
    framework: str = ""
    labels: tuple[Label, ...] = ()
    tls: Optional[WorkerTls] = None
    token_file: str = ""
    insecure: bool = False

    def __post_init__(self) -> None:
        check_address(
            self.address, has_tls=self.tls is not None, insecure=self.insecure, field="worker.address"
        )

    def dialled(self) -> WorkerAddress:
        """Returns its address with its credentials."""
        return WorkerAddress(
            address=self.address,
            token=read_token(self.token_file, field="token_file") if self.token_file else "",
            tls=None if self.tls is None else self.tls.read(),
            name=self.name,
            insecure=self.insecure,
        )

    def has(self, labels: Sequence[Label]) -> bool:
        """Whether all of `labels` are among its own."""
        return set(labels) <= set(self.labels)


@record
class DialRule:
    """What a coordinator may dial, and how patient it is.

    Attributes:
        workers: those of the configuration.
        allows_any: other addresses too, as clients name them.
        wait_seconds: how long a comparison waits for workers that another one has.
        shared_memory: the folder of the memory that workers on this host share; empty: the machine's.
    """

    workers: tuple[ConfiguredWorker, ...] = ()
    allows_any: bool = False
    wait_seconds: float = 60.0
    shared_memory: str = ""


class WorkerDirectory:
    """Resolves what specs call workers, and lends each to one comparison at a time. Thread-safe.

    A comparison gets all of its workers at once or none, so two of them never wait for each other. What
    other coordinators do with a worker shows only in its own answer.
    """

    def __init__(self, rule: DialRule) -> None:
        self.workers = rule.workers
        self.shared_memory = rule.shared_memory
        self._rule = rule
        self._changed = threading.Condition()
        self._in_use: set[str] = set()

    def wish(self, parties: Mapping[Side, Party]) -> WorkerWish:
        """Returns the wish for the workers of these sides.

        Raises InvalidRequestError for an address that may not be dialled and for one worker on both
        sides, and NotFoundError for a name or labels that no worker has.
        """
        choices = {side: self._choices(side, party) for side, party in parties.items()}
        if _taken(choices, set()) is None:
            raise InvalidRequestError(
                f"reference.worker and candidate.worker are both {parties[Side.REFERENCE].worker}: "
                "each side needs a worker of its own"
            )
        return WorkerWish(choices)

    def _choices(self, side: Side, party: Party) -> tuple[WorkerAddress, ...]:
        """Returns the workers that the party may mean, in the configuration's order."""
        asked = party.worker
        if sum(map(bool, (asked.address, asked.name, asked.labels))) != 1:
            raise InvalidRequestError("give one of an address, a name or labels", field=f"{side}.worker")
        if asked.address:
            return (self._by_address(side, asked),)
        found = [
            worker
            for worker in self.workers
            if (worker.name == asked.name if asked.name else worker.has(asked.labels))
        ]
        framework = party.model.framework
        fitting = [worker for worker in found if not framework or worker.framework in ("", framework)]
        if not fitting:
            what = f"is called {asked}" if asked.name else f"has the labels {asked}"
            runs = f" and runs {framework}" if found else ""
            known = ", ".join(worker.name for worker in self.workers) or "none"
            raise NotFoundError(
                f"{side}.worker: no worker of this coordinator {what}{runs}; it knows: {known} "
                "(padiff workers lists them)"
            )
        return tuple(worker.dialled() for worker in fitting)

    def _by_address(self, side: Side, asked: WorkerAddress) -> WorkerAddress:
        for worker in self.workers:
            if worker.address == asked.address:
                return asked if asked.token or asked.tls is not None else worker.dialled()
        if self._rule.allows_any:
            return asked
        raise InvalidRequestError(
            f"{asked.address!r} is not in this coordinator's configuration, so it is not "
            "dialled; add it there under workers, or start padiff-server with --allow-any-worker",
            field=f"{side}.worker",
        )

    @contextmanager
    def lent(self, wish: WorkerWish, say: Callable[[str], None]) -> Iterator[Lent]:
        """Lends a free worker to each side for the length of the context; waits for it if need be.

        `say` hears of the waiting. Raises BusyError when that took too long, CancelledError when the wish was
        cancelled.
        """
        taken = self._take(wish, say)
        try:
            yield taken
        finally:
            with self._changed:
                self._in_use.difference_update(worker.address for worker in taken.values())
                self._changed.notify_all()

    def _take(self, wish: WorkerWish, say: Callable[[str], None]) -> Lent:
        deadline = time.monotonic() + self._rule.wait_seconds
        with self._changed:
            while True:
                if wish.is_cancelled:
                    raise CancelledError("the comparison was cancelled while it waited for its workers")
                taken = _taken(wish.choices, self._in_use)
                if taken is not None:
                    self._in_use.update(worker.address for worker in taken.values())
                    return taken
                left = deadline - time.monotonic()
                if left <= 0:
                    raise BusyError(
                        f"{self._busy(wish)} in use by another comparison, and "
                        f"{self._rule.wait_seconds:g} s were not enough to wait for its end; try again "
                        "later, or raise --worker-wait-seconds"
                    )
                say(f"waits up to {left:.0f} s: {self._busy(wish)} in use by another comparison")
                self._changed.wait(left)

    def _busy(self, wish: WorkerWish) -> str:
        named = {
            worker.name or worker.address: None
            for choices in wish.choices.values()
            for worker in choices
            if worker.address in self._in_use
        }
        return f"{', '.join(named)} {'is' if len(named) == 1 else 'are'}"

    def cancel(self, wish: WorkerWish) -> None:
        """Ends the waiting for a wish; from any thread."""
        with self._changed:
            wish.is_cancelled = True
            self._changed.notify_all()


class WorkerWish:
    """What one comparison would take: by side, any one of these. The directory alone writes to it."""

    def __init__(self, choices: Mapping[Side, tuple[WorkerAddress, ...]]) -> None:
        self.choices = choices
        self.is_cancelled = False


def _taken(choices: Mapping[Side, tuple[WorkerAddress, ...]], in_use: set[str]) -> Optional[Lent]:
    """Returns a free worker for each side, the first that fit in the configuration's order; None for none."""
    for chosen in itertools.product(*choices.values()):
        addresses = {worker.address for worker in chosen}
        if len(addresses) == len(chosen) and not addresses & in_use:
            return dict(zip(choices, chosen))
    return None
