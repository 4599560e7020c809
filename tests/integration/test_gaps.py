"""Gaps: nothing that is missing on one side, or hidden on both, passes for equal."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import pytest
from processes import Service

from padiff_client.link import Batches, connect
from padiff_client.report import Report
from padiff_client.sentences import reason
from padiff_client.tensor_leaves import Input
from padiff_compare.judge.judged_row import fails, is_agreement
from padiff_rpc import trees
from padiff_rpc.v1.records import (
    CompareStart,
    LayerPair,
    Model,
    Options,
    Party,
    Reason,
    Row,
    StatedPairing,
    WorkerAddress,
)
from padiff_rpc.v1.words import CaptureKind, Cause, NoteKind, Phase, Side, Verdict
from padiff_rpc.version import PROTOCOL_VERSION

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def model(name: str, **given: Any) -> Model:
    fields = {field: given.pop(field) for field in ("loss", "optimizer", "train") if field in given}
    return Model(framework="fake", model=f"gap_models:{name}", kwargs=trees.pack(given), **fields)


def compare(
    service: Service,
    reference: Model,
    candidate: Model,
    *,
    x: Any = X,
    layer_map: Optional[StatedPairing] = None,
    steps: int = 1,
    **given: Any,
) -> Report:
    start = CompareStart(
        protocol_version=PROTOCOL_VERSION,
        reference=Party(model=reference, worker=WorkerAddress(address=service.reference)),
        candidate=Party(model=candidate, worker=WorkerAddress(address=service.candidate)),
        steps=steps,
        auto_weights=True,
        layer_map=layer_map or StatedPairing(),
        options=Options(**given),
    )
    with connect(service.coordinator) as connection:
        return connection.compare(start, Batches(({"x": x}, {"x": x})))


def failing(report: Report) -> list[Row]:
    return [row for row in report.rows if fails(row)]


def test_an_output_that_cannot_be_seen_is_not_compared_by_its_inputs(service: Service) -> None:
    report = compare(service, model("Opaque"), model("Opaque", factor=9.0))
    [row] = failing(report)
    assert row.reference is not None
    assert (row.reference.path, row.kind, row.verdict) == ("side", CaptureKind.OUTPUT, Verdict.NOT_COMPARED)
    assert "no tensor that can be seen" in reason(row)
    assert (report.summary.coverage.calls_compared, report.summary.coverage.calls_total) == (2, 3)


@pytest.mark.parametrize("raising", [Side.REFERENCE, Side.CANDIDATE])
def test_a_call_that_ends_on_one_side_alone_is_a_gap(service: Service, raising: Side) -> None:
    sides = [model("Catching", raises=side is raising) for side in (Side.REFERENCE, Side.CANDIDATE)]
    report = compare(service, *sides)
    [lone] = report.summary.unmatched
    assert (lone.what, lone.path, lone.side is raising, lone.counts) == ("call", "extra", False, True)
    assert lone.reasons == (Reason(cause=Cause.CALL_NOT_ENDED, side=raising),)
    assert (report.summary.coverage.calls_compared, report.summary.coverage.calls_total) == (2, 3)
    assert not report


def test_buffers_are_compared_after_a_forward_pass_in_eval_mode(service: Service) -> None:
    assert compare(service, model("Growing", by=1.0), model("Growing", by=1.0))
    report = compare(service, model("Growing"), model("Growing", by=1.0), diff_phase="forward")
    [row] = failing(report)
    assert (row.phase, row.kind) == (Phase.WEIGHTS, CaptureKind.BUFFER)


@pytest.mark.parametrize("detached", [Side.REFERENCE, Side.CANDIDATE])
def test_an_input_gradient_that_was_asked_for_is_missed(service: Service, detached: Side) -> None:
    sides = [model("Detaching", detach=side is detached) for side in (Side.REFERENCE, Side.CANDIDATE)]
    report = compare(service, *sides, x=Input(X, requires_grad=True))
    [row] = failing(report)
    assert (row.kind, row.verdict) == (CaptureKind.INPUT_GRADIENT, Verdict.UNMATCHED)
    assert compare(service, *sides), "no one asked for it"


class TestSpecialInitialisers:
    def compare(self, service: Service, function: str, **given: Any) -> Report:
        pair = LayerPair(reference="b", candidate="b", special_init=f"gap_models:{function}")
        return compare(
            service, model("Steep"), model("Steep", **given), layer_map=StatedPairing(pairs=(pair,))
        )

    @pytest.mark.parametrize(("function", "held"), [("pass_on", ""), ("turn_over", "turned")])
    def test_that_move_elements_leave_gradients_and_steps_to_be_compared(
        self, service: Service, function: str, held: str
    ) -> None:
        healthy = self.compare(service, function, held=held)
        assert healthy
        assert healthy.summary.notes == ()
        assert is_agreement(self.gradient(healthy))
        report = self.compare(service, function, held=held, factor=3.0)
        [row] = failing(report)
        assert row is self.gradient(report)

    def test_that_move_elements_elsewhere_do_not_pass(self, service: Service) -> None:
        assert not self.compare(service, "turn_over")

    def test_that_compute_a_weight_leave_its_gradients_presence_to_be_judged(self, service: Service) -> None:
        healthy = self.compare(service, "halve", held="halved")
        assert healthy
        [note] = healthy.summary.notes
        assert (note.kind, note.names) == (NoteKind.GRADIENTS_PRESENT, ("b.weight",))
        assert self.gradient(healthy).verdict is Verdict.NOT_COMPARED
        report = self.compare(service, "halve", held="halved", untrained=True)
        [row] = failing(report)
        assert row is self.gradient(report)
        assert reason(row) == "no gradient on the candidate, and the reference's is not zero"

    def test_whose_weight_is_not_trained_fail_whatever_they_do(self, service: Service) -> None:
        for function, held in (("pass_on", ""), ("turn_over", "turned"), ("halve", "halved")):
            report = self.compare(service, function, held=held, untrained=True)
            assert [row.phase for row in failing(report)] == [Phase.GRADIENTS], function

    def gradient(self, report: Report) -> Row:
        return next(
            row
            for row in report.rows
            if row.candidate and row.candidate.path == "b" and row.phase is Phase.GRADIENTS
        )

    def test_have_rows_of_their_weights_kinds_also_where_buffers_alone_are_compared(
        self, service: Service
    ) -> None:
        report = self.compare(service, "pass_on")
        rows = [
            (row.phase, row.kind, row.candidate.slot)
            for row in report.rows
            if row.candidate and str(row.rule) == "gap_models:pass_on"
        ]
        assert rows == [
            (Phase.INITIAL_WEIGHTS, CaptureKind.PARAMETER, "weight"),
            (Phase.INITIAL_WEIGHTS, CaptureKind.BUFFER, "state"),
            (Phase.GRADIENTS, CaptureKind.PARAMETER_GRADIENT, "weight"),
            (Phase.WEIGHTS, CaptureKind.BUFFER, "state"),
        ]
