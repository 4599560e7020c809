"""Measures all that docs/performance.md sets a goal for; prints a table in Markdown.

`python -m benchmarks.whole [GROUP ...]`, with PADIFF_TORCH_PYTHON and PADIFF_PADDLE_PYTHON; the group
"padiff" needs `--padiff PYTHON`, an interpreter with PaDiff 0.2.0 and both frameworks (`make bench` makes
one). What is set against each other takes turns, and medians of all rounds count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.whole import against_padiff, bytes_grow, calls, kernels, steps
from benchmarks.whole.rows import Row, account, machine, table, versions

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str]) -> int:
    """Returns 0; what misses its goal is told."""
    parser = argparse.ArgumentParser(prog="benchmarks.whole", description=__doc__)
    parser.add_argument("groups", metavar="GROUP", nargs="*", help="kernel, calls, bytes, steps, padiff; all")
    parser.add_argument("--padiff", metavar="PYTHON", help="an interpreter with PaDiff 0.2.0")
    parser.add_argument("--rounds", metavar="N", type=int, default=7)
    parser.add_argument("--json", metavar="FILE", help="every round, with the machine and versions")
    given = parser.parse_args(arguments)
    groups: dict[str, Callable[[int], list[Row]]] = {
        kernels.GROUP: kernels.measured,
        calls.GROUP: calls.measured,
        bytes_grow.GROUP: bytes_grow.measured,
        steps.GROUP: steps.measured,
        against_padiff.GROUP: partial(against_padiff.measured, padiff=given.padiff),
    }
    asked = given.groups or list(groups)
    unknown = set(asked) - set(groups)
    if unknown:
        parser.error(f"no group is called {', '.join(sorted(unknown))}; there are {', '.join(groups)}")
    if against_padiff.GROUP in asked and not given.padiff:
        parser.error("the group padiff needs --padiff PYTHON; name the other groups to do without")
    # Whatever the user keeps is neither used nor replaced.
    os.environ.update(PADIFF_STORE="none", PADIFF_FLOORS="none", PADIFF_WARM="none")
    _compile_packages()
    rows: list[Row] = []
    for name in asked:
        print(f"{name}: {given.rounds} rounds", file=sys.stderr, flush=True)
        rows += groups[name](given.rounds)
        if given.json:  # what is there by now, should the rest break off
            Path(given.json).parent.mkdir(parents=True, exist_ok=True)
            Path(given.json).write_text(json.dumps(account(rows, arguments), indent=1))
    facts = {**machine(), **versions()}
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items()) + "\n")
    print(table(rows))
    return 0


def _compile_packages() -> None:
    """Compiles our packages as pip does when it installs them; it has done so with PaDiff's."""
    pythons = {sys.executable, *(os.environ[f"PADIFF_{name}_PYTHON"] for name in ("TORCH", "PADDLE"))}
    folders = [str(folder) for folder in (*ROOT.glob("padiff_*"), ROOT / "client")]
    for python in sorted(pythons):
        subprocess.run([python, "-m", "compileall", "-q", *folders], check=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
