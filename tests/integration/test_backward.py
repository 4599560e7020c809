"""Models without a backward, or with one that raises, across real processes, over the NumPy fake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparisons import compare_on, model
from processes import Service

from padiff_client.link import Batches
from padiff_client.report import Report
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import Model, Options
from padiff_rpc.v1.words import CaptureKind, Phase, Side

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
SGD = "backward_models:sgd"
SENTENCE = "fake's Gate (gate) has no backward in eval mode; train: true on both sides brings it"
GRADIENTS = {
    CaptureKind.INPUT_GRADIENT,
    CaptureKind.OUTPUT_GRADIENT,
    CaptureKind.PARAMETER_GRADIENT,
}


def gated(**given: Any) -> Model:
    return model("backward_models:Gated", **given)


def raising(**given: Any) -> Model:
    return model("backward_models:Raising", **given)


def compare(
    service: Service, reference: Model, candidate: Model, *, steps: int = 1, **options: Any
) -> Report:
    batches = Batches(([{"x": X}] * steps, [{"x": X}] * steps))
    return compare_on(service, reference, candidate, batches, Options(**options), steps=steps)


def kinds(report: Report) -> set[CaptureKind]:
    return {row.kind for row in report.rows}


class TestNoBackwardInEvalMode:
    @pytest.mark.parametrize(
        "options", [{}, {"single_step": True}, {"local_error": True}, {"trace": "first_step"}]
    )
    @pytest.mark.parametrize("lacking", [(True, True), (True, False), (False, True)])
    def test_forward_and_loss_are_judged_and_a_line_says_why_no_more(
        self, service: Service, lacking: tuple[bool, bool], options: dict[str, Any]
    ) -> None:
        reference, candidate = (gated(keeps=not one) for one in lacking)
        report = compare(service, reference, candidate, **options)
        assert report, str(report)
        assert not kinds(report) & GRADIENTS
        assert {CaptureKind.OUTPUT, CaptureKind.LOSS} <= kinds(report)
        side = Side.REFERENCE if lacking[0] else Side.CANDIDATE
        assert f"forward and loss alone were compared: on the {side} {SENTENCE}" in report.notes
        assert SENTENCE in str(report)

    @pytest.mark.parametrize(
        ("options", "path"), [({}, ""), ({"single_step": True}, ""), ({"local_error": False}, "last")]
    )
    def test_a_fault_of_the_forward_is_found(
        self, service: Service, options: dict[str, Any], path: str
    ) -> None:
        report = compare(service, gated(), gated(forward=1.5), **options)
        assert not report
        assert report.first_divergence is not None
        assert (report.first_divergence.row.phase, report.first_divergence.path) == (Phase.FORWARD, path)

    @pytest.mark.parametrize("diff_phase", ["both", "backward"])
    def test_a_backward_that_was_asked_for_by_name_is_an_error(
        self, service: Service, diff_phase: str
    ) -> None:
        with pytest.raises(InvalidRequestError) as raised:
            compare(service, gated(keeps=True), gated(), diff_phase=diff_phase)
        said = f"diff_phase: {diff_phase} is not possible: on the candidate {SENTENCE}"
        assert str(raised.value) == f"{said}, and diff_phase: forward goes without"

    def test_train_mode_brings_the_backward_and_its_faults(self, service: Service) -> None:
        report = compare(service, gated(train=True), gated(train=True), diff_phase="both")
        assert report, str(report)
        assert kinds(report) >= GRADIENTS
        report = compare(service, gated(train=True), gated(train=True, gradient=3.0))
        assert report.first_divergence is not None
        assert report.first_divergence.row.phase is Phase.BACKWARD

    @pytest.mark.parametrize("options", [{}, {"local_error": True}])
    def test_steps_end_where_no_gradient_can_be(self, service: Service, options: dict[str, Any]) -> None:
        given = [gated(optimizer=SGD, keeps=one) for one in (True, False)]
        report = compare(service, *given, steps=3, **options)
        assert report, str(report)
        assert len(report.steps) == 1
        assert "stopped after step 0, without a backward on both sides; 2 more were asked for" in report.notes
        assert not report.unmatched

    def test_a_layer_that_the_loss_does_not_depend_on_is_in_no_ones_way(self, service: Service) -> None:
        report = compare(service, gated(detached=True), gated(detached=True), diff_phase="both")
        assert report, str(report)
        assert kinds(report) >= GRADIENTS

    def test_without_a_backward_wanted_nothing_is_said(self, service: Service) -> None:
        report = compare(service, gated(), gated(), diff_phase="forward")
        assert report, str(report)
        assert "no backward" not in str(report)


class TestABackwardThatRaises:
    @pytest.mark.parametrize("raises", [(True, True), (True, False), (False, True)])
    def test_fails_with_what_it_raised_and_nothing_behind_it_counts(
        self, service: Service, raises: tuple[bool, bool]
    ) -> None:
        reference, candidate = (raising(raises=one, optimizer=SGD) for one in raises)
        report = compare(service, reference, candidate, steps=2)
        assert not report
        assert [failure.side for failure in report.failures] == [
            side for side, one in zip((Side.REFERENCE, Side.CANDIDATE), raises) if one
        ]
        for failure in report.failures:
            assert (failure.phase, failure.text) == (Phase.BACKWARD, "mine has no gradient")
        assert not report.faults
        assert not any(lone.counts for lone in report.unmatched)
        assert report.first_divergence is None

    def test_a_fault_before_it_is_the_first_divergence(self, service: Service) -> None:
        report = compare(service, raising(), raising(forward=1.5))
        assert report.first_divergence is not None
        assert report.first_divergence.path == ""
