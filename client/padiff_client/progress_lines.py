"""Progress as plain lines on stderr, for logs and pipes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Optional

from padiff_client import wording
from padiff_client.progress import Course, Standing
from padiff_rpc.v1.records import SideProgress
from padiff_rpc.v1.words import Phase

# A phase is told once it has lasted so long, and then from time to time.
_LASTING_SECONDS = 1.0
_ALIVE_SECONDS = 10.0
_NAMES = {
    Phase.CONNECT: "connecting to the workers",
    Phase.LOAD: "building the models",
    Phase.TRACE: "tracing one forward pass",
    Phase.INITIAL_WEIGHTS: "copying and comparing weights",
}


def where(standing: Standing) -> str:
    """Returns what is being done: "forward of step 3 (4 of 10)"."""
    if standing.starting:
        return f"starting the {wording.listed(standing.starting)}"
    at = standing.at
    if at is None:
        return "connecting to the coordinator" if standing.has_started else "beginning"
    text = wording.plain(at.text)
    if at.phase is Phase.CONNECT:
        return text or _NAMES[at.phase]
    name = _NAMES.get(at.phase, str(at.phase).replace("_", " "))
    if at.phase not in (Phase.LOAD, Phase.TRACE):
        number = f" ({at.step + 1} of {at.steps})" if at.steps > 1 else ""
        name = f"{name}, step {at.step}{number}"
    return f"{name}, {text}" if text else name


def calls(sides: Sequence[SideProgress]) -> str:
    """Returns how many calls each side has made: "reference 1,200 of 20,000 calls, candidate 900"."""
    parts: list[str] = []
    for one in sides:
        known = f" of {one.calls_known:,}" if one.calls_known else ""
        # Both sides make about as many.
        parts.append(f"{one.side} {one.calls_done:,}" + ("" if parts else f"{known} calls"))
    return ", ".join(parts)


def amounts(standing: Standing) -> str:
    """Returns bytes, rate, and what is left: "120 MiB at 35 MiB/s, about 1:10 left"."""
    parts = []
    if standing.bytes:
        rate = standing.bytes_per_second
        parts.append(wording.size(standing.bytes) + (f" at {wording.size(rate)}/s" if rate >= 1024 else ""))
    if standing.left is not None:
        parts.append(f"about {wording.clock(standing.left)} left")
    elif standing.phase_left is not None:
        parts.append(f"about {wording.clock(standing.phase_left)} left of this phase")
    return ", ".join(parts)


class PlainLines:
    """A line for each phase that lasts, and every ten seconds one that tells how far it is."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._told = ""
        self._told_at = course.began
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="progress", daemon=True)

    def __enter__(self) -> PlainLines:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def line(self) -> Optional[str]:
        """Returns what is to be said now; None for nothing."""
        standing = self._course.standing()
        place, now = where(standing), self._course.began + standing.seconds
        is_new = place != self._told and standing.phase_seconds >= _LASTING_SECONDS
        if not is_new and now - self._told_at < _ALIVE_SECONDS:
            return None
        self._told, self._told_at = place, now
        more = "; ".join(filter(None, (calls(standing.sides), amounts(standing))))
        return f"padiff: {standing.seconds:.0f} s: {place}{f': {more}' if more else ''}"

    def _follow(self) -> None:
        while not self._ending.wait(_LASTING_SECONDS / 2):
            line = self.line()
            if line is not None:
                print(line, file=sys.stderr, flush=True)
