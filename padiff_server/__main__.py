"""The coordinator's command line."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Optional

from padiff_rpc import child
from padiff_rpc.errors import PaDiffError
from padiff_rpc.transport import open_server
from padiff_rpc.version import package_version
from padiff_server.judging.store import TensorStore
from padiff_server.servicer import register
from padiff_server.sessions import Sessions

# Sessions, and room for look-ups and for callers that are told to wait.
STREAMS = 16


def main(arguments: Optional[list[str]] = None) -> int:
    """Serves comparisons until told to stop; returns the exit code."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stopped = threading.Event()
    # A terminal's Ctrl-C reaches every process of its group; a child ends by its parent's word.
    is_child = given.lifeline_fd is not None
    signal.signal(signal.SIGINT, signal.SIG_IGN if is_child else lambda *_: stopped.set())
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    child.watch_lifeline(given.lifeline_fd, given.private_folder)
    limit_bytes = given.memory_limit_mib << 20
    folder = Path(given.spill_folder) if given.spill_folder else None
    token = os.environ.get("PADIFF_TOKEN", "")
    try:
        with TensorStore(limit_bytes, folder) as store:
            serve = partial(register, Sessions(store), limit_bytes)
            with open_server(given.listen, serve, token=token, streams=STREAMS) as address:
                child.announce(given.announce_fd, address)
                stopped.wait()
    except PaDiffError as error:
        print(f"padiff-server: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="padiff-server",
        description="Compares models that run in two workers. PADIFF_TOKEN, if set, is asked of clients.",
    )
    parser.add_argument("--version", action="version", version=package_version())
    add = parser.add_argument
    add("--listen", default="127.0.0.1:0", metavar="ADDRESS", help="unix:/path or host:port")
    add(
        "--memory-limit-mib",
        type=_at_least_one,
        default=1024,
        metavar="N",
        help="captures held in memory; more goes to the spill folder (default: 1024)",
    )
    add("--spill-folder", metavar="DIR", help="where captures go (default: the system's temporary folder)")
    child.add_arguments(parser)
    return parser


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not allowed; allowed: a number of at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
