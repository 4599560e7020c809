"""Measures whole comparisons on the embedded default: seconds, bytes moved, peak memory.

Start-up of three processes is part of the seconds, as it is for a user.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from padiff_client import Report

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

from demo import digits, resnet50


def main() -> None:
    print(f"{'comparison':<28}{'seconds':>9}{'tensors':>9}{'MiB moved':>11}{'largest process, MiB':>22}")
    measure("ResNet-50, one step", resnet50)
    measure("ResNet-50, lockstep", lambda: resnet50(single_step=True))
    measure("digits, five steps", digits)


def measure(name: str, compare: Callable[[], Report]) -> None:
    started = time.monotonic()
    report = compare()
    seconds = time.monotonic() - started
    moved = sum(one.bytes for one in report.traffic) / 2**20
    # Of all children so far, which is why the largest comparison comes first. Linux counts in KiB.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
    print(f"{name:<28}{seconds:>9.1f}{report.coverage.tensors_compared:>9}{moved:>11.1f}{peak:>22.0f}")
    if not report:
        sys.exit(f"{name}: not a pass:\n{report}")


if __name__ == "__main__":
    main()
