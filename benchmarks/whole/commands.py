"""Whole commands: how long they take, of how much processor time, and the most memory that they hold."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS = 0.05
# What belongs to processes alone: of mapped files, as libraries, all processes share one copy. Each page of
# shared memory is held by two, a worker and the coordinator.
_OWN_MEMORY = {"RssAnon": 1, "RssShmem": 2}


@dataclass(frozen=True)
class Cost:
    """What a command cost.

    Attributes:
        seconds: from its start to its exit.
        processor_seconds: of it and all that it started.
        peak_bytes: of all its processes at one moment, sampled.
        strangers: the share of the machine's cores that other processes took meanwhile.
    """

    seconds: float
    processor_seconds: float
    peak_bytes: int
    strangers: float


class Work:
    """What was worked meanwhile.

    Attributes:
        seconds: from the beginning to the end.
        processor_seconds: of this process and all that it started and that has ended, and of the helpers.
        strangers: the share of the machine's cores that other processes took.
    """

    seconds = processor_seconds = strangers = 0.0


@contextmanager
def working(helpers: Sequence[int] = ()) -> Iterator[Work]:
    """Provides what is filled in when the context ends. `helpers` as in `cost_of`."""
    work = Work()
    before, busy, began = _work_seconds(helpers), _busy_seconds(), time.monotonic()
    try:
        yield work
    finally:
        work.seconds = time.monotonic() - began
        work.processor_seconds = _work_seconds(helpers) - before
        others = max(0.0, _busy_seconds() - busy - work.processor_seconds)
        work.strangers = others / work.seconds / (os.cpu_count() or 1)


def cost_of(command: Sequence[str], environment: Mapping[str, str], helpers: Sequence[int] = ()) -> Cost:
    """Runs a command to its end. Exits with its output where it fails.

    `helpers`: processes that run already and start others for it, whose work and memory count.
    """
    with tempfile.TemporaryFile() as output, working(helpers) as work:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
        with _PeakMemory([process.pid, *helpers]) as memory:
            status = process.wait()
        if status:
            output.seek(0)
            sys.exit(f"{' '.join(command)}: exit {status}\n{output.read().decode(errors='replace')}")
    return Cost(
        seconds=work.seconds,
        processor_seconds=work.processor_seconds,
        peak_bytes=memory.peak_bytes,
        strangers=work.strangers,
    )


def _work_seconds(helpers: Sequence[int]) -> float:
    """Returns what this process and its ended children have worked, and `helpers` with theirs."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    ticks = 0
    for pid in helpers:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return sum(one.ru_utime + one.ru_stime for one in used) + ticks / os.sysconf("SC_CLK_TCK")


def _busy_seconds() -> float:
    """Returns what all cores have worked since the machine started."""
    user, nice, system = Path("/proc/stat").read_text().split(None, 4)[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


class _PeakMemory:
    """Samples processes and all below them for the length of the context."""

    def __init__(self, pids: Sequence[int]) -> None:
        self.peak_bytes = 0
        self._pids = pids
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> _PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._is_over.wait(_SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, _bytes_below(self._pids))


def _bytes_below(pids: Sequence[int]) -> int:
    children: defaultdict[int, list[int]] = defaultdict(list)
    sizes: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, KeyError, ValueError):  # it has ended
                lines = (entry / "status").read_text().splitlines()
                status = dict(line.split(":", 1) for line in lines)
                children[int(status["PPid"])].append(int(entry.name))
                sizes[int(entry.name)] = sum(
                    (int(status[name].split()[0]) << 10) // holders for name, holders in _OWN_MEMORY.items()
                )
    found, waiting = 0, list(pids)
    while waiting:
        one = waiting.pop()
        found += sizes.get(one, 0)
        waiting += children[one]
    return found
