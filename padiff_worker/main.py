"""The command line that both workers share."""

from __future__ import annotations

import argparse
import importlib
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Optional

from padiff_rpc import child, serving
from padiff_rpc.arena_file import FOLDER_VARIABLE, NONE
from padiff_rpc.collector import spare_what_is_here
from padiff_rpc.device_files import open_files
from padiff_rpc.errors import PaDiffError
from padiff_rpc.logs import write_log
from padiff_rpc.serving import Serving, settled
from padiff_rpc.stopping import StopSignals
from padiff_rpc.version import package_version
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.model_thread import ModelThread
from padiff_worker.processes import (
    AUTO,
    FORK,
    START_METHODS,
    TURN_FLAG,
    forked,
    spawned,
    start_method,
)
from padiff_worker.serve import open_worker
from padiff_worker.settings import WorkerSettings
from padiff_worker.stopping import stop_when_told
from padiff_worker.supervisor import Supervisor
from padiff_worker.turn import Turn, TurnWord


def start(framework: str, adapter: str, *, distribution: str) -> int:
    """Runs the worker of `adapter`, a class by "module:name"; returns the exit code.

    Where its framework cannot be imported, that is 2, and a line on stderr says what pip is to install.
    """
    _parser(framework).parse_args()  # --help and --version go without the framework
    module, _, name = adapter.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except ImportError as error:
        pip = f"{sys.executable} -m pip install {distribution}"
        print(f"padiff-worker-{framework}: {sys.executable}: {error}; run: {pip}", file=sys.stderr)
        return 2
    return run(found())


def run(adapter: FrameworkAdapter, arguments: Optional[list[str]] = None) -> int:
    """Runs a worker until it is told to stop; returns the exit code. The main thread."""
    given = _parser(adapter.name).parse_args(arguments)

    def serve() -> int:
        reached = settled(given, os.environ)
        write_log(reached.log_format)
        return _Command(adapter, given, reached).run()

    child.mark_worker()
    return _complaining(adapter, serve)


def _complaining(adapter: FrameworkAdapter, serve: Callable[[], int]) -> int:
    """Returns the exit code of `serve`: 2, and a line on stderr, for what was asked and cannot be."""
    try:
        return serve()
    except PaDiffError as error:
        print(f"padiff-worker-{adapter.name}: {error}", file=sys.stderr)
        return 2


class _Command:
    """What was asked for."""

    def __init__(self, adapter: FrameworkAdapter, given: argparse.Namespace, reached: Serving) -> None:
        self._adapter = adapter
        self._given = given
        self._reached = reached
        self._settings = WorkerSettings(
            roots=tuple(given.path or [os.getcwd()]),
            allowed_packages=tuple(given.allow),
            save_root=given.save_root,
            capture_bytes=given.capture_mib << 20,
            arena_folder=given.shared_memory or os.environ.get(FOLDER_VARIABLE, ""),
            arena_bytes=given.shared_mib << 20,
            threads_alone=given.threads_alone,
        )

    def run(self) -> int:
        """Serves: the one comparison of a client, or whatever comes, each in a process of its own."""
        given, reached = self._given, self._reached
        # The framework lives as long as this process.
        spare_what_is_here()
        if given.turn_fd is not None:
            turn = Turn(socket.socket(fileno=given.turn_fd))
            return self._serve(replace(reached, handed_over=True), turn)
        if given.lifeline_fd is not None:
            child.end(self._serve(reached))
        with reached.kept() as kept:
            if start_method(given.start_method, open_files()) == FORK:
                start = forked(lambda turn: _complaining(self._adapter, lambda: self._serve(kept, turn)))
            else:
                start = spawned(kept)
            return Supervisor(
                start,
                lambda address: child.announce(given.announce_fd, address),
                drain_seconds=reached.drain_seconds,
            ).run()

    def _serve(self, reached: Serving, turn: Optional[Turn] = None) -> int:
        given = self._given
        thread = ModelThread()
        signals = StopSignals(ignore_interrupt=given.lifeline_fd is not None)
        child.watch_lifeline(given.lifeline_fd, given.private_folder)
        if turn is not None:
            # A compiled file stands for a source of the same second and size, which an edit may be.
            sys.dont_write_bytecode = True
            turn.wait()
        with open_worker(
            self._adapter, self._settings, thread, reached, device=given.device, turn=turn
        ) as opened:
            stop_when_told(signals, opened.worker, opened.health, thread, drain_seconds=reached.drain_seconds)
            if turn is None:
                child.announce(given.announce_fd, opened.address)
            else:
                turn.say(TurnWord.LISTENING, opened.address)
                turn.wait_until_alone()
            thread.serve_forever()
            opened.worker.close()
        return 0


def _parser(framework: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"padiff-worker-{framework}", description=f"Serves {framework} models to a padiff coordinator."
    )
    parser.add_argument("--version", action="version", version=package_version())
    add = parser.add_argument
    add("--path", action="append", metavar="DIR", help="a folder of importable code (default: this one)")
    add("--allow", action="append", default=[], metavar="PACKAGE", help="an importable package elsewhere")
    add("--save-root", metavar="DIR", help="where states may be saved (default: nowhere)")
    add("--capture-mib", type=int, default=256, metavar="N", help="captures waiting to be sent")
    add(
        "--shared-memory",
        metavar="DIR",
        help="where memory lies that is shared with a coordinator on this host, which looks there too; "
        f"{NONE}: none is (default: ${FOLDER_VARIABLE}, else /dev/shm)",
    )
    add("--shared-mib", type=int, default=2048, metavar="N", help="how much of it at most (default: 2048)")
    add(
        "--threads-alone",
        type=int,
        default=0,
        metavar="N",
        help="compute threads in passes in which the other worker rests (default: as in all others)",
    )
    add("--device", default="cpu", metavar="NAME", help="ready only when it is usable (default: cpu)")
    add(
        "--start-method",
        choices=START_METHODS,
        default=AUTO,
        help="how the process of a comparison is made (default: auto, a fork where the framework allows it)",
    )
    serving.add_arguments(parser)
    child.add_arguments(parser)
    parser.add_argument(TURN_FLAG, type=int, help=argparse.SUPPRESS)
    return parser
