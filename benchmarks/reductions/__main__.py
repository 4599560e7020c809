"""Measures what frameworks round by in sums of many terms: `python -m benchmarks.reductions`.

Beside each stands what a comparison in lockstep allows. Exit 1 where something is off by more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.faults.comparing import ROOT, interpreter
from benchmarks.faults.tables import table, write
from benchmarks.reductions.measuring import COUNTS, EPSILONS
from padiff_compare.judge.measure import Magnitude
from padiff_compare.judge.tolerances import LANES_OF_NORMS, Terms, Tolerances, rounding_of_sums
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import CaptureKind, DType, Phase

Measured = tuple[str, str, float, int, float]
FRAMEWORKS = ("torch", "paddle")
TABLE = Tolerances(Options(), in_lockstep=True)


def main() -> int:
    """Returns 1 where a framework rounds by more than is allowed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reductions", description=__doc__)
    parser.add_argument("--write", type=Path, help="a page to put the table into, as docs/verdicts.md")
    asked = parser.parse_args()
    found = {framework: _measured(framework) for framework in FRAMEWORKS}
    made = _table(found)
    print(made)
    beyond = []
    for framework, errors in found.items():
        for dtype, name, offset, count, error in errors:
            allowed = _allowed(dtype, name, offset, count)
            if error > allowed:
                beyond.append(f"{framework}: {name} of {count} {dtype}: {error:.3g}, allowed {allowed:.3g}")
    print(*beyond, sep="\n")
    if asked.write is not None:
        write(asked.write, {"sums": made})
    return int(bool(beyond))


def _measured(framework: str) -> list[Measured]:
    command = [interpreter(framework), "-m", f"benchmarks.reductions.of_{framework}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    told = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return [tuple(one) for one in json.loads(told.stdout.splitlines()[-1])]


def _allowed(dtype: str, name: str, offset: float, count: int) -> float:
    """Returns what a difference may be, in the epsilons in which errors are told: by table, or for sums."""
    rms = (1.0 + offset**2) ** 0.5
    is_of_norm = name.endswith((" norm", "gradient of its input"))
    result = 1.0 if is_of_norm else offset / rms
    if is_of_norm:
        terms = Terms(result=rms**2, count=count, lanes=LANES_OF_NORMS)
    else:
        # A part of a running mean is as large as the whole, since it began at zero.
        terms = Terms(scale=count**-0.5, result=result, count=count)
    kind = CaptureKind.OUTPUT_GRADIENT if "gradient" in name else CaptureKind.OUTPUT
    table = TABLE.tolerance(Phase.FORWARD, kind, DType(dtype), Magnitude(rms=1.0))
    return max(rounding_of_sums(terms, DType(dtype)), table.relative_l2 * result) / EPSILONS[dtype]


def _table(found: dict[str, list[Measured]]) -> str:
    lines: dict[tuple[str, float, str, str], dict[int, float]] = {}
    for framework, errors in found.items():
        for dtype, name, offset, count, error in errors:
            lines.setdefault((name, offset, dtype, framework), {})[count] = error
            allowed = lines.setdefault((name, offset, dtype, "allowed"), {})
            allowed[count] = _allowed(dtype, name, offset, count)
    rows = [
        [name, "3" if offset else "0", dtype, who, *(f"{line[count]:.2g}" for count in COUNTS)]
        for (name, offset, dtype, who), line in sorted(lines.items(), key=lambda one: _place(*one[0]))
    ]
    head = ["what", "mean of terms", "dtype", "epsilons", *(f"1e{len(str(count)) - 1}" for count in COUNTS)]
    return table(head, rows)


def _place(name: str, offset: float, dtype: str, who: str) -> tuple[str, str, float, int]:
    return dtype[::-1], name, offset, [*FRAMEWORKS, "allowed"].index(who)


if __name__ == "__main__":
    sys.exit(main())
