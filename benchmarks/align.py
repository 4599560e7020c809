"""Measures what aligning costs: `python benchmarks/align.py`. Exit 1 where it grows faster than allowed."""

from __future__ import annotations

import gc
import random
import sys
import time
import tracemalloc
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "fakes")]

from model_trees import PADDLE, TORCH, keyed, ported, traced, transformer  # noqa: E402

from padiff_compare.alignment.align import align  # noqa: E402
from padiff_compare.alignment.plan import SideTrace  # noqa: E402
from padiff_rpc.v1.records import StatedPairing  # noqa: E402

FEW, MANY = 500, 5000
CALLS_OF_A_BLOCK = 15
MOST_TIMES = 15.0


def sides(calls: int) -> tuple[SideTrace, SideTrace]:
    """Returns a model of about that many calls, and a port of it."""
    model = keyed(transformer(random.Random(0), blocks=calls // CALLS_OF_A_BLOCK))
    port = ported(model, random.Random(3))
    return traced(model, TORCH)[0], traced(port, PADDLE, random.Random(1))[0]


def cost(calls: int) -> tuple[float, float]:
    """Returns the least CPU seconds of five, and the peak of memory in MiB, and prints both."""
    reference, candidate = sides(calls)
    seconds = []
    for _ in range(5):
        gc.collect()
        gc.disable()  # As timeit does: what it collects, and when, depends on everything else alive.
        began = time.process_time()
        align(reference, candidate, StatedPairing())
        seconds.append(time.process_time() - began)
        gc.enable()
    tracemalloc.start()
    align(reference, candidate, StatedPairing())
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    entries = len(reference.trace.events) // 2
    print(f"align {entries:5d} calls: {min(seconds):6.3f} s CPU, {peak:6.1f} MiB at its peak")
    return min(seconds), peak


def main() -> int:
    """Returns 1 where ten times the calls cost more than `MOST_TIMES` times the time or memory."""
    few, many = cost(FEW), cost(MANY)
    times = many[0] / few[0], many[1] / few[1]
    print(f"align: {times[0]:.1f} times the time, {times[1]:.1f} times the memory (at most {MOST_TIMES:.0f})")
    return int(max(times) > MOST_TIMES)


if __name__ == "__main__":
    raise SystemExit(main())
