"""Warm interpreters: those that `padiff up` keeps, found again, and asked for processes of a comparison.

Each has a folder of its own in a folder that only this user can enter: a socket, a lock that lasts as long as
it does, and what it says of itself. See `padiff_rpc.warm` for the other side.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import select
import shutil
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Optional

from padiff_rpc.errors import PaDiffError
from padiff_rpc.file_locks import is_held
from padiff_rpc.records import record
from padiff_rpc.version import package_version
from padiff_rpc.warm import INFO, LOCK, SOCKET, send_request

logger = logging.getLogger("padiff_client")

# Names the folder of warm interpreters, or says that none are used.
WARM_VARIABLE, NO_WARM = "PADIFF_WARM", "none"
# A younger folder that is still under a hidden name may be on its way to its lock.
_SWEEP_AFTER_SECONDS = 60.0
# One that does not answer by then is as good as gone.
_ANSWER_SECONDS = 5.0
# Of a process: set for it alone; of a terminal, a shell, a session, an editor or a notebook. Nothing reads
# these as a framework is imported, and a fork gets its client's own.
_NOT_READ = re.compile(
    "PADIFF_(TOKEN|WARM|STORE.*|FLOORS|\\w+_PYTHON)|TMPDIR|PWD|OLDPWD|SHLVL|_|COLUMNS|LINES"
    "|TERM.*|COLORTERM|WINDOWID|STY|TMUX.*|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|MAIL|LOGNAME|LS_COLORS|LESS.*"
    "|PAGER|EDITOR|VISUAL|PS1|MPLBACKEND|CLICOLOR.*|FORCE_COLOR|NO_COLOR|INVOCATION_ID|JOURNAL_STREAM"
    "|MANAGERPID|PYTEST_.*|MAKE.*|MFLAGS|(SSH|XDG|DBUS|GNOME|KDE|KITTY|VSCODE|GIT|JPY|PYDEVD)_.*"
)


@record
class WarmInterpreter:
    """One that serves, or did.

    Attributes:
        folder: its own.
        package: what its forks run, as "padiff_worker_torch".
        process: its number; 0 while it imports.
        python: its interpreter.
        version: of this project.
        idle_seconds: it ends when nobody has come for so long.
        files: those by which one sees that its code is outdated, with time of change and bytes.
    """

    folder: Path
    package: str
    process: int = 0
    python: str = ""
    version: str = ""
    idle_seconds: float = 0.0
    files: tuple[tuple[str, int, int], ...] = ()

    @property
    def lives(self) -> bool:
        """Whether its process lives."""
        return is_held(self.folder / LOCK)

    def running(self) -> int:
        """Returns how many processes it has forked that still run."""
        with suppress(OSError):
            return len(Path(f"/proc/{self.process}/task/{self.process}/children").read_text().split())
        return 0

    def misfit(self, environment: Mapping[str, str]) -> str:
        """Returns why a process with that environment must be started afresh; "" where it need not be."""
        if self.version != package_version():
            return f"it is of padiff-rpc {self.version}"
        for path, changed, size in self.files:
            with suppress(OSError):
                status = os.stat(path)
                if (status.st_mtime_ns, status.st_size) == (changed, size):
                    continue
            return f"{path} has changed since"
        own = _environment_of(self.process)
        names = (name for name in {*own, *environment} if not _NOT_READ.fullmatch(name))
        differing = sorted(name for name in names if own.get(name) != environment.get(name))
        if differing:
            return f"it was started with another {', '.join(differing)}"
        if os.sched_getaffinity(self.process) != os.sched_getaffinity(0):
            return "it was started for other cores"
        return ""


def _environment_of(process: int) -> dict[str, str]:
    """Returns the environment that a process was started with. Raises OSError."""
    content = Path(f"/proc/{process}/environ").read_bytes()
    pairs = (os.fsdecode(line).partition("=") for line in content.split(b"\0") if line)
    return {name: value for name, _, value in pairs}


def warm_folder(environment: Mapping[str, str]) -> Optional[Path]:
    """Returns the folder of this user's warm interpreters, which need not be there; None: none are used."""
    named = environment.get(WARM_VARIABLE)
    if named:
        return None if named == NO_WARM else Path(os.path.abspath(os.path.expanduser(named)))
    runtime = environment.get("XDG_RUNTIME_DIR")
    if runtime and os.path.isdir(runtime):
        return Path(runtime) / "padiff-warm"
    return Path(tempfile.gettempdir()) / f"padiff-warm-{os.getuid()}"


def check_owned(folder: Path) -> None:
    """Raises PaDiffError for a folder that is not this user's alone."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PaDiffError(
            f"{folder} is not a folder of yours alone; remove it, or name another one: {WARM_VARIABLE}"
        )


def own_folder(root: Path, package: str, python: str) -> Path:
    """Returns the folder that the warm interpreter of a package has in `root`."""
    return root / f"{package}-{hashlib.sha256(os.fsencode(python)).hexdigest()[:12]}"


def read_interpreter(folder: Path) -> WarmInterpreter:
    """Returns what an interpreter says of itself in its folder; the bare one where it says nothing yet."""
    package, _, _ = folder.name.rpartition("-")
    try:
        said = json.loads((folder / INFO).read_text())
    except (OSError, ValueError):
        return WarmInterpreter(folder=folder, package=package)
    return WarmInterpreter(
        folder=folder,
        package=package,
        python=said["python"],
        process=said["process"],
        version=said["version"],
        idle_seconds=said["idle_seconds"],
        files=tuple((path, changed, size) for path, changed, size in said["files"]),
    )


class WarmChild:
    """A process that a warm interpreter has forked for this client."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        """Raises OSError where the process has ended already."""
        self.pid = pid
        self.returncode: Optional[int] = None
        self._connection = connection
        self._descriptor = os.pidfd_open(pid)

    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self.returncode is not None or bool(select.select([self._descriptor], [], [], 0)[0])

    def terminate(self) -> None:
        """Asks the process to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Kills the process, where it still runs; what it has started ends with it. May be called twice."""
        if self.returncode is not None:
            return
        self._send(signal.SIGKILL)
        select.select([self._descriptor], [], [], _ANSWER_SECONDS)
        said = b""
        with suppress(OSError):
            said = self._connection.makefile("rb").readline()
        # Where the interpreter is gone too, nobody knows how the process ended.
        self.returncode = int(said) if said.endswith(b"\n") else -signal.SIGKILL
        self._connection.close()
        os.close(self._descriptor)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)


def forked(
    package: str,
    python: str,
    environment: Mapping[str, str],
    arguments: Sequence[str],
    *,
    log: int,
    descriptors: Mapping[str, int],
) -> Optional[WarmChild]:
    """Returns a process of a warm interpreter that fits; None where there is none.

    `log`: the descriptor of what the process writes; `descriptors` maps flags to those that it inherits (""
    for one without a flag).
    """
    root = warm_folder(environment)
    if root is None or not (folder := own_folder(root, package, python)).is_dir():
        return None
    try:
        check_owned(root)
        found = read_interpreter(folder)
        why = found.misfit(environment)
        if why:
            logger.info("the warm interpreter of %s is not used: %s", package, why)
            return None
        return _asked(found, environment, arguments, log, descriptors)
    except (OSError, ValueError, PaDiffError) as error:
        logger.info("the warm interpreter of %s is not used: %s", package, error)
        return None


def _asked(
    found: WarmInterpreter,
    environment: Mapping[str, str],
    arguments: Sequence[str],
    log: int,
    descriptors: Mapping[str, int],
) -> WarmChild:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_ANSWER_SECONDS)
        connection.connect(str(found.folder / SOCKET))
        process = WarmChild(connection, int(_line(connection)))
        request = {
            "package": found.package,
            "arguments": list(arguments),
            "flags": list(descriptors),
            "environment": dict(environment),
            "folder": os.getcwd(),
        }
        send_request(connection, request, [log, *descriptors.values()])
    except BaseException:
        connection.close()
        raise
    logger.info("process %d is of the warm interpreter %s", process.pid, found.python)
    return process


def _line(connection: socket.socket) -> bytes:
    """Returns the next line, read byte by byte: what follows is another's. Raises OSError at the end."""
    said = b""
    while not said.endswith(b"\n"):
        piece = connection.recv(1)
        if not piece:
            raise ConnectionResetError("it has ended")
        said += piece
    return said


def interpreters(root: Path) -> Iterator[WarmInterpreter]:
    """Yields the warm interpreters in `root` that live; removes what is left of others."""
    if not root.is_dir():
        return
    check_owned(root)
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if is_held(folder / LOCK):
            yield read_interpreter(folder)
        elif not folder.name.startswith(".") or time.time() - folder.lstat().st_mtime > _SWEEP_AFTER_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
