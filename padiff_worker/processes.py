"""The ways in which a supervisor makes a process: by a fork, or as a fresh interpreter."""

from __future__ import annotations

import os
import socket
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable

from padiff_rpc.device_files import holds_device
from padiff_rpc.serving import Serving
from padiff_worker.supervisor import Start
from padiff_worker.turn import Turn

AUTO, FORK, SPAWN = START_METHODS = ("auto", "fork", "spawn")
TURN_FLAG = "--turn-fd"


def start_method(asked: str, open_files: Iterable[str]) -> str:
    """Returns how processes are made where `asked` was given and this process has `open_files`.

    A fork has the framework at once. It is impossible where the import has touched the device already.
    """
    if asked != AUTO:
        return asked
    return SPAWN if holds_device(open_files) else FORK


def forked(serve: Callable[[Turn], int]) -> Start:
    """Returns what makes a process that runs `serve`, whose result is its exit code."""

    def start(end: socket.socket, others: list[socket.socket]) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            # NumPy's library keeps a thread, which forks are prepared for.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            os.setsid()
            for other in others:
                other.close()
            status = serve(Turn(end))
        except BaseException:
            traceback.print_exc()
        finally:
            # Never back into the supervisor's own frames.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    return start


def spawned(kept: Serving) -> Start:
    """Returns what makes a process of this one's own command line, which then has `TURN_FLAG`."""
    with open("/proc/self/cmdline", "rb") as file:
        _, *words = map(os.fsdecode, file.read().split(b"\0")[:-1])
    words += ["--listen", kept.listen]
    if kept.health_listen:
        words += ["--health-listen", kept.health_listen]

    def start(end: socket.socket, others: list[socket.socket]) -> int:
        end.set_inheritable(True)
        return os.posix_spawn(
            sys.executable,
            [sys.executable, *words, TURN_FLAG, str(end.fileno())],
            os.environ,
            setsid=True,
        )

    return start
