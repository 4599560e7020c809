"""Measures whole comparisons on the embedded default: seconds, bytes moved, peak memory.

Floors are measured anew in each, but for the one that finds what an earlier one has kept.

Start-up of three processes is part of the seconds, as it is for a user. What lockstep, local errors and the
reference's run in float64 cost is measured beside the free-running comparison of the same model, in turns:
exit 1 where it is too much.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from padiff_client import Options, Report

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

from demo import digits, resnet50

ROUNDS = 3
# Each name, its options, and how many times the free-running comparison it may cost.
KINDS = (
    ("ResNet-50, free", Options(local_error=False), 1.0),
    ("ResNet-50, default", Options(), 2.5),
    ("ResNet-50, lockstep", Options(single_step=True, floor="table"), 1.3),
    ("ResNet-50, local errors", Options(local_error=True, floor="table"), 2.3),
    ("ResNet-50, floors measured", Options(floor="measured"), 2.5),
    ("ResNet-50, floors kept", Options(floor="measured"), 1.6),
)
KEPT = "ResNet-50, floors kept"


def main() -> int:
    """Returns 1 where one of `KINDS` costs more than it may."""
    print(
        f"{'comparison':<28}{'seconds':>9}{'processor':>11}{'tensors':>9}{'MiB moved':>11}"
        f"{'largest so far, MiB':>22}"
    )
    seconds: dict[str, list[float]] = {name: [] for name, _, _ in KINDS}
    with tempfile.TemporaryDirectory() as floors:
        os.environ["PADIFF_FLOORS"] = floors
        resnet50(options=Options(floor="measured"))
        for _ in range(ROUNDS):
            for name, options, _ in KINDS:
                os.environ["PADIFF_FLOORS"] = floors if name == KEPT else "none"
                seconds[name].append(measure(name, lambda options=options: resnet50(options=options)))
    measure("digits, five steps", digits)
    # The least is what the machine's other work disturbed least.
    least = {name: min(measured) for name, measured in seconds.items()}
    free = least[KINDS[0][0]]
    for name, _, most in KINDS[1:]:
        print(f"{name}: {least[name] / free:.2f} times the free-running comparison (at most {most})")
    return int(any(least[name] > most * free for name, _, most in KINDS))


def measure(name: str, compare: Callable[[], Report]) -> float:
    """Prints what a comparison cost; returns its seconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    report = compare()
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    moved = sum(one.bytes for one in report.traffic) / 2**20
    # Of all children so far; Linux counts in KiB.
    peak = after.ru_maxrss / 2**10
    print(
        f"{name:<28}{seconds:>9.1f}{processor:>11.1f}{report.coverage.tensors_compared:>9}{moved:>11.1f}"
        f"{peak:>22.0f}",
        flush=True,
    )
    if not report:
        sys.exit(f"{name}: not a pass:\n{report}")
    return seconds


if __name__ == "__main__":
    raise SystemExit(main())
