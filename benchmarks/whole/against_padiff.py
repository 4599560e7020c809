"""Whole comparisons, from the command's start to its exit, against whole runs of PaDiff 0.2.0.

The commands take turns.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.whole.commands import Cost, cost_of
from benchmarks.whole.rows import Goal, Row
from padiff_client.warm import interpreters

GROUP = "padiff"
HERE = Path(__file__).resolve().parent
MODELS = ("resnet50", "bert")
_PADIFF = str(Path(sys.executable).parent / "padiff")


@dataclass(frozen=True)
class Kind:
    """A way to compare, and what it is to cost at most, of PaDiff's seconds and of its memory."""

    name: str
    spec: str = "{model}.yaml"
    is_kept: bool = False
    is_warm: bool = False
    most_seconds: float = 1.0
    most_memory: float | None = None


KINDS = (
    Kind("cold", most_memory=0.6),
    Kind("floors and traces kept", is_kept=True, most_seconds=0.8),
    Kind("both kept, warm", is_kept=True, is_warm=True, most_seconds=0.5),
    Kind("cold, free run", spec="{model}-free.yaml", most_seconds=0.7),
)


def measured(rounds: int, padiff: str) -> list[Row]:
    """Returns seconds and memory of each kind, as shares of PaDiff's. `padiff`: a Python that has it."""
    seconds, memory = (
        {
            (model, kind.name): Row(
                GROUP, f"{model}, {kind.name}: {what}", f"of PaDiff's {what}", Goal(most=goal(kind))
            )
            for model in MODELS
            for kind in KINDS
        }
        for what, goal in (
            ("seconds", lambda kind: kind.most_seconds),
            ("memory", lambda kind: kind.most_memory),
        )
    )
    with tempfile.TemporaryDirectory() as kept, _warm_interpreters() as warm:
        for model in MODELS:
            _compare(model, KINDS[1], Path(kept), warm)  # what it keeps
        for _ in range(rounds):
            for model in MODELS:
                old = cost_of([padiff, str(HERE / "with_padiff.py"), model], {})
                for kind in KINDS:
                    new = _compare(model, kind, Path(kept), warm)
                    strangers = max(old.strangers, new.strangers)
                    seconds[model, kind.name].add(
                        new.seconds / old.seconds,
                        strangers,
                        ours=new.seconds,
                        processor=new.processor_seconds,
                        PaDiff=old.seconds,
                    )
                    memory[model, kind.name].add(
                        new.peak_bytes / old.peak_bytes,
                        strangers,
                        MiB=new.peak_bytes / 2**20,
                        PaDiff=old.peak_bytes / 2**20,
                    )
    return [*seconds.values(), *memory.values()]


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
