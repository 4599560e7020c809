"""Tensors that the user marks by name in both models are compared, across real processes."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client import render
from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import CaptureKind, Phase, Verdict

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
WAYS: dict[str, dict[str, Any]] = {
    "default": {},
    "lockstep": {"single_step": True},
    "free": {"local_error": False},
}
SCALED, SUM, NEXT_SUM = ("mark scaled", 0), ("mark sums/of loop", 0), ("mark sums/of loop", 1)


def compare(service: Service, options: Optional[dict[str, Any]] = None, **candidate: Any) -> Report:
    return compare_on(
        service,
        model("marked_models:Marked"),
        model("marked_models:Marked", **candidate),
        Batches(({"x": X}, {"x": X})),
        Options(**(options or {})),
        steps=1,
    )


def marked(report: Report, verdict: Verdict) -> set[tuple[Phase, str, int]]:
    """Returns the marks of rows with that verdict."""
    return {
        (row.phase, row.candidate.path, row.candidate.call)
        for row in report.all_rows
        if row.candidate is not None and row.candidate.path.startswith("mark ") and row.verdict is verdict
    }


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_marks_of_one_name_are_compared_forward_and_in_their_gradients(
    service: Service, options: Any
) -> None:
    report = compare(service, options)
    assert report, render.text(report)
    assert marked(report, Verdict.MATCH) == {
        (phase, *place) for phase in (Phase.FORWARD, Phase.BACKWARD) for place in (SCALED, SUM, NEXT_SUM)
    }
    assert not marked(report, Verdict.MISMATCH)


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_the_first_mark_behind_a_fault_tells_of_it(service: Service, options: Any) -> None:
    report = compare(service, options, factor=2.1)
    assert not report
    divergence = report.first_divergence
    assert divergence is not None
    assert (divergence.phase, divergence.kind) == (Phase.FORWARD, CaptureKind.INPUT)
    assert "between first and mark scaled" in render.text(report).splitlines()[0]
    assert "<--- *** HERE ***" in render.text(report)


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_the_last_mark_before_a_fault_of_gradients_tells_of_it(service: Service, options: Any) -> None:
    report = compare(service, options, gradient=1.5)
    assert not report
    assert not [row for row in report.rows if row.phase is Phase.FORWARD and row.verdict is Verdict.MISMATCH]
    first = render.text(report).splitlines()[0]
    assert "backward of step 0" in first
    assert "mark sums/of loop" in first


def test_in_lockstep_what_lies_behind_a_mark_is_judged_on_the_references_values(service: Service) -> None:
    report = compare(service, WAYS["lockstep"], factor=2.1)
    assert {(Phase.FORWARD, *SUM), (Phase.FORWARD, *NEXT_SUM)} <= marked(report, Verdict.MATCH)


def test_a_mark_of_one_side_alone_is_told_and_changes_nothing(service: Service) -> None:
    report = compare(service, also="mine")
    assert report, render.text(report)
    assert "marks: only the candidate marks 'mine'; nothing is compared with it" in render.text(report)
    assert not {path for _, path, _ in marked(report, Verdict.MATCH)} & {"mark mine"}


def test_marks_are_heard_in_every_step_of_a_training(service: Service) -> None:
    trained = {"optimizer": "backward_models:sgd"}
    report = compare_on(
        service,
        model("marked_models:Marked", **trained),
        model("marked_models:Marked", **trained),
        Batches(([{"x": X}] * 3, [{"x": X}] * 3)),
        Options(),
        steps=3,
    )
    assert report, render.text(report)
    assert {row.step for row in report.all_rows if row.candidate and row.candidate.path == "mark scaled"} == {
        0,
        1,
        2,
    }
