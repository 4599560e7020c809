"""Revocation: the comparisons of a client that may make none any more end, as well as its calls."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from padiff_server.clients import Clients
from padiff_server.sessions import Sessions

_LOOK_SECONDS = 1.0


@contextlib.contextmanager
def revoking(clients: Clients, sessions: Sessions) -> Iterator[None]:
    """Looks once a second, for the length of the context, whether all who compare still may."""
    if not clients.are_listed:
        yield
        return
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(_LOOK_SECONDS):
            sessions.end_of_clients(lambda name: not clients.may_compare(name))

    watch = threading.Thread(target=look, name="revocation", daemon=True)
    watch.start()
    try:
        yield
    finally:
        is_over.set()
        watch.join()
