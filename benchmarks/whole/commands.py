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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS = 0.05
# What belongs to processes alone: of mapped files, as libraries, all processes share one copy.
_OWN_MEMORY = ("RssAnon", "RssShmem")


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


def cost_of(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Runs a command to its end. Exits with its output where it fails."""
    with tempfile.TemporaryFile() as output:
        before, busy, began = _children_seconds(), _busy_seconds(), time.monotonic()
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
        with _PeakMemory(process.pid) as memory:
            status = process.wait()
        seconds = time.monotonic() - began
        if status:
            output.seek(0)
            sys.exit(f"{' '.join(command)}: exit {status}\n{output.read().decode(errors='replace')}")
    ours = _children_seconds() - before
    others = max(0.0, _busy_seconds() - busy - ours)
    return Cost(
        seconds=seconds,
        processor_seconds=ours,
        peak_bytes=memory.peak_bytes,
        strangers=others / seconds / (os.cpu_count() or 1),
    )


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _busy_seconds() -> float:
    """Returns what all cores have worked since the machine started."""
    user, nice, system = Path("/proc/stat").read_text().split(None, 4)[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


class _PeakMemory:
    """Samples a process and all below it for the length of the context."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._pid = pid
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
            self.peak_bytes = max(self.peak_bytes, _bytes_below(self._pid))


def _bytes_below(pid: int) -> int:
    children: defaultdict[int, list[int]] = defaultdict(list)
    sizes: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, KeyError, ValueError):  # it has ended
                lines = (entry / "status").read_text().splitlines()
                status = dict(line.split(":", 1) for line in lines)
                children[int(status["PPid"])].append(int(entry.name))
                sizes[int(entry.name)] = sum(int(status[name].split()[0]) << 10 for name in _OWN_MEMORY)
    found, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        found += sizes.get(one, 0)
        waiting += children[one]
    return found
