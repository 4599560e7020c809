"""Measures whole comparisons, from the command's start to its exit, against whole runs of PaDiff 0.2.0.

`python -m benchmarks.whole --padiff PYTHON`: an interpreter with PaDiff 0.2.0 and both frameworks
(`make bench` makes one). The commands take turns, and medians count. docs/performance.md says what each row
means.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.whole.commands import Cost, cost_of
from padiff_client.warm import interpreters

HERE = Path(__file__).resolve().parent
MODELS = ("resnet50", "bert")
_PADIFF = str(Path(sys.executable).parent / "padiff")
# Of the machine's cores; where others took more, a round tells less.
_MOST_OF_STRANGERS = 0.1


@dataclass(frozen=True)
class Kind:
    """A way to compare, and what it is to cost at most, of PaDiff's seconds and of its memory."""

    name: str
    spec: str = "{model}.yaml"
    is_kept: bool = False
    is_warm: bool = False
    most_seconds: float = 1.0
    most_memory: float = 0.6


KINDS = (
    Kind("cold"),
    Kind("floors and traces kept", is_kept=True, most_seconds=0.8),
    Kind("both kept, warm", is_kept=True, is_warm=True, most_seconds=0.5),
    Kind("cold, free run", spec="{model}-free.yaml", most_seconds=0.7),
)


def main(arguments: Sequence[str]) -> int:
    """Returns 0; what misses its goal is told."""
    parser = argparse.ArgumentParser(prog="benchmarks.whole", description=__doc__)
    parser.add_argument("--padiff", metavar="PYTHON", required=True, help="an interpreter with PaDiff 0.2.0")
    parser.add_argument("--rounds", metavar="N", type=int, default=7)
    parser.add_argument("--json", metavar="FILE", help="every round, with the machine and versions")
    given = parser.parse_args(arguments)
    costs: dict[tuple[str, str], list[Cost]] = {}
    with tempfile.TemporaryDirectory() as kept, _warm_interpreters() as warm:
        for model in MODELS:
            _compare(model, KINDS[1], Path(kept), warm)  # what it keeps
        for _ in range(given.rounds):
            for model in MODELS:
                old = cost_of([given.padiff, str(HERE / "with_padiff.py"), model], {})
                costs.setdefault((model, "PaDiff"), []).append(old)
                for kind in KINDS:
                    costs.setdefault((model, kind.name), []).append(_compare(model, kind, Path(kept), warm))
    _print(costs)
    if given.json:
        Path(given.json).write_text(json.dumps(_account(costs), indent=1))
    return 0


@contextmanager
def _warm_interpreters() -> Iterator[str]:
    """Provides the folder of warm interpreters."""
    with tempfile.TemporaryDirectory(prefix="warm") as folder:
        environment = {"PADIFF_WARM": f"{folder}/warm"}
        try:
            cost_of([_PADIFF, "up", str(HERE / "resnet50.yaml"), "-q"], environment)
            yield environment["PADIFF_WARM"]
        finally:
            cost_of([_PADIFF, "down"], environment)


def _compare(model: str, kind: Kind, kept: Path, warm: str) -> Cost:
    command = [_PADIFF, "compare", str(HERE / kind.spec.format(model=model)), "-q"]
    helpers = [one.process for one in interpreters(Path(warm))] if kind.is_warm else []
    with tempfile.TemporaryDirectory() as empty:
        environment = {
            "PADIFF_FLOORS": str(kept if kind.is_kept else empty),
            "PADIFF_STORE": "none",
            "PADIFF_WARM": warm if kind.is_warm else "none",
        }
        return cost_of(command, environment, helpers)


def _print(costs: Mapping[tuple[str, str], list[Cost]]) -> None:
    print(
        "| model | way | seconds | processor | MiB | of PaDiff's seconds | of its memory | others' share |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    goals = {kind.name: kind for kind in KINDS}
    for (model, name), found in costs.items():
        old, kind = costs[model, "PaDiff"], goals.get(name)
        seconds, memory = (
            _median(found, figure) / _median(old, figure) for figure in ("seconds", "peak_bytes")
        )
        of_seconds = f"{seconds:.2f} (at most {kind.most_seconds})" if kind else ""
        of_memory = f"{memory:.2f} (at most {kind.most_memory})" if kind else ""
        others = _median(found, "strangers")
        took, worked = _median(found, "seconds"), _median(found, "processor_seconds")
        print(
            f"| {model} | {name} | {took:.1f} | {worked:.1f} "
            f"| {_median(found, 'peak_bytes') / 2**20:.0f} | {of_seconds} | {of_memory} "
            f"| {others:.0%}{' (too much)' if others > _MOST_OF_STRANGERS else ''} |"
        )


def _median(costs: Sequence[Cost], figure: str) -> float:
    return statistics.median(getattr(cost, figure) for cost in costs)


def _account(costs: Mapping[tuple[str, str], list[Cost]]) -> dict[str, object]:
    return {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "python": platform.python_version(),
        "rounds": [
            {"model": model, "way": name, **asdict(cost)}
            for (model, name), found in costs.items()
            for cost in found
        ],
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
