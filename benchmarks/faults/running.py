"""Comparisons of both suites: which of them are drawn, and what one comes to."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, Union

from benchmarks.faults import outcomes
from benchmarks.faults.comparing import Service
from benchmarks.faults.faults import Fault
from benchmarks.faults.healthy import Healthy
from padiff_rpc.errors import PaDiffError

Entry = Union[Fault, Healthy]
E = TypeVar("E", Fault, Healthy)


def tenth(entries: Sequence[E], seed: int) -> list[E]:
    """Returns about a tenth of the entries, drawn by `seed`."""
    drawn = random.Random(seed)
    return [entry for entry in entries if drawn.random() < 0.1]


def result_of(running: Service, entry: Entry, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a comparison found, as it is kept."""
    try:
        if isinstance(entry, Healthy):
            return outcomes.of_healthy(running.compare(entry.setting, options))
        return outcomes.of_fault(entry, running.compare(entry.setting, options, entry.planted()))
    except PaDiffError as error:
        return {"found": outcomes.TROUBLE, "said": str(error), "hint": outcomes.UNKNOWN, "seconds": 0.0}
