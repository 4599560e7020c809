"""Weights that only one side's layer has: paired with another layer's, or a norm's that change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_client.sentences import reason
from padiff_compare.judge.judged_row import fails
from padiff_rpc.v1.records import Model, Options, Row
from padiff_rpc.v1.words import CaptureKind, Phase, Side

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def lone(name: str, **given: Any) -> Model:
    return model(f"lone_models:{name}", **given)


def compare(service: Service, reference: Model, candidate: Model, *, steps: int = 1, **given: Any) -> Report:
    batches = Batches(([{"x": X}] * steps,) * 2)
    return compare_on(service, reference, candidate, batches, Options(**given), steps=steps)


def failing(report: Report) -> list[Row]:
    return [row for row in report.rows if fails(row)]


def norms(**given: Any) -> tuple[Model, Model]:
    """Returns a reference whose norm has a weight, and a candidate whose norm has none."""
    optimizer = {"optimizer": given.pop("optimizer")} if "optimizer" in given else {}
    return lone("Normed", **given, **optimizer), lone("Normed", affine=False, **optimizer)


@pytest.mark.parametrize("options", [{}, {"local_error": True}])
def test_a_parameter_pairs_with_another_layers_weight_in_all_that_is_compared(
    service: Service, options: dict[str, Any]
) -> None:
    sides = [lone(name, optimizer="lone_models:momentum") for name in ("RootTable", "InnerTable")]
    report = compare(service, *sides, steps=2, **options)
    assert report, str(report)
    coverage = report.coverage
    assert coverage.parameters_compared == coverage.parameters_total == 3
    table = [row for row in report.rows if row.reference and row.reference.slot.startswith("table")]
    assert all(row.figures and row.candidate and row.candidate.path == "inner" for row in table)
    assert {(row.phase, row.step) for row in table} >= {
        (Phase.INITIAL_WEIGHTS, 0),
        *((phase, step) for phase in (Phase.GRADIENTS, Phase.OPTIMIZER, Phase.WEIGHTS) for step in (0, 1)),
    }


def test_a_parameter_in_another_layer_that_is_trained_otherwise_fails(service: Service) -> None:
    [row] = failing(compare(service, lone("RootTable"), lone("InnerTable", factor=3.0)))
    assert row.candidate is not None
    assert (row.kind, row.candidate.slot) == (CaptureKind.PARAMETER_GRADIENT, "kernel")


def test_a_layer_that_uses_the_weight_otherwise_fails_where_its_result_is_taken(service: Service) -> None:
    first = compare(service, lone("RootTable"), lone("InnerTable", value=2.0)).first_divergence
    assert first is not None
    assert (first.phase, first.path) == (Phase.FORWARD, "")


def test_a_norms_neutral_weights_that_one_side_lacks_are_noted_and_fail_nothing(service: Service) -> None:
    for sides in (norms(), norms()[::-1]):
        report = compare(service, *sides)
        assert report, str(report)
        [note] = [note for note in report.notes if note.startswith("norms:")]
        assert "'norm.weight', 'norm.bias'" in note
        assert "alone trains these 2" in note


def test_a_norms_other_weights_that_one_side_lacks_fail(service: Service) -> None:
    report = compare(service, *norms(weight=1.0001))
    [row] = [row for row in failing(report) if row.phase is Phase.INITIAL_WEIGHTS]
    assert row.reference is not None
    assert (row.reference.path, row.reference.slot) == ("norm", "weight")
    assert report.coverage.parameters_compared < report.coverage.parameters_total


@pytest.mark.parametrize("options", [{}, {"local_error": True}])
def test_an_optimizer_that_trains_them_on_one_side_alone_fails(
    service: Service, options: dict[str, Any]
) -> None:
    report = compare(service, *norms(optimizer="fake_models:sgd"), **options)
    rows = {row.reference.slot: row for row in failing(report) if row.reference}
    assert rows.keys() == {"weight", "bias"}
    assert rows["weight"].phase is Phase.WEIGHTS
    assert "the reference alone trains it" in reason(rows["weight"])
    assert rows["weight"].reference
    assert rows["weight"].reference.path == "norm"


def test_frozen_ones_stay_neutral_under_an_optimizer(service: Service) -> None:
    report = compare(service, *norms(optimizer="fake_models:sgd", trained=False), steps=2)
    assert report, str(report)
    assert any(note.endswith("; frozen") for note in report.notes)
    assert {lone.side for lone in report.unmatched if lone.counts} <= set[Side]()
