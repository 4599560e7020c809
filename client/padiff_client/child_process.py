"""One process that this client started: how it is launched, watched and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Optional

from padiff_client.log_copy import LogCopy
from padiff_client.progress import Onlooker
from padiff_client.warm import WarmChild, forked
from padiff_rpc.errors import InvalidRequestError, WorkerLostError
from padiff_rpc.records import record

STOP_SECONDS = 3.0
_POLL_SECONDS = 0.02
_TAIL_BYTES = 8192


@record
class Launch:
    """A command to run.

    Attributes:
        name: what the process is called in texts and file names: "reference", "coordinator".
        python: its interpreter.
        package: what is run by `python -m`.
        arguments: what follows on the command line.
        environment: the process's whole environment.
        mend: the pip command that installs what a missing import needs, by top-level package.
        python_field: where the interpreter was set, for texts.
    """

    name: str
    python: str
    package: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    mend: Mapping[str, str]
    python_field: str


# The beginning of what an interpreter is given to run (`-c`): the current folder leaves sys.path, where a
# `msgpack.py` would run in place of the package. Before Python 3.11 there is no flag for that.
SAFE_PATH = "import sys; sys.path[:] = filter(None, sys.path)\n"
# As `-m` does.
_RUN_PACKAGE = SAFE_PATH + (
    "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


class ChildProcess:
    """A running child. Its output goes to a log file, and to an onlooker who wants it.

    It is a fork of a warm interpreter where one fits, else a fresh interpreter.

    The child leads a process group: when it has ended, however it ended, what it started ends too. The
    group is killed before the child is reaped, since until then nobody else can get its number.
    """

    def __init__(
        self, launch: Launch, *, descriptors: Mapping[str, int], folder: Path, onlooker: Onlooker
    ) -> None:
        """Starts the child.

        `descriptors` maps flags to descriptors that the child inherits ("" for one without a flag).
        Raises InvalidRequestError when the interpreter cannot be run, WorkerLostError when this machine
        cannot start a process.
        """
        self.launch = launch
        self._log_path = folder / f"{launch.name}.log"
        reader, writer = os.pipe()
        self.announcement = reader
        flags = {**descriptors, "--announce-fd": writer}
        arguments = [*launch.arguments, "--private-folder", str(folder)]
        try:
            self._process = _forked(launch, arguments, self._log_path, flags) or _Started(
                launch, arguments, self._log_path, flags
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._is_asked = False
        self._log_copy = LogCopy(self._log_path, onlooker.wrote) if onlooker.hears_processes else None

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_status(self, wait_seconds: float = 0.0) -> Optional[int]:
        """Returns the exit code, minus the signal's number for a killed child, None while it runs."""
        deadline = time.monotonic() + wait_seconds
        while not self._process.has_ended():
            if time.monotonic() >= deadline:
                return None
            time.sleep(_POLL_SECONDS)
        self.kill()
        return self._process.returncode

    def log_tail(self) -> str:
        """Returns the end of what the child has written."""
        try:
            with open(self._log_path, "rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
                return log.read().decode(errors="replace").strip()
        except OSError:
            return ""

    def ask_to_end(self) -> None:
        """Asks the child to end, where it still runs; a second call does nothing.

        A second signal would cut short what it has yet to do.
        """
        if not self._is_asked and self.exit_status() is None:
            self._is_asked = True
            self._process.terminate()

    def stop(self, ask_seconds: float = STOP_SECONDS) -> None:
        """Asks the child to end, waits, then kills it with all processes that it started."""
        if self.announcement >= 0:
            os.close(self.announcement)
            self.announcement = -1
        try:
            self.ask_to_end()
            self.exit_status(ask_seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kills the child, where it still runs, with all processes that it started, and reaps it."""
        self._process.kill()
        if self._log_copy is not None:
            self._log_copy.close()


def _forked(
    launch: Launch, arguments: Sequence[str], log_path: Path, descriptors: Mapping[str, int]
) -> Optional[WarmChild]:
    """Returns the process of a warm interpreter; None where none fits, and where it has no log."""
    with suppress(OSError), open(log_path, "ab") as log:
        return forked(
            launch.package,
            launch.python,
            launch.environment,
            arguments,
            log=log.fileno(),
            descriptors=descriptors,
        )
    return None


class _Started:
    """A process of a fresh interpreter."""

    def __init__(
        self, launch: Launch, arguments: Sequence[str], log_path: Path, descriptors: Mapping[str, int]
    ) -> None:
        command = [launch.python, "-c", _RUN_PACKAGE, launch.package, *arguments]
        command += [text for flag, number in descriptors.items() if flag for text in (flag, str(number))]
        self._popen = _popen(launch, command, log_path, tuple(descriptors.values()))

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> Optional[int]:
        return self._popen.returncode

    def has_ended(self) -> bool:
        """Whether the process has ended; it is not reaped by the asking."""
        if self._popen.returncode is not None:
            return True
        try:
            options = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self.pid, options) is not None
        except ChildProcessError:
            # This program ignores SIGCHLD, so the system has reaped it: its number may be another's by now.
            return self._popen.poll() is not None

    def terminate(self) -> None:
        """Asks the process to end."""
        # Popen's own terminate() might reap it.
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kills the process, where it still runs, with all that it started, and reaps it."""
        if self._popen.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()


def _popen(
    launch: Launch, command: Sequence[str], log_path: Path, descriptors: tuple[int, ...]
) -> subprocess.Popen[bytes]:
    try:
        with open(log_path, "ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(launch.environment),
                pass_fds=descriptors,
                # Ctrl-C in a terminal then reaches the client alone, which stops its children in order.
                start_new_session=True,
            )
    except OSError as error:
        if error.filename == launch.python:  # a full disk or process table is not the interpreter's fault
            raise InvalidRequestError(
                f"{launch.python} cannot be run ({error.strerror}); name a Python "
                "interpreter, as /path/to/venv/bin/python",
                field=launch.python_field,
            ) from None
        raise WorkerLostError(f"the {launch.name} could not be started: {error}") from error
