"""A user's script as a child of a command: it has the terminal, and it never outlives the command."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Optional

from padiff_client.embedded import Lifeline
from padiff_rpc import lifeline
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import reason

_STOP_SECONDS = 5.0


class ScriptProcess:
    """A running script. It leads a process group, so that what it started ends with it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], client: Lifeline) -> None:
        """Starts the script, which is killed at the end of `client`.

        Raises InvalidRequestError for a command that cannot be run.
        """
        reader, writer = os.pipe()
        try:
            self._popen = subprocess.Popen(
                command, env=dict(environment), pass_fds=(writer,), start_new_session=True
            )
            lifeline.start_for(self._popen.pid, client.reader, reader)
        except OSError as error:
            raise InvalidRequestError(
                f"{command[0]} cannot be run ({reason(error)}); write the script's command behind --, as in "
                "-- python train.py",
                field="COMMAND",
            ) from None
        finally:
            os.close(reader)
            os.close(writer)

    def exit_status(self, wait_seconds: float = 0.0) -> Optional[int]:
        """Returns the exit code, minus the signal's number for a killed script, None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            return self._popen.wait(wait_seconds)
        return None

    def interrupt(self) -> None:
        """Sends the script what Ctrl-C would send it."""
        self._signal(signal.SIGINT)

    def stop(self) -> None:
        """Asks the script to end, waits, then kills it with all that it started; may be called twice."""
        if self.exit_status() is None:
            self._signal(signal.SIGTERM)
            self.exit_status(_STOP_SECONDS)
        if self.exit_status() is None:
            self._signal(signal.SIGKILL)
            self._popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._popen.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._popen.pid, number)


@contextmanager
def running_script(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[ScriptProcess]:
    """Runs a script for the length of the context. Raises as `ScriptProcess`."""
    client = Lifeline()
    try:
        script = ScriptProcess(command, environment, client)
        try:
            yield script
        except KeyboardInterrupt:
            script.interrupt()
            script.exit_status(_STOP_SECONDS)
            raise
        finally:
            script.stop()
    finally:
        client.close()
