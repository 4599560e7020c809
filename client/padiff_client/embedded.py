"""The processes of embedded mode: started together, watched, and stopped whatever happens."""

from __future__ import annotations

import os
import selectors
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Optional

from padiff_client.child_process import ChildProcess, Launch
from padiff_client.preflight import explain_early_end
from padiff_client.private_folder import PrivateFolder, private_folder
from padiff_client.progress import Onlooker, Silent
from padiff_rpc.child import describe_exit
from padiff_rpc.errors import WorkerLostError

# Importing a framework from a cold network disk takes its time.
START_SECONDS = 180.0
_LAST_WORDS_SECONDS = 5.0
_POLL_SECONDS = 0.05


class Lifeline:
    """A pipe whose write end this process alone holds: children see its end however this process ends."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        _lifelines.add(self)

    def close(self) -> None:
        """Ends all children that still run; may be called twice."""
        for descriptor in (self.reader, self._writer):
            if descriptor >= 0:
                os.close(descriptor)
        self.reader = self._writer = -1


_lifelines: weakref.WeakSet[Lifeline] = weakref.WeakSet()


def _close_in_fork() -> None:
    """Keeps a fork of this process (a data loader's worker) from keeping the children alive."""
    for lifeline in list(_lifelines):
        lifeline.close()


# Once for all runs: it cannot be taken back.
os.register_at_fork(after_in_child=_close_in_fork)


class Household:
    """The children of one embedded run, in the order of their start."""

    def __init__(self, folder: PrivateFolder, lifeline: Lifeline, onlooker: Onlooker) -> None:
        self.folder = folder
        self._lifeline = lifeline
        self._onlooker = onlooker
        self._children: list[ChildProcess] = []

    def start(self, launches: Sequence[Launch], start_seconds: float = START_SECONDS) -> dict[str, str]:
        """Starts all at once; returns the address of each by name when all serve.

        Raises InvalidRequestError or WorkerLostError as soon as one has ended before it served, and
        WorkerLostError when one takes longer than `start_seconds`.
        """
        descriptors = {"--lifeline-fd": self._lifeline.reader, "": self.folder.lock_descriptor}
        started = []
        self._onlooker.starting([launch.name for launch in launches])
        for launch in launches:
            child = ChildProcess(
                launch, descriptors=descriptors, folder=self.folder.path, onlooker=self._onlooker
            )
            self._children.append(child)
            started.append(child)
        return announced(started, start_seconds, self._onlooker)

    def pids(self) -> dict[str, int]:
        """Returns the process id of every child by name."""
        return {child.launch.name: child.pid for child in self._children}

    def obituaries(self, wait_seconds: float) -> tuple[str, ...]:
        """Returns a sentence on each child that has ended; waits until one has, or `wait_seconds`."""
        deadline = time.monotonic() + wait_seconds
        while True:
            ended = [
                (child, status) for child in self._children if (status := child.exit_status()) is not None
            ]
            if ended or time.monotonic() >= deadline:
                break
            time.sleep(_POLL_SECONDS)
        return tuple(
            f"the {child.launch.name} (process {child.pid}) {describe_exit(status)}{_last_words(child)}"
            for child, status in ended
        )

    def close(self) -> None:
        """Stops the child started last, which may use the others, then these at once; may be called twice."""
        try:
            for child in self._children[-1:]:
                child.stop()
            for child in self._children:
                child.ask_to_end()
            for child in self._children:
                child.stop()
        finally:  # a second Ctrl-C cuts the asking short
            for child in reversed(self._children):
                child.kill()


@contextmanager
def open_household(onlooker: Optional[Onlooker] = None) -> Iterator[Household]:
    """Provides a household; at the end no process and no file of it is left."""
    with private_folder() as folder:
        lifeline = Lifeline()
        household = Household(folder, lifeline, onlooker if onlooker is not None else Silent())
        try:
            yield household
        finally:
            try:
                household.close()
            finally:
                lifeline.close()


def announced(children: Sequence[ChildProcess], start_seconds: float, onlooker: Onlooker) -> dict[str, str]:
    """Returns the line that each child announces, by its name; raises as `Household.start`."""
    deadline = time.monotonic() + start_seconds
    heard = {child.launch.name: b"" for child in children}
    with selectors.DefaultSelector() as selector:
        for child in children:
            selector.register(child.announcement, selectors.EVENT_READ, child)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready and time.monotonic() >= deadline:
                waiting: ChildProcess = next(iter(selector.get_map().values())).data
                raise WorkerLostError(
                    f"the {waiting.launch.name} does not serve after {start_seconds:.0f} s"
                    f"{_last_words(waiting)}",
                    log=waiting.log_tail(),
                )
            for key, _ in ready:
                child = key.data
                content = os.read(child.announcement, 4096)
                heard[child.launch.name] += content
                if heard[child.launch.name].endswith(b"\n"):
                    selector.unregister(child.announcement)
                    onlooker.serves(child.launch.name)
                elif not content:
                    raise explain_early_end(child, _status_after_end_of_file(child))
    return {name: os.fsdecode(line.strip()) for name, line in heard.items()}


def _status_after_end_of_file(child: ChildProcess) -> int:
    status: Optional[int] = child.exit_status(_LAST_WORDS_SECONDS)
    if status is None:  # it closed the pipe but lives on: as good as ended
        child.stop()
        status = child.exit_status()
    return status if status is not None else 0


def _last_words(child: ChildProcess) -> str:
    last_line = child.log_tail().rpartition("\n")[2]
    return f"; its last words: {last_line}" if last_line else ""
