"""Ctrl-C while a command imports what it is made of, which takes seconds where a framework is among it."""

from __future__ import annotations

import os
import signal
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
