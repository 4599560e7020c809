"""Transcripts of sessions, for clients that come later: each hears all that was said, and what follows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Optional

from padiff_rpc.errors import CancelledError
from padiff_rpc.v1.records import Progress
from padiff_server.running_session import Said


class Transcript:
    """Messages of one session in their order, its report or its error last. Thread-safe.

    Of words of how far a pass is, only the last is kept for those who come later.
    """

    def __init__(self) -> None:
        # None in place of a word of how far a pass is that a later one made void.
        self._said: list[Optional[Said]] = []
        self._told_how_far: Optional[int] = None
        self._error: Optional[BaseException] = None
        self._has_ended = False
        self._changed = threading.Condition()

    @property
    def has_ended(self) -> bool:
        """Whether nothing follows."""
        return self._has_ended

    def record(self, messages: Iterator[Said]) -> None:
        """Takes down messages to their end, or to the error that ends them."""
        try:
            for message in messages:
                self._note(message)
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _note(self, message: Said) -> None:
        with self._changed:
            if isinstance(message, Progress) and message.sides:
                if self._told_how_far is not None:
                    self._said[self._told_how_far] = None
                self._told_how_far = len(self._said)
            self._said.append(message)
            self._changed.notify_all()

    def follow(self, when_gone: Callable[[Callable[[], None]], bool]) -> Iterator[Said]:
        """Yields all messages, those to come as well, until the listener is gone. Raises what ended them."""
        gone = threading.Event()

        def leave() -> None:
            gone.set()
            with self._changed:
                self._changed.notify_all()

        if not when_gone(leave):
            raise CancelledError("the caller is gone")
        heard = 0
        while True:
            with self._changed:
                while not (gone.is_set() or self._has_ended or heard < len(self._said)):
                    self._changed.wait()
                if gone.is_set():
                    return
                if heard == len(self._said):
                    break
                message = self._said[heard]
            heard += 1
            if message is not None:
                yield message
        if self._error is not None:
            raise self._error
