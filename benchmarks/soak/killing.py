"""Random kills: of workers' processes, of their supervisors, of the coordinator."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from collections.abc import Mapping

from benchmarks.soak.standing import House, Standing, descendants, marked, send

# How often each is meant, and seconds between two kills.
_WEIGHTS = {"coordinator": 7, "supervisor": 18, "process of a worker": 75}
_PAUSES = (0.3, 1.5)
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)


class Killer:
    """Kills at random on a thread of its own, until told to stop.

    Supervisors of every other pair are spared, and from some moment on the coordinator is, so that their
    memory can be watched.
    """

    def __init__(self, house: House, marker: Mapping[str, str], seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self.spared = [worker for seat in house.seats[::2] for worker in (seat.reference, seat.candidate)]
        self._house = house
        self._marker = marker
        self._chance = random.Random(seed)
        self._spares_coordinator = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._kill_on, name="killer")
        self._thread.start()

    def spare_coordinator(self) -> None:
        """Leaves the coordinator alone from now on."""
        self._spares_coordinator.set()

    def stop(self) -> None:
        """Returns when nothing is killed any more; may be called twice."""
        self._is_over.set()
        self._thread.join()

    def _kill_on(self) -> None:
        # Each kind once at first, in this order, however short the time is.
        waiting = list(_WEIGHTS)
        while not self._is_over.wait(self._chance.uniform(*_PAUSES)):
            for one in self._house.all:
                one.look()
            kind = waiting[0] if waiting else self._chance.choices(*zip(*_WEIGHTS.items()))[0]
            if self._kill(kind):
                self.kills[kind] += 1
                del waiting[:1]

    def _kill(self, kind: str) -> bool:
        """Returns whether there was anything to kill."""
        if kind == "coordinator":
            if self._spares_coordinator.is_set():
                return False
            self._house.coordinator.kill()
            return True
        worker = self._chance.choice(self._house.workers)
        if kind == "supervisor":
            if worker in self.spared:
                return False
            worker.kill()
            return True
        return self._kill_below(worker)

    def _kill_below(self, worker: Standing) -> bool:
        below = descendants(worker.pid, marked(self._marker))
        if not below:
            return False
        send(self._chance.choice(below).pid, self._chance.choice(_SIGNALS))
        return True
