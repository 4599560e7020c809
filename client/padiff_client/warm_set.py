"""The set of warm interpreters: one for each framework and one for the coordinator, started and ended."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Optional

from padiff_client.child_process import ChildProcess, Launch
from padiff_client.embedded import START_SECONDS, announced
from padiff_client.frameworks import FRAMEWORKS
from padiff_client.launches import CallerProcess, coordinator_launch, worker_launch
from padiff_client.private_folder import PrivateFolder
from padiff_client.progress import Onlooker, Silent
from padiff_client.spec import ModelSpec
from padiff_client.warm import (
    NO_WARM,
    WARM_VARIABLE,
    WarmInterpreter,
    check_owned,
    interpreters,
    own_folder,
    read_interpreter,
    warm_folder,
)
from padiff_rpc.addresses import MAX_SOCKET_PATH_BYTES
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.file_locks import is_held, take_lock
from padiff_rpc.records import record
from padiff_rpc.warm import LOCK, SOCKET

IDLE_SECONDS = 1800.0
_UP = ".up"
_TEMPORARY = "tmp"
_POLL_SECONDS = 0.05
_COORDINATOR_IMPORTS = ("padiff_server.main",)


@record
class Warming:
    """An interpreter that is to be warm: what a comparison would start, and what of it is imported."""

    launch: Launch
    imports: tuple[str, ...]


@record
class Warmed:
    """One interpreter of the set; `was_there` says that it was warm before."""

    name: str
    interpreter: WarmInterpreter
    was_there: bool


def warm_up(
    sides: Mapping[str, ModelSpec],
    environment: Mapping[str, str],
    *,
    idle_seconds: float = IDLE_SECONDS,
    onlooker: Optional[Onlooker] = None,
) -> list[Warmed]:
    """Has the interpreters of both `sides` (by the field that names each) and of the coordinator warm.

    Those that are warm already and would be used stay as they are; those that would not be used are ended,
    and replaced. Raises InvalidRequestError where one cannot be, as for a comparison; then none is started.
    """
    root = made_root(environment)
    return keep_warm(_wanted(sides, environment, root), root, idle_seconds, onlooker or Silent())


def keep_warm(wanted: Sequence[Warming], root: Path, idle_seconds: float, onlooker: Onlooker) -> list[Warmed]:
    """Does what `warm_up` describes, for what is `wanted`."""
    with _alone(root):
        list(interpreters(root))  # sweeps
        folders = {own_folder(root, one.launch.package, one.launch.python): one for one in wanted}
        there = {folder for folder, one in folders.items() if _is_there(folder, one, idle_seconds)}
        _start(
            {folder: one for folder, one in folders.items() if folder not in there}, idle_seconds, onlooker
        )
    return [
        Warmed(name=one.launch.name, interpreter=read_interpreter(folder), was_there=folder in there)
        for folder, one in folders.items()
    ]


def cool_down(environment: Mapping[str, str]) -> Iterator[WarmInterpreter]:
    """Ends the set; yields each interpreter as it is told, and waits until its last process has ended."""
    root = warm_folder(environment)
    if root is None or not root.is_dir():
        return
    check_owned(root)
    with _alone(root):
        for one in interpreters(root):
            yield one
            _end(one)
    with suppress(OSError):
        (root / _UP).unlink()
        root.rmdir()


def made_root(environment: Mapping[str, str]) -> Path:
    """Returns the folder of warm interpreters, made where it is not there. Raises InvalidRequestError for one
    that cannot be it.
    """
    root = warm_folder(environment)
    if root is None:
        raise InvalidRequestError(
            f"{NO_WARM}: none are used; unset it, or name a folder", field=WARM_VARIABLE
        )
    longest = own_folder(root, max((one.package for one in FRAMEWORKS.values()), key=len), "") / SOCKET
    if len(os.fsencode(longest)) >= MAX_SOCKET_PATH_BYTES:
        raise InvalidRequestError(
            f"{root} is too long for sockets; name a shorter folder, as /tmp/padiff", field=WARM_VARIABLE
        )
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_owned(root)
    return root


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Keeps others from changing the set meanwhile; waits for them."""
    with open(root / _UP, "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wanted(sides: Mapping[str, ModelSpec], environment: Mapping[str, str], root: Path) -> list[Warming]:
    caller = CallerProcess(environment=environment)
    folder = PrivateFolder(path=root, lock_descriptor=-1)
    wanted = []
    here = {field: spec for field, spec in sides.items() if spec.worker is None}
    for field, spec in here.items():
        if spec.recording is None:
            launch = worker_launch(
                spec.framework,
                spec,
                caller,
                field=field,
                token="",
                folder=folder,
                save_root=None,
                workers_here=len(here),
            )
            module, _ = FRAMEWORKS[spec.framework].adapter
            wanted.append(Warming(launch=launch, imports=("padiff_worker.main", module)))
    coordinator = coordinator_launch(caller, token="", folder=folder)
    return [*wanted, Warming(launch=coordinator, imports=_COORDINATOR_IMPORTS)]


def _is_there(folder: Path, wanted: Warming, idle_seconds: float) -> bool:
    """Whether the interpreter is warm and would be used; one that would not be is ended."""
    if not is_held(folder / LOCK):
        return False
    there = read_interpreter(folder)
    if not there.misfit(wanted.launch.environment) and there.idle_seconds == idle_seconds:
        return True
    _end(there)
    return False


def _start(wanted: Mapping[Path, Warming], idle_seconds: float, onlooker: Onlooker) -> None:
    """Starts interpreters, each in its folder, at once; leaves none where one of them cannot be."""
    children = []
    try:
        try:
            for folder, one in wanted.items():
                children.append(_started(folder, one, idle_seconds, onlooker))
            announced(children, START_SECONDS, onlooker)
        finally:  # each leaves a process behind that is nobody's child
            for child in children:
                child.stop()
    except BaseException:
        for folder in wanted:
            _end(read_interpreter(folder))
        raise


def _started(folder: Path, wanted: Warming, idle_seconds: float, onlooker: Onlooker) -> ChildProcess:
    hidden = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    with open(hidden / LOCK, "wb") as lock:
        take_lock(lock.fileno())
        (hidden / _TEMPORARY).mkdir()
        # Under its name it is locked from the first.
        hidden.rename(folder)
        return ChildProcess(
            replace(
                wanted.launch,
                package="padiff_rpc.warm",
                arguments=(
                    *(text for name in wanted.imports for text in ("--import", name)),
                    *("--idle-seconds", str(idle_seconds)),
                ),
                environment={**wanted.launch.environment, "TMPDIR": str(folder / _TEMPORARY)},
            ),
            descriptors={"--lock-fd": lock.fileno()},
            folder=folder,
            onlooker=onlooker,
        )


def _end(one: WarmInterpreter) -> None:
    """Tells it to end, and waits until it has: its last process ends with the comparison that has it."""
    # It may be about to serve, and says its number in a moment.
    while not one.process and one.lives:
        time.sleep(_POLL_SECONDS)
        one = read_interpreter(one.folder)
    if one.lives:
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(one.process)
            try:
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
                select.select([descriptor], [], [])
            finally:
                os.close(descriptor)
    shutil.rmtree(one.folder, ignore_errors=True)
