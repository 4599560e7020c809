"""`padiff ui`: the kept runs in a browser."""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

from padiff_client.commands.runs import add_store
from padiff_client.keeping import known_store
from padiff_client.ui.guard import TOKEN_KEY, PageGuard
from padiff_client.ui.pages import Pages
from padiff_client.ui.server import ADDRESS, PageServer
from padiff_rpc.names import not_allowed

_HIGHEST_PORT = 65535
# Where none is set, there is at most a browser that takes the terminal for itself.
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def add_to(commands: Any) -> None:
    """Adds the command to the subparsers `commands`."""
    parser = commands.add_parser(
        "ui",
        help="show the comparisons that were kept in a browser",
        description="Serves pages on this machine alone, until Ctrl-C: the comparisons that were kept, each "
        "as a page, one that is running as it grows, and two against each other. The address that is "
        "printed holds a token, without which nothing is shown.",
    )
    parser.set_defaults(run=_ui)
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="where it serves (default: any that is free)"
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser, only print the address")
    add_store(parser)


def _ui(given: argparse.Namespace) -> int:
    store = known_store(given.store, os.environ)
    if not 0 <= given.port <= _HIGHEST_PORT:
        raise not_allowed(given.port, f"a number from 0 to {_HIGHEST_PORT}", field="--port")
    with PageServer(given.port) as server, tempfile.TemporaryDirectory(prefix="padiff-ui-") as folder:
        port = server.server_address[1]
        guard = PageGuard(port)
        address = f"http://{ADDRESS}:{port}/?{TOKEN_KEY}={guard.token}"
        with suppress(KeyboardInterrupt):
            print(address, flush=True)
            if not given.no_browser and _has_display(os.environ):
                threading.Thread(target=_open, args=(address, Path(folder)), daemon=True).start()
            server.serve(Pages(store, guard).answer)
    return 0


def _has_display(environment: Mapping[str, str]) -> bool:
    return any(environment.get(name) for name in _DISPLAYS)


def _open(address: str, folder: Path) -> None:
    """Opens the address in a browser, by a file of this user's: command lines are for all to read."""
    file = folder / "open.html"
    file.touch(mode=0o600)
    leads = f'<meta http-equiv="refresh" content="0; url={escape(address)}">'
    file.write_text(f"<!doctype html><title>padiff</title>{leads}\n")
    webbrowser.open(file.as_uri())
