"""Runs planted faults and healthy pairs through real workers and prints how they came out.

What is done already is not done again: results lie in build/faults/, a file for each set of options.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.faults import tables
from benchmarks.faults.comparing import ROOT, service
from benchmarks.faults.faults import FAULTS, Fault
from benchmarks.faults.healthy import HEALTHY, ROUNDS, Healthy
from benchmarks.faults.results import Results
from benchmarks.faults.running import Entry, result_of, tenth

FOLDER = ROOT / "build" / "faults"


def main() -> int:
    """Returns 1 where a fault was not found at its culprit, or a healthy pair did not pass."""
    # A run in the background ends its processes, too, when it is told to end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    asked = _arguments()
    options = {name: yaml.safe_load(text) for name, _, text in map(_parted, asked.options.split(",")) if name}
    name = re.sub(r"[^\w.=-]+", "_", asked.options) or "default"
    results = Results(FOLDER / f"{name}.jsonl")
    faults, pairs = _chosen(FAULTS, asked, "faults"), _chosen(HEALTHY, asked, "healthy")
    waiting = [
        (entry, turn)
        for entry, turn in _turns(faults, pairs, asked.rounds)
        if asked.fresh or (entry.id, turn) not in results
    ]
    if waiting and not asked.tables:
        with service(FOLDER) as running:
            for number, (entry, turn) in enumerate(waiting, start=1):
                result = result_of(running, entry, options)
                results.add((entry.id, turn), result)
                print(f"{number} of {len(waiting)}  {result['found']:<15} {entry.id}", flush=True)
    made = {"faults": tables.of_faults(faults, results), "healthy pairs": tables.of_healthy(pairs, results)}
    missed = tables.misses(faults, pairs, results)
    print("", made["faults"], made["healthy pairs"], missed, sep="\n\n")
    if asked.write is not None:
        tables.write(asked.write, made)
    return int(bool(missed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--options", default="", help="of all comparisons, as single_step=true,threads=1")
    parser.add_argument(
        "--only", default="", help="faults, healthy, or a regular expression for what is printed of each"
    )
    parser.add_argument("--tenth", type=int, help="run a tenth of all, drawn by this seed")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each healthy pair is compared")
    parser.add_argument("--fresh", action="store_true", help="run again what has results")
    parser.add_argument("--tables", action="store_true", help="print what there is, and run nothing")
    parser.add_argument("--write", type=Path, help="a page to put both tables into, as docs/verdicts.md")
    return parser.parse_args()


def _parted(text: str) -> tuple[str, str, str]:
    return text.strip().partition("=")


def _chosen(entries: Sequence[Any], asked: argparse.Namespace, kind: str) -> Sequence[Any]:
    if asked.tenth is not None:
        entries = tenth(entries, asked.tenth)
    if asked.only in ("", kind):
        return entries
    return [entry for entry in entries if re.search(asked.only, entry.id)]


def _turns(faults: Sequence[Fault], pairs: Sequence[Healthy], rounds: int) -> Iterator[tuple[Entry, int]]:
    """Yields the healthy pairs once, then the faults, then the pairs again."""
    yield from ((pair, 0) for pair in pairs)
    yield from ((fault, 0) for fault in faults)
    yield from ((pair, turn) for turn in range(1, rounds) for pair in pairs)


if __name__ == "__main__":
    sys.exit(main())
