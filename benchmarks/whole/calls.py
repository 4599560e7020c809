"""Many small calls: microseconds of each, in the worker and altogether, and how both grow with their number.

The models do next to nothing: 10,000 calls of an activation, on tensors of 1 KB, forward alone, judged
free-running. The start of all processes is taken off: a comparison of one call.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks.whole.compare_calls import compared
from benchmarks.whole.rows import Goal, Row
from padiff_rpc.v1.words import Side

GROUP = "calls"
FEW, MANY = 1_000, 10_000
TENSOR_BYTES = 1024
_PLAIN = Path(__file__).resolve().parent / "plain_calls.py"
_FRAMEWORKS = {Side.REFERENCE: "torch", Side.CANDIDATE: "paddle"}


def measured(rounds: int) -> list[Row]:
    """Returns the rows of a small call, and those of ten times as many."""
    in_worker = {
        side: Row(GROUP, f"a call, in the worker of {framework}", "us", Goal(most=60))
        for side, framework in _FRAMEWORKS.items()
    }
    whole = Row(GROUP, "a call, end to end", "us", Goal(most=200))
    seconds = Row(GROUP, f"{FEW:,} calls to {MANY:,}: time", "times", Goal(most=11))
    memory = Row(GROUP, f"{FEW:,} calls to {MANY:,}: memory", "times", Goal(most=1.1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(rounds):
            one, few, many = (compared(calls, TENSOR_BYTES, folder) for calls in (1, FEW, MANY))
            strangers = max(each.cost.strangers for each in (one, few, many))
            for side, row in in_worker.items():
                plain = _plain_seconds(_FRAMEWORKS[side])
                added = many.forward_seconds[side] - plain
                row.add(added / MANY * 1e6, strangers, plain_us=plain / MANY * 1e6)
            start, rest = one.cost.seconds, many.cost.seconds - one.cost.seconds
            whole.add(rest / (MANY - 1) * 1e6, strangers, whole_s=many.cost.seconds, start_s=start)
            seconds.add(
                rest / (few.cost.seconds - start), strangers, few_s=few.cost.seconds, many_s=many.cost.seconds
            )
            memory.add(
                many.cost.peak_bytes / few.cost.peak_bytes,
                strangers,
                few_MiB=few.cost.peak_bytes / 2**20,
                many_MiB=many.cost.peak_bytes / 2**20,
            )
    return [*in_worker.values(), whole, seconds, memory]


def _plain_seconds(framework: str) -> float:
    """Returns the seconds of the calls where nobody compares."""
    python = os.environ[f"PADIFF_{framework.upper()}_PYTHON"]
    command = [python, str(_PLAIN), framework, str(MANY), str(TENSOR_BYTES)]
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return float(said.stdout)
