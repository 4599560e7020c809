"""Random residual graphs in lockstep: no healthy one fails, and one planted fault is the one that is named.

`make test-graphs` runs thousands of them; other runs take a sample.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Options, Report, auto_diff

sys.path.insert(0, str(Path(__file__).resolve().parent / "models"))

from random_graphs import SHAPES, program

Compare = Callable[..., Report]
X = np.random.default_rng(0).standard_normal(SHAPES["full"]).astype(np.float32)
# Graphs in one comparison, and comparisons of each kind.
AT_ONCE = 8
ROUNDS = int(os.environ.get("PADIFF_GRAPH_ROUNDS", "1"))
# Candidate and reference.
PAIRS = tuple(itertools.product(("torch", "paddle"), repeat=2))
SPOILED = {"linear", "linear_half", "norm", "gelu"}


@pytest.fixture
def compare(service: Any, others: dict[str, str]) -> Compare:
    """Compares graphs from a seed on, `faults` planted in the candidate's by seed and layer."""

    def run(
        pair: tuple[str, str],
        first: int,
        count: int,
        *,
        faults: Optional[dict[str, Any]] = None,
        train: bool = False,
        **options: Any,
    ) -> Report:
        candidate, reference = pair
        graphs = {"first": first, "count": count}
        given = Batch(args=(X,))
        return auto_diff(
            layer=ModelSpec(
                candidate,
                f"{candidate}_graphs:graphs",
                kwargs={**graphs, "faults": faults or {}},
                worker=getattr(service, candidate),
                train=train,
            ),
            module=ModelSpec(
                reference,
                f"{reference}_graphs:graphs",
                kwargs=graphs,
                worker=others[reference],
                train=train,
            ),
            example_inp=(given, given),
            server=service.server,
            options=Options(**options),
        )

    return run


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize(
    ("train", "options"),
    [(False, {"single_step": True}), (True, {"single_step": True}), (False, {"local_error": True})],
    ids=["eval", "train", "local"],
)
def test_no_healthy_graph_fails(
    compare: Compare, pair: tuple[str, str], train: bool, options: dict[str, bool]
) -> None:
    for first in range(0, ROUNDS * AT_ONCE, AT_ONCE):
        report = compare(pair, first, AT_ONCE, train=train, **options)
        assert report, str(report)
        if pair[0] == pair[1]:
            assert report.coverage.tensors_compared == report.coverage.tensors_total


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("what", ["value", "gradient"])
def test_a_planted_fault_is_named_and_nothing_else(
    compare: Compare, pair: tuple[str, str], what: str
) -> None:
    for first in range(0, ROUNDS * AT_ONCE, AT_ONCE):
        drawn = random.Random(first)
        # One graph in four is spoiled.
        planted = {seed: drawn.choice(_layers(seed)) for seed in range(first, first + AT_ONCE, 4)}
        faults = {str(seed): {layer: what} for seed, layer in planted.items()}
        report = compare(pair, first, AT_ONCE, faults=faults, single_step=True)
        paths = {f"graph{seed}.{layer}" for seed, layer in planted.items()}
        named = {_culprit(row, paths) for row in report.faults}
        kinds = {row.kind.value for row in report.faults}
        reached = {row.reference.path for row in report.rows if _shows(row, what)}
        # Torch tells the gradient of a view that is changed in place to no hook; what is sent back shows it.
        assert paths & reached <= named <= paths, str(report)
        assert kinds == ({"output"} if what == "value" else kinds & {"input_gradient", "output_gradient"})


def _layers(seed: int) -> list[str]:
    return [name for name, one in program(seed).layers().items() if one.operation in SPOILED]


def _shows(row: Any, what: str) -> bool:
    """Whether a fault of this kind can show there: a gradient cannot where the layer sends none back."""
    kind = "output" if what == "value" else "input_gradient"
    return row.kind.value == kind and bool(row.figures) and row.figures.rms_reference > 0


def _culprit(row: Any, planted: set[str]) -> str:
    """Returns the planted layer that a failing row names, else what it names."""
    path = row.reference.path
    named = [one for one in planted if path == one or f"{one}#" in row.between]
    return named[0] if named else f"{path} {row.kind.value} {row.between}"
