"""The command line that both workers share."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Optional

from padiff_rpc import child, serving
from padiff_rpc.errors import PaDiffError
from padiff_rpc.logs import write_log
from padiff_rpc.serving import Serving, settled
from padiff_rpc.stopping import StopSignals
from padiff_rpc.version import package_version
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.model_thread import ModelThread
from padiff_worker.serve import open_worker
from padiff_worker.settings import WorkerSettings
from padiff_worker.stopping import stop_when_told


def run(adapter: FrameworkAdapter, arguments: Optional[list[str]] = None) -> int:
    """Runs a worker until it is told to stop; returns the exit code. The main thread."""
    given = _parser(adapter.name).parse_args(arguments)
    try:
        return _serve(adapter, given, settled(given, os.environ))
    except PaDiffError as error:
        print(f"padiff-worker-{adapter.name}: {error}", file=sys.stderr)
        return 2


def _serve(adapter: FrameworkAdapter, given: argparse.Namespace, reached: Serving) -> int:
    write_log(reached.log_format)
    settings = WorkerSettings(
        roots=tuple(given.path or [os.getcwd()]),
        allowed_packages=tuple(given.allow),
        save_root=given.save_root,
        capture_bytes=given.capture_mib << 20,
    )
    thread = ModelThread()
    signals = StopSignals(ignore_interrupt=given.lifeline_fd is not None)
    child.watch_lifeline(given.lifeline_fd, given.private_folder)
    with open_worker(adapter, settings, thread, reached, device=given.device) as opened:
        stop_when_told(signals, opened.worker, opened.health, thread, drain_seconds=reached.drain_seconds)
        child.announce(given.announce_fd, opened.address)
        thread.serve_forever()
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
    add("--device", default="cpu", metavar="NAME", help="ready only when it is usable (default: cpu)")
    serving.add_arguments(parser)
    child.add_arguments(parser)
    return parser
