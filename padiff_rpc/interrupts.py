"""Ctrl-C where an exception in the midst of things does harm: in an import, and in gRPC's own waiting."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Optional

# What shells say of a process that Ctrl-C ended.
INTERRUPTED = 130


class _End:
    """A handler that ends the process at once: an exception would come out of whatever is imported."""

    def __init__(self, command: str) -> None:
        self._last_words = f"{command}: interrupted\n".encode()

    def __call__(self, number: int, frame: Optional[FrameType]) -> None:
        os.write(2, self._last_words)
        os._exit(INTERRUPTED)


def end_at_interrupt(command: str) -> None:
    """From now on Ctrl-C ends this process, with exit code 130 and one line that names the command.

    To be called before anything is imported that takes time. An interrupt that is ignored stays so.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _End(command))


def raise_at_interrupt() -> None:
    """From now on Ctrl-C is a KeyboardInterrupt again, where `end_at_interrupt` was called before."""
    if isinstance(signal.getsignal(signal.SIGINT), _End):
        signal.signal(signal.SIGINT, signal.default_int_handler)


class InterruptibleWait:
    """Waits, one after another, that Ctrl-C ends by a call of `cancel`: a context manager, entered for each.

    The wait that it ended raises KeyboardInterrupt in place of what it came to; where it brought something
    all the same, the next one does. Raised in the midst of gRPC's code, KeyboardInterrupt leaves a lock in
    disorder, and another error in its own place. On threads that get no signals, and beside a script's own
    handler, Ctrl-C means what it meant.
    """

    def __init__(self, cancel: Callable[[], object]) -> None:
        self._cancel = cancel
        self._is_interrupted = False
        self._is_ours = False

    def __enter__(self) -> None:
        if self._is_interrupted:
            raise KeyboardInterrupt
        is_main = threading.current_thread() is threading.main_thread()
        self._is_ours = is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._is_ours:
            signal.signal(signal.SIGINT, self._interrupt)

    def __exit__(self, kind: Optional[type[BaseException]], *_: object) -> None:
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._is_interrupted and kind is not None:
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: Optional[FrameType]) -> None:
        self._is_interrupted = True
        self._cancel()
