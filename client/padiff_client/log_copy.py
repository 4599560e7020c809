"""A copy of a child's log for whoever wants to see it at once, while the log keeps it."""

from __future__ import annotations

import codecs
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_POLL_SECONDS = 0.1


class LogCopy:
    """Hands on what is appended to a log file until closed.

    It follows the file, rather than standing between the child and the file, so that the log is whole at
    the moment when the child ends.
    """

    def __init__(self, path: Path, wrote: Callable[[str], None]) -> None:
        """`wrote` is called on a thread of its own."""
        self._path = path
        self._wrote = wrote
        # A character may be half written.
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"copy of {path.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Copies what is left, and ends; may be called twice."""
        self._closing.set()
        self._thread.join()

    def _follow(self) -> None:
        # ValueError: stderr is closed; there is nobody left to show it to.
        with suppress(OSError, ValueError), open(self._path, "rb") as log:
            while not self._closing.wait(_POLL_SECONDS):
                self._show(log.read())
            self._show(log.read())

    def _show(self, content: bytes) -> None:
        text = self._decoder.decode(content)
        if text:
            self._wrote(text)
