"""Rows of what was measured: a figure for each round, its goal, and how much the machine did otherwise."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

# Of the machine's cores; where others took more, a round tells less.
_MOST_OF_STRANGERS = 0.1
_OF_FRAMEWORKS = "import sys, {0}; print({0}.__version__, sys.version.split()[0])"


@dataclass(frozen=True)
class Goal:
    """At most so much, or at least. None: the figure is shown, and has no goal."""

    most: float | None = None
    least: float | None = None

    def __str__(self) -> str:
        if self.most is not None:
            return f"at most {self.most:g}"
        return f"at least {self.least:g}" if self.least is not None else ""

    def is_met(self, figure: float) -> bool:
        """Returns whether a figure is as it should be."""
        return (self.most is None or figure <= self.most) and (self.least is None or figure >= self.least)


@dataclass
class Row:
    """One figure, measured once a round.

    Attributes:
        group: what it is measured with.
        unit: of the figure; a ratio says of what it is.
        figures: one for each round.
        details: what the figures were made of, by name; as many of each as there are rounds.
        strangers: of each round, the share of the machine that other processes took.
    """

    group: str
    what: str
    unit: str
    goal: Goal = Goal()
    figures: list[float] = field(default_factory=list)
    details: dict[str, list[float]] = field(default_factory=dict)
    strangers: list[float] = field(default_factory=list)

    def add(self, figure: float, strangers: float, **details: float) -> None:
        """Adds a round."""
        self.figures.append(figure)
        self.strangers.append(strangers)
        for name, value in details.items():
            self.details.setdefault(name, []).append(value)

    @property
    def median(self) -> float:
        return statistics.median(self.figures)


def table(rows: Iterable[Row]) -> str:
    """Returns the rows in Markdown."""
    lines = [
        "| group | what | median | least to most | goal | | made of | others' share |",
        "| --- | --- | ---: | ---: | --- | --- | --- | ---: |",
    ]
    for row in rows:
        met = "" if not str(row.goal) else "met" if row.goal.is_met(row.median) else "missed"
        others = statistics.median(row.strangers)
        made_of = ", ".join(
            f"{name.replace('_', ' ')} {statistics.median(values):.4g}"
            for name, values in row.details.items()
        )
        lines.append(
            f"| {row.group} | {row.what} | {row.median:.3g} {row.unit} | {min(row.figures):.3g} to "
            f"{max(row.figures):.3g} | {row.goal} | {met} | {made_of} "
            f"| {others:.0%}{' (too much)' if others > _MOST_OF_STRANGERS else ''} |"
        )
    return "\n".join(lines)


def account(rows: Sequence[Row], arguments: Sequence[str]) -> dict[str, object]:
    """Returns all rounds with the machine, the versions and the commit, for JSON."""
    return {
        "arguments": list(arguments),
        "machine": machine(),
        "versions": versions(),
        "rows": [
            {**asdict(row), "median": row.median, "goal_met": row.goal.is_met(row.median)} for row in rows
        ],
    }


def machine() -> dict[str, object]:
    """Returns what a reader must know of it: processor, cores, memory in MiB, system."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Returns versions of the frameworks and of what carries tensors, and the commit."""
    found = {name: version(name) for name in ("padiff-rpc", "grpcio", "protobuf", "numpy")}
    found["python"] = platform.python_version()
    for framework in ("torch", "paddle"):
        python = os.environ.get(f"PADIFF_{framework.upper()}_PYTHON")
        if python:
            found[framework] = _said([python, "-c", _OF_FRAMEWORKS.format(framework)])
    found["commit"] = _said(["git", "describe", "--always", "--dirty", "--abbrev=12"])
    return found


def _said(command: Sequence[str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).resolve().parent
    )
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "not known"
