"""Ctrl-C where an exception in the midst of things does harm: in an import, and in gRPC's own waiting."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
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


@contextlib.contextmanager
def interrupt_ends(cancel: Callable[[], object]) -> Iterator[None]:
    """Has Ctrl-C call `cancel` within the context, which ends what is waited for there.

    KeyboardInterrupt is raised at the context's end then, in place of what the waiting came to: raised in the
    midst of gRPC's code it leaves a lock in disorder, and another error in its own place. On threads that
    get no signals, and beside a script's own handler, Ctrl-C means what it meant.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    interrupted = False

    def note(number: int, frame: Optional[FrameType]) -> None:
        nonlocal interrupted
        interrupted = True
        cancel()

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if interrupted:
            raise KeyboardInterrupt
