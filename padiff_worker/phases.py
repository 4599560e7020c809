"""The phases of one step as they begin: announced, acknowledged, timed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Optional

from padiff_rpc.v1.records import PhaseSeconds
from padiff_rpc.v1.words import Phase
from padiff_worker.outbox import StepCancelled


class Phases:
    """Where a step is.

    A phase is announced behind all that came before and begins when the coordinator has acknowledged it:
    whatever happens in it, both know where, and nothing of earlier phases is lost. The wait is for what
    the stream has yet to send, which a step that sends faster than it computes does not notice, and one
    that does not would wait for later. `acknowledge` and `cancel` come from other threads.

    Attributes:
        current: the phase that began last.
    """

    def __init__(self, announce: Callable[[Phase], None], synchronize: Callable[[], None]) -> None:
        self._announce = announce
        self._synchronize = synchronize
        self._acknowledged = threading.Event()
        self._seconds: list[PhaseSeconds] = []
        self._began: Optional[float] = None
        self.current = Phase.FORWARD
        self.is_cancelled = False

    @property
    def seconds(self) -> tuple[PhaseSeconds, ...]:
        """How long each phase took that has ended, in order; a user's own step may have one several times."""
        return tuple(self._seconds)

    def begin(self, phase: Phase) -> None:
        """Ends the present phase and begins another. Raises StepCancelled."""
        self.end()
        self.current = phase
        self._acknowledged.clear()
        self._announce(phase)
        self._acknowledged.wait()
        if self.is_cancelled:
            raise StepCancelled
        self._began = time.perf_counter()

    def end(self) -> None:
        """Ends the present phase, if there is one."""
        if self._began is not None:
            self._synchronize()
            self._seconds.append(PhaseSeconds(phase=self.current, seconds=time.perf_counter() - self._began))
            self._began = None

    def acknowledge(self) -> None:
        """The coordinator knows the announced phase."""
        self._acknowledged.set()

    def cancel(self) -> None:
        """Makes the next `begin`, or the one that waits, raise StepCancelled."""
        self.is_cancelled = True
        self._acknowledged.set()
