"""Memory of processes over time, and whether it stays where it is."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.soak.standing import Standing, resident_bytes

_SAMPLE_SECONDS = 1.0
# Of the watched time, what is left out since the process has yet to warm up, and how much of each end is held
# against the other.
_WARM_UP, _END = 0.2, 0.2


@dataclass(frozen=True)
class Growth:
    """How far the memory of one process has moved.

    Attributes:
        first, last: medians of the beginning and of the end of the watched time, in bytes.
        seconds: how long the watched time was.
    """

    name: str
    first: float
    last: float
    seconds: float

    @property
    def share(self) -> float:
        return self.last / self.first - 1


class MemoryWatch:
    """Looks at processes once a second, until told to stop."""

    def __init__(self, watched: Sequence[Standing]) -> None:
        self._samples: dict[str, list[tuple[float, int]]] = {one.name: [] for one in watched}
        self._watched = watched
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory")
        self._thread.start()

    def stop(self) -> list[Growth]:
        """Returns how far each has moved; those that were seen too rarely are left out."""
        self._is_over.set()
        self._thread.join()
        return [growth for name, found in self._samples.items() for growth in _growth(name, found)]

    def _look(self) -> None:
        while not self._is_over.wait(_SAMPLE_SECONDS):
            for one in self._watched:
                size = resident_bytes(one.pid)
                if size is not None:
                    self._samples[one.name].append((time.monotonic(), size))


def _growth(name: str, samples: Sequence[tuple[float, int]]) -> list[Growth]:
    warm = samples[int(len(samples) * _WARM_UP) :]
    end = int(len(warm) * _END)
    if end < 1:
        return []
    first, last = (statistics.median(size for _, size in part) for part in (warm[:end], warm[-end:]))
    return [Growth(name=name, first=first, last=last, seconds=warm[-1][0] - warm[0][0])]
