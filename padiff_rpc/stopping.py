"""The wish to stop a server process, whatever its main thread is doing."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from typing import Optional

_POLL_SECONDS = 0.05


class StopSignals:
    """SIGTERM and SIGINT, to be waited for by one thread.

    The signal's number goes through a pipe, written by Python's own C handler: a main thread that is deep
    in a framework's kernel runs no Python handler until it is back.
    """

    def __init__(self, *, ignore_interrupt: bool = False, children_too: bool = False) -> None:
        """The main thread. `ignore_interrupt` is for children of a client; `children_too` has the end of a
        child of this process count as a signal.

        A terminal's Ctrl-C reaches every process of its group; a child ends by its parent's word.
        """
        self._reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        os.register_at_fork(after_in_child=self._forget)
        self._meant = [signal.SIGTERM]
        if ignore_interrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        else:
            self._meant.append(signal.SIGINT)
        if children_too:
            self._meant.append(signal.SIGCHLD)
        for number in self._meant:
            signal.signal(number, lambda *_: None)

    def fileno(self) -> int:
        """Returns what a selector may watch: readable when a signal has come."""
        return self._reader

    def take(self) -> Optional[signal.Signals]:
        """Returns the signal that has come, None for one that is not meant; waits for one."""
        number = os.read(self._reader, 1)[0]
        return signal.Signals(number) if number in self._meant else None

    def wait(self, seconds: Optional[float] = None) -> bool:
        """Waits for the next signal, or for so long; returns whether one came."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._reader], [], [], left)
            if not ready:
                return False
            if self.take() is not None:
                return True

    def drain(self, is_idle: Callable[[], bool], seconds: float) -> bool:
        """Waits until `is_idle`, or for so long, or for the next signal; returns whether it was that one."""
        deadline = time.monotonic() + seconds
        while not is_idle() and time.monotonic() < deadline:
            if self.wait(min(_POLL_SECONDS, seconds)):
                return True
        return False

    def _forget(self) -> None:
        """A fork (a data loader's worker) would write its own signals into our pipe, and outlive them."""
        signal.set_wakeup_fd(-1)
        for number in self._meant:
            if number != signal.SIGINT:
                signal.signal(number, signal.SIG_DFL)
