"""Weights that lie in another layer on the other side, norms that one side has weights for, and a young port.

Torch is the reference; no test has a layer map.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_rpc.v1.words import CaptureKind, Phase, Side

Compare = Callable[..., Report]
# The reference's parameter -> the layer of the candidate that has it as its weight.
TABLES = {"rows": "words", **{f"blocks.{n}.offsets": f"layers.{n}.lookup" for n in range(3)}}


@pytest.fixture
def compare(service: Any) -> Compare:
    def run(optimizer: str = "", steps: int = 1, **kwargs: Any) -> Report:
        module = ModelSpec("torch", "torch_partners:Tables", worker=service.torch)
        layer = ModelSpec("paddle", "paddle_partners:Tables", kwargs=kwargs, worker=service.paddle)
        given = Batch(args=(np.random.default_rng(0).integers(0, 7, (2, 5)),))
        optimizers = (f"paddle_partners:{optimizer}", f"torch_partners:{optimizer}") if optimizer else None
        batches = ([given] * steps, [given] * steps)
        return auto_diff(layer, module, batches, server=service.server, steps=steps, optimizer=optimizers)

    return run


def test_parameters_pair_with_embeddings_and_neutral_norms_with_bare_ones(compare: Compare) -> None:
    report = compare()
    assert report, str(report)
    rows = [row for row in report.rows if row.kind is CaptureKind.PARAMETER_GRADIENT and row.reference]
    found = {
        f"{row.reference.path}.{row.reference.slot}".lstrip("."): row.candidate.path
        for row in rows
        if row.reference and row.candidate and row.figures and row.reference.slot in ("rows", "offsets")
    }
    assert found == TABLES
    assert report.coverage.parameters_compared == report.coverage.parameters_total == 12
    [note] = [note for note in report.notes if note.startswith("norms:")]
    assert "the candidate alone trains these 6" in note


@pytest.mark.parametrize(
    ("fault", "phase", "path"),
    [("gradient", Phase.GRADIENTS, "layers.1.lookup"), ("norm", Phase.INITIAL_WEIGHTS, "layers.1.norm")],
)
def test_their_faults_are_found(compare: Compare, fault: str, phase: Phase, path: str) -> None:
    first = compare(fault=fault).first_divergence
    assert first is not None
    assert first.row.candidate is not None
    assert (first.phase, first.row.candidate.path) == (phase, path)


def test_a_step_that_trains_the_norms_on_one_side_alone_fails_there_and_nowhere_else(
    compare: Compare,
) -> None:
    report = compare("adam", 2)
    places = {(row.phase, row.candidate.path) for row in report.faults if row.candidate}
    assert places == {(Phase.WEIGHTS, f"layers.{n}.norm") for n in range(3)}


def test_what_a_young_port_has_is_compared_with_the_beginning(compare: Compare) -> None:
    report = compare(raises=1)
    assert "not ported yet" in str(report).splitlines()[0]
    pairs = {
        pair.reference.path: pair.candidate.path for pair in report.plan if pair.reference and pair.candidate
    }
    assert {path: pairs[path] for path in ("blocks.0", "blocks.1.mix", "blocks.2.norm")} == {
        "blocks.0": "layers.0",
        "blocks.1.mix": "layers.1.mix",
        "blocks.2.norm": "layers.2.norm",
    }
    assert not report.faults, str(report)
    assert report.first_divergence is None
    assert not [lone for lone in report.unmatched if lone.counts and lone.side is Side.CANDIDATE]
