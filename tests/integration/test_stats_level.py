"""`level: stats`: sketches travel in place of large tensors, and no fault is told but by whole ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_client.tensor_leaves import Input
from padiff_compare.judge.judged_row import fails
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import Note, Options
from padiff_rpc.v1.words import CaptureKind, NoteKind, Omission, Phase, Verdict

SGD = "fake_models:sgd"
X = np.random.default_rng(0).normal(size=(500, 32)).astype(np.float32)
BATCHES = ({"x": Input(X, requires_grad=True)},) * 2


def compare(
    service: Service, *, steps: int = 1, fault: Any = None, optimizer: str = "", **given: Any
) -> Report:
    fields = {"train": True, "optimizer": optimizer}
    parties = [model("sketch_models:Net", **fields, **faults) for faults in ({}, fault or {})]
    options = Options(**{"level": "stats", **given})
    return compare_on(service, *parties, Batches(BATCHES), options, steps=steps)


def told(report: Report) -> Note:
    (note,) = (one for one in report.summary.notes if one.kind is NoteKind.SKETCHED)
    return note


def test_a_healthy_pair_passes_by_sketches_and_hardly_anything_travels(service: Service) -> None:
    report, whole = compare(service), compare(service, level="full", local_error=False)
    assert report, str(report)
    step, estimated, fetched, came, all_bytes = told(report).numbers
    assert (step, fetched) == (0, 0)
    assert estimated == sum(row.figures is not None and row.figures.is_estimate for row in report.rows) > 50
    assert came < all_bytes / 10
    sent = sum(one.bytes for one in whole.summary.traffic if one.phase is not Phase.INITIAL_WEIGHTS)
    assert all_bytes == pytest.approx(sent, rel=0.1)
    assert len(report.rows) == len(whole.rows)
    assert "judged freely, by sketches" in str(report)
    assert f"{estimated:.0f} rows of step 0 judged by sketches" in str(report)


@pytest.mark.parametrize("factor", [1.001, 1.5, -1.0])
def test_a_fault_is_found_where_whole_tensors_find_it_and_told_by_them(
    service: Service, factor: float
) -> None:
    fault = {"wrong": 2, "factor": factor}
    report = compare(service, fault=fault)
    whole = compare(service, fault=fault, level="full", local_error=False, floor="table")
    first, expected = report.first_divergence, whole.first_divergence
    assert first is not None
    assert expected is not None
    assert (first.row.phase, first.row.kind, first.candidate) == (
        expected.row.phase,
        expected.row.kind,
        expected.candidate,
    )
    assert first.row.figures == expected.row.figures
    assert first.row.figures is not None
    assert not first.row.figures.is_estimate
    failing = [row for row in report.rows if fails(row) and row.omission is not Omission.SUSPECTED]
    assert all(row.figures is not None and not row.figures.is_estimate for row in failing)
    _, _, fetched, came, all_bytes = told(report).numbers
    assert 0 < fetched <= 12
    assert came < all_bytes / 3
    behind = [row for row in report.rows if row.omission is Omission.SUSPECTED]
    assert behind
    assert {row.verdict for row in behind} == {Verdict.NOT_COMPARED}


def test_a_gradient_that_is_off_is_found_where_whole_tensors_find_it(service: Service) -> None:
    fault = {"wrong": 3, "gradient": 1.5}
    report = compare(service, fault=fault)
    whole = compare(service, fault=fault, level="full", local_error=False, floor="table")
    first, expected = report.first_divergence, whole.first_divergence
    assert first is not None
    assert expected is not None
    assert first.row.phase is Phase.BACKWARD
    assert (first.row.kind, first.candidate, first.row.figures) == (
        expected.row.kind,
        expected.candidate,
        expected.row.figures,
    )
    assert told(report).numbers[2] > 0


def test_bounds_of_the_users_are_those_that_sketches_are_held_against(service: Service) -> None:
    fault = {"wrong": 2, "factor": 1.001}
    assert compare(service, fault=fault, atol=0.1)
    report = compare(service, fault=fault, atol=1e-6, rtol=1e-6)
    assert report.first_divergence is not None
    assert report.first_divergence.row.figures is not None
    assert not report.first_divergence.row.figures.is_estimate


def test_what_was_suspicious_and_is_within_its_bounds_passes_by_its_elements(service: Service) -> None:
    # Gradients that are 0.0485 apart, of 0.05 that are allowed: sketches cannot tell.
    fault = {"wrong": 3, "gradient": 1.051}
    report = compare(service, fault=fault)
    assert report, str(report)
    assert compare(service, fault=fault, level="full", local_error=False, floor="table")
    assert told(report).numbers[2] > 10
    assert not [row for row in report.rows if row.omission is Omission.SUSPECTED]


def weights(report: Report) -> list[tuple[int, str, float, float]]:
    """Returns what the rows of weights behind steps say of both sides' values."""
    return [
        (row.step, row.reference.path, row.figures.mean_reference, row.figures.mean_candidate)
        for row in report.rows
        if row.kind is CaptureKind.PARAMETER and row.phase is Phase.WEIGHTS and row.reference and row.figures
    ]


def test_optimizers_step_once_however_often_a_step_runs(service: Service) -> None:
    given = {"fault": {"wrong": 2, "factor": 1.001}, "optimizer": SGD, "steps": 3, "keep_going": True}
    report = compare(service, **given)
    whole = compare(service, **given, level="full", local_error=False, floor="table")
    steps = [one.numbers[:3:2] for one in report.summary.notes if one.kind is NoteKind.SKETCHED]
    assert [step for step, _ in steps] == [0, 1, 2]
    assert all(fetched > 0 for _, fetched in steps)
    assert weights(report) == weights(whole)
    assert len(weights(report)) == 3 * 26


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"single_step": True}, "single_step"),
        ({"local_error": True}, "local_error"),
        ({"oracle": True}, "oracle"),
        ({"compare_mode": "mean"}, "compare_mode"),
        ({"trace": "first_step"}, "trace"),
        ({"floor": "measured"}, "floor"),
        ({"detail": "functions"}, "detail"),
    ],
)
def test_what_needs_all_tensors_is_refused_with_what_is_allowed(
    service: Service, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(
        InvalidRequestError, match=rf"options\.{field}: .* not allowed with level: stats.*allowed: "
    ):
        compare(service, **given)


def test_gradients_of_parameters_travel_as_sketches_too(service: Service) -> None:
    report = compare(service)
    gradients = [row for row in report.rows if row.kind is CaptureKind.PARAMETER_GRADIENT]
    assert any(row.figures is not None and row.figures.is_estimate for row in gradients)


def test_a_step_whose_random_decisions_are_handed_over_travels_whole(service: Service) -> None:
    x = np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32)
    parties = [model("random_models:Dropped", train=True) for _ in range(2)]
    options = Options(level="stats", randomness="report")
    report = compare_on(service, *parties, Batches(({"x": x},) * 2), options, steps=1)
    assert report, str(report)
    kinds = {one.kind for one in report.summary.notes}
    assert NoteKind.NOT_SKETCHED in kinds
    assert NoteKind.SKETCHED not in kinds
    assert not any(row.figures is not None and row.figures.is_estimate for row in report.rows)
