"""The two signals of a process that a client started: that it serves, and that its client is gone."""

from __future__ import annotations

import argparse
import atexit
import os
import signal
import sys
from typing import NoReturn, Optional

from padiff_rpc import lifeline
from padiff_rpc.errors import InvalidRequestError

# Inherited by whatever a process starts.
_MARK = "PADIFF_INSIDE_WORKER"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that a client passes to the processes it starts."""
    group = parser.add_argument_group("for a process started by a client")
    group.add_argument("--lifeline-fd", type=int, help="a pipe; end at its end-of-file")
    group.add_argument("--announce-fd", type=int, help="a pipe; write the bound address there")
    group.add_argument("--private-folder", help="removed when the lifeline ends")


def announce(descriptor: Optional[int], address: str) -> None:
    """Writes `address` to the waiting parent, or to standard output where there is none."""
    if descriptor is None:
        print(f"listening on {address}", flush=True)
        return
    with os.fdopen(descriptor, "w") as pipe:
        pipe.write(f"{address}\n")


def mark_worker() -> None:
    """Has this process, and all that it starts, known as a worker: none of them may start a comparison."""
    os.environ[_MARK] = "1"


def check_not_inside_worker(what: str) -> None:
    """Raises InvalidRequestError in a worker that was started by command, and in what such a one started.

    `what` the code does there ("starts a comparison"). A worker that imports a script which compares would
    start the next one, without end; one that imports a script which serves would wait for ever.
    """
    if os.environ.get(_MARK):
        raise InvalidRequestError(
            f'the module of this model {what} itself; put that call under if __name__ == "__main__":',
            field="model",
        )


def watch_lifeline(descriptor: Optional[int], private_folder: Optional[str]) -> None:
    """Ends this process when the pipe's other end closes, however the parent ended.

    What this process has started ends with it, where it leads a process group. Every child removes the
    folder, so the last one leaves nothing. It is killed: the main thread may be inside a framework's kernel,
    and there is nobody left to tell.
    """
    if descriptor is not None:
        lifeline.start(descriptor, private_folder or "")


def end(status: int) -> NoReturn:
    """Ends this process, whose work is done, with an exit code.

    What was registered to run at the end runs. All else, which Python and a framework would take down piece
    by piece for up to a second, goes with the process.
    """
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def describe_exit(status: int) -> str:
    """Returns how a process ended, in words."""
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
