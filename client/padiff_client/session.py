"""From two model specs to a connection: who runs already, who is started, and who is told what."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Optional

from padiff_client.embedded import Household, open_household
from padiff_client.launches import (
    COORDINATOR,
    CallerProcess,
    coordinator_launch,
    recording_launch,
    worker_launch,
)
from padiff_client.link import CoordinatorLink, connect
from padiff_client.report import Report
from padiff_client.spec import ModelSpec
from padiff_rpc.addresses import check_address
from padiff_rpc.errors import InvalidRequestError, WorkerLostError
from padiff_rpc.records import record
from padiff_rpc.v1.records import Note, Party, Tls, WorkerAddress
from padiff_rpc.v1.words import NoteKind, Side

# How a process that is gone ended is known a moment later.
_EXIT_SECONDS = 2.0


@record
class Contestant:
    """One side: its spec, its loss and optimizer, and the field that named it ("layer", "module")."""

    side: Side
    spec: ModelSpec
    field: str
    loss: str = ""
    optimizer: str = ""


@record
class Server:
    """A coordinator that runs already."""

    address: str
    token: str = ""
    tls: Optional[Tls] = None
    insecure: bool = False


@record
class Session:
    """A connection to a coordinator, and the parties as the coordinator is told of them."""

    connection: CoordinatorLink
    parties: Mapping[Side, Party]
    household: Optional[Household] = None

    @property
    def candidate(self) -> Party:
        return self.parties[Side.CANDIDATE]

    @property
    def reference(self) -> Party:
        return self.parties[Side.REFERENCE]

    def explained(self, report: Report) -> Report:
        """Returns `report` with a note on each process of ours that ended during it."""
        if self.household is None or not report.troubles:
            return report
        ended = self.household.obituaries(_EXIT_SECONDS)
        notes = (Note(kind=NoteKind.MESSAGE, names=(text,)) for text in ended)
        return Report(replace(report.summary, notes=(*report.summary.notes, *notes)), report.all_rows)


def check_whereabouts(contestants: Sequence[Contestant], server: Optional[Server]) -> None:
    """Raises InvalidRequestError where a spec and the server contradict each other."""
    if server is None:
        for contestant in contestants:
            if contestant.spec.worker is not None and not contestant.spec.has_worker_address:
                raise InvalidRequestError(
                    f"{contestant.spec.worker!r} is no address; names and "
                    "labels are known to a running coordinator only: give server=",
                    field=f"{contestant.field}.worker",
                )
        return
    check_address(server.address, has_tls=server.tls is not None, insecure=server.insecure, field="server")
    for contestant in contestants:
        for name in ("python", "path", "allow", "recording"):
            if getattr(contestant.spec, name):
                raise InvalidRequestError(
                    "a server starts no processes, so it cannot go with server=; "
                    "start the worker yourself and give worker=",
                    field=f"{contestant.field}.{name}",
                )
        if contestant.spec.worker is None:
            raise InvalidRequestError(
                "missing; with server= every model needs a running worker: "
                "its address, or its name or labels there",
                field=f"{contestant.field}.worker",
            )


@contextmanager
def open_session(
    contestants: Sequence[Contestant],
    server: Optional[Server],
    caller: CallerProcess,
    *,
    save_root: Optional[str] = None,
) -> Iterator[Session]:
    """Provides a session; whatever was started for it is gone at its end. See `check_whereabouts` first.

    `save_root` is the folder that a started candidate worker may save to.
    """
    if server is not None:
        with connect(
            server.address,
            token=server.token,
            tls=server.tls,
            insecure=server.insecure,
            onlooker=caller.onlooker,
        ) as connection:
            yield Session(
                connection=connection,
                parties={one.side: _party(one, None) for one in contestants},
            )
        return
    with open_household(caller.onlooker) as household:
        token = secrets.token_hex(16)
        addresses = _start(household, contestants, caller, token, save_root)
        own = Server(address=addresses[COORDINATOR], token=token)
        with (
            _explaining(household),
            connect(own.address, token=own.token, onlooker=caller.onlooker) as connection,
        ):
            yield Session(
                connection=connection,
                parties={one.side: _party(one, _own_worker(one, addresses, token)) for one in contestants},
                household=household,
            )


def _start(
    household: Household,
    contestants: Sequence[Contestant],
    caller: CallerProcess,
    token: str,
    save_root: Optional[str],
) -> dict[str, str]:
    here = [contestant for contestant in contestants if contestant.spec.worker is None]
    launches = [
        recording_launch(
            str(contestant.side),
            contestant.spec,
            caller,
            field=contestant.field,
            token=token,
            folder=household.folder,
        )
        if contestant.spec.recording is not None
        else worker_launch(
            str(contestant.side),
            contestant.spec,
            caller,
            field=contestant.field,
            token=token,
            folder=household.folder,
            save_root=save_root if contestant.side is Side.CANDIDATE else None,
            workers_here=len(here),
        )
        for contestant in here
    ]
    return household.start([*launches, coordinator_launch(caller, token=token, folder=household.folder)])


def _own_worker(contestant: Contestant, addresses: dict[str, str], token: str) -> Optional[WorkerAddress]:
    address = addresses.get(f"{contestant.side} worker")
    return None if address is None else WorkerAddress(address=address, token=token)


def _party(contestant: Contestant, started: Optional[WorkerAddress]) -> Party:
    spec = contestant.spec
    worker = started or spec.worker_address()
    return Party(model=spec.to_model(loss=contestant.loss, optimizer=contestant.optimizer), worker=worker)


@contextmanager
def _explaining(household: Household) -> Iterator[None]:
    """Adds how our own processes ended to the loss of one."""
    try:
        yield
    except WorkerLostError as error:
        ended = household.obituaries(_EXIT_SECONDS)
        if not ended:
            raise
        raise WorkerLostError(f"{error}; {'; '.join(ended)}", **error.context) from None
