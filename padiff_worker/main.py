"""The command line that both workers share."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from typing import Optional

from padiff_rpc import child
from padiff_rpc.errors import PaDiffError
from padiff_rpc.version import package_version
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.model_thread import ModelThread
from padiff_worker.serve import open_worker
from padiff_worker.worker import WorkerSettings


def run(adapter: FrameworkAdapter, arguments: Optional[list[str]] = None) -> int:
    """Runs a worker until it is told to stop; returns the exit code. The main thread."""
    given = _parser(adapter.name).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = WorkerSettings(
        roots=tuple(given.path or [os.getcwd()]),
        allowed_packages=tuple(given.allow),
        save_root=given.save_root,
        capture_bytes=given.capture_mib << 20,
    )
    thread = ModelThread()
    # A terminal's Ctrl-C reaches every process of its group; a child ends by its parent's word.
    signal.signal(
        signal.SIGINT, signal.SIG_IGN if given.lifeline_fd is not None else lambda *_: thread.stop()
    )
    signal.signal(signal.SIGTERM, lambda *_: thread.stop())
    child.watch_lifeline(given.lifeline_fd, given.private_folder)
    token = os.environ.get("PADIFF_TOKEN", "")
    try:
        with open_worker(adapter, settings, thread, address=given.listen, token=token) as address:
            child.announce(given.announce_fd, address)
            thread.serve_forever()
    except PaDiffError as error:
        print(f"padiff-worker-{adapter.name}: {error}", file=sys.stderr)
        return 2
    return 0


def _parser(framework: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"padiff-worker-{framework}", description=f"Serves {framework} models to a padiff coordinator."
    )
    parser.add_argument("--version", action="version", version=package_version())
    add = parser.add_argument
    add("--listen", default="127.0.0.1:0", metavar="ADDRESS", help="unix:/path or host:port")
    add("--path", action="append", metavar="DIR", help="a folder of importable code (default: this one)")
    add("--allow", action="append", default=[], metavar="PACKAGE", help="an importable package elsewhere")
    add("--save-root", metavar="DIR", help="where states may be saved (default: nowhere)")
    add("--capture-mib", type=int, default=256, metavar="N", help="captures waiting to be sent")
    child.add_arguments(parser)
    return parser
