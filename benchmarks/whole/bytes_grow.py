"""Ten times the bytes: 400 calls on tensors of 4 MiB, and of 40 MiB; how time and memory grow.

Forward alone, judged free-running. The start of all processes is taken off the time: a comparison of tensors
of 1 KB. Both are more than the workers and the coordinator hold at a time, so that memory has no reason to
grow but by the models' own few tensors.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.whole.compare_calls import compared
from benchmarks.whole.rows import Goal, Row

GROUP = "bytes"
CALLS = 400
SMALL, LARGE = 4 << 20, 40 << 20
_NEXT_TO_NOTHING = 1024


def measured(rounds: int) -> list[Row]:
    """Returns time and memory, as multiples."""
    seconds = Row(GROUP, "4 MiB to 40 MiB a call: time", "times", Goal(most=11))
    memory = Row(GROUP, "4 MiB to 40 MiB a call: memory", "times", Goal(most=1.1))
    with tempfile.TemporaryDirectory() as name:
        for _ in range(rounds):
            none, small, large = (
                compared(CALLS, size, Path(name)).cost for size in (_NEXT_TO_NOTHING, SMALL, LARGE)
            )
            strangers = max(one.strangers for one in (none, small, large))
            seconds.add(
                (large.seconds - none.seconds) / (small.seconds - none.seconds),
                strangers,
                start_s=none.seconds,
                small_s=small.seconds,
                large_s=large.seconds,
            )
            memory.add(
                large.peak_bytes / small.peak_bytes,
                strangers,
                small_MiB=small.peak_bytes / 2**20,
                large_MiB=large.peak_bytes / 2**20,
            )
    return [seconds, memory]
