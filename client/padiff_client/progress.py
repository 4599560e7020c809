"""Progress of a run, as the client hears of it: from the start of its processes to its report."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Optional, Protocol

from padiff_rpc.records import record
from padiff_rpc.v1.records import Progress, SideProgress
from padiff_rpc.v1.words import Phase

logger = logging.getLogger("padiff_client")

# Over which a rate is taken.
_RATE_SECONDS = 5.0
# A phase's end is foretold once this much of it is done, and it has taken this long.
_LEAST_CALLS, _LEAST_SECONDS = 100, 2.0
_COUNTED = frozenset({Phase.FORWARD, Phase.BACKWARD})


class Onlooker(Protocol):
    """Hears how a run goes.

    Attributes:
        began: when the command began, in seconds of `time.monotonic`.
        hears_processes: whether `wrote` is of any use.
    """

    began: float
    hears_processes: bool

    def starting(self, names: Sequence[str]) -> None:
        """Processes are being started."""

    def serves(self, name: str) -> None:
        """One of them serves."""

    def at(self, progress: Progress) -> None:
        """The coordinator says where the comparison is."""

    def says(self, text: str) -> None:
        """The command has something to say: for whom it waits, where the report is."""

    def wrote(self, text: str) -> None:
        """A process wrote this to its log; on a thread of its own."""


class Silent:
    """Shows nothing of a run; a program follows it by the log of the client."""

    hears_processes = False

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._at: Optional[Progress] = None

    def starting(self, names: Sequence[str]) -> None:
        """Nothing."""

    def serves(self, name: str) -> None:
        """Nothing."""

    def at(self, progress: Progress) -> None:
        """Logs what is new."""
        last, self._at = self._at, progress
        told = progress.phase, progress.step, progress.text
        if last is None or told != (last.phase, last.step, last.text):
            logger.info("%s, step %d: %s", progress.phase, progress.step, progress.text or "begins")

    def says(self, text: str) -> None:
        """Logs it."""
        logger.info("%s", text)

    def wrote(self, text: str) -> None:
        """Nothing."""


class Echo(Silent):
    """Shows on stderr what the processes write."""

    hears_processes = True

    def wrote(self, text: str) -> None:
        """Shows it."""
        sys.stderr.write(text)
        sys.stderr.flush()


@record
class Standing:
    """Where a run is.

    Attributes:
        starting: the processes that do not serve yet; then there is no `at`.
        has_started: all processes that were started serve.
        at: what the coordinator said last; None before its first word.
        sides: calls of the phase, where it is one of calls.
        seconds: since the command began.
        phase_seconds: since the phase began.
        bytes, bytes_per_second: of tensors that both sides have sent while their models ran.
        share: of the phase's calls, on the slower side; None where that is not known.
        phase_left, left: seconds of the phase, and of all steps, where that can be foretold.
    """

    starting: tuple[str, ...]
    has_started: bool
    at: Optional[Progress]
    sides: tuple[SideProgress, ...]
    seconds: float
    phase_seconds: float
    bytes: int
    bytes_per_second: float
    share: Optional[float]
    phase_left: Optional[float]
    left: Optional[float]


class Course:
    """Keeps how a run goes, and foretells its end. Thread-safe."""

    def __init__(self, began: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.began = began
        self._clock = clock
        self._lock = threading.Lock()
        self._starting: dict[str, None] = {}
        self._has_started = False
        self._at: Optional[Progress] = None
        self._phase_began = began
        # When the first step began, and the running one.
        self._first_step_began: Optional[float] = None
        self._step_began = began
        # Of passes that are over, and of the running one; then when there were how many.
        self._bytes_before = 0
        self._pass: Optional[tuple[int, str]] = None
        self._bytes_of_pass = 0
        self._bytes: deque[tuple[float, int]] = deque([(began, 0)])

    def starting(self, names: Sequence[str]) -> None:
        """Processes are being started."""
        with self._lock:
            self._starting.update(dict.fromkeys(names))

    def serves(self, name: str) -> None:
        """One of them serves."""
        with self._lock:
            self._starting.pop(name, None)
            self._has_started = not self._starting

    def at(self, progress: Progress) -> bool:
        """Takes what the coordinator says; returns whether a phase begins."""
        with self._lock:
            now, before = self._clock(), self._at
            self._at = progress
            if progress.sides:
                self._count(now, progress)
            begins = before is None or _phase(before) != _phase(progress)
            if begins:
                self._phase_began = now
            if progress.steps and progress.phase is Phase.FORWARD and self._first_step_began is None:
                self._first_step_began = self._step_began = now
            if before is not None and before.step != progress.step:
                self._step_began = now
            return begins

    def _count(self, now: float, progress: Progress) -> None:
        running = (progress.step, progress.text)
        if running != self._pass:
            self._bytes_before += self._bytes_of_pass
            self._pass = running
        self._bytes_of_pass = sum(one.bytes for one in progress.sides)
        self._bytes.append((now, self._bytes_before + self._bytes_of_pass))
        while len(self._bytes) > 2 and self._bytes[1][0] < now - _RATE_SECONDS:
            self._bytes.popleft()

    def standing(self) -> Standing:
        """Returns where the run is now."""
        with self._lock:
            now = self._clock()
            phase_seconds = now - self._phase_began
            sides = self._at.sides if self._at is not None and self._at.phase in _COUNTED else ()
            share, phase_left = _share(sides), None
            has_begun = all(one.calls_done >= _LEAST_CALLS for one in sides)
            if share and has_begun and phase_seconds > _LEAST_SECONDS:
                phase_left = phase_seconds * (1 - share) / share
            (then, few), (_, many) = self._bytes[0], self._bytes[-1]
            return Standing(
                starting=tuple(self._starting) if self._at is None else (),
                has_started=self._has_started,
                at=self._at,
                sides=sides,
                seconds=now - self.began,
                phase_seconds=phase_seconds,
                bytes=many,
                bytes_per_second=(many - few) / (now - then) if now > then else 0.0,
                share=share,
                phase_left=phase_left,
                left=self._left(now),
            )

    def _left(self, now: float) -> Optional[float]:
        """Returns the seconds of the steps to come, as long as those before; None without any."""
        at, first = self._at, self._first_step_began
        if at is None or first is None or not 0 < at.step < at.steps:
            return None
        each = (self._step_began - first) / at.step
        return max(0.0, each * (at.steps - at.step) - (now - self._step_began))


def _phase(progress: Progress) -> tuple[Phase, int, str]:
    return progress.phase, progress.step, progress.text


def _share(sides: Sequence[SideProgress]) -> Optional[float]:
    """Returns how much of its calls the slower side has made; None where that is not known."""
    if not sides or not all(one.calls_known for one in sides):
        return None
    return min(min(1.0, one.calls_done / one.calls_known) for one in sides)
