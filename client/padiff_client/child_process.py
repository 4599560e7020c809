"""One process that this client started: how it is launched, watched and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record

STOP_SECONDS = 3.0
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


class ChildProcess:
    """A running child. Its output goes to a log file, or to this process's stderr when verbose."""

    def __init__(
        self, launch: Launch, *, descriptors: Mapping[str, int], folder: Path, verbose: bool
    ) -> None:
        """Starts the child.

        `descriptors` maps flags to descriptors that the child inherits ("" for one without a flag).
        Raises InvalidRequestError when the interpreter cannot be run.
        """
        self.launch = launch
        self._log_path = folder / f"{launch.name}.log"
        reader, writer = os.pipe()
        self.announcement = reader
        flags = {**descriptors, "--announce-fd": writer}
        command = [launch.python, "-m", launch.package, *launch.arguments]
        command += [text for flag, number in flags.items() if flag for text in (flag, str(number))]
        command += ["--private-folder", str(folder)]
        try:
            with open(self._log_path, "ab") as log:
                self._popen = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=sys.stderr.fileno() if verbose else log,
                    stderr=None if verbose else log,
                    env=dict(launch.environment),
                    pass_fds=tuple(flags.values()),
                    # Ctrl-C in a terminal then reaches the client alone, which stops its children in order.
                    start_new_session=True,
                )
        except OSError as error:
            os.close(reader)
            raise InvalidRequestError(
                f"{launch.python_field}: {launch.python} cannot be run ({error.strerror}); name a Python "
                "interpreter, as /path/to/venv/bin/python"
            ) from None
        finally:
            os.close(writer)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def exit_status(self, wait_seconds: float = 0.0) -> Optional[int]:
        """Returns the exit code, minus the signal's number for a killed child, None while it runs."""
        try:
            return self._popen.wait(wait_seconds) if wait_seconds else self._popen.poll()
        except subprocess.TimeoutExpired:
            return None

    def log_tail(self) -> str:
        """Returns the end of what the child has written."""
        try:
            with open(self._log_path, "rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
                return log.read().decode(errors="replace").strip()
        except OSError:
            return ""

    def stop(self, ask_seconds: float = STOP_SECONDS) -> None:
        """Asks the child to end, waits, then kills it with all processes that it started."""
        if self.announcement >= 0:
            os.close(self.announcement)
            self.announcement = -1
        if self._popen.poll() is None:
            try:
                self._popen.terminate()
                self._popen.wait(ask_seconds)
            except subprocess.TimeoutExpired:
                pass
            finally:
                self.kill()

    def kill(self) -> None:
        """Kills the child's process group if the child still runs, and reaps it."""
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()


def describe_exit(status: int) -> str:
    """Returns how a process ended, in words."""
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
