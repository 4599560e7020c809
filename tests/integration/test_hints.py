"""Hints over real processes: which rows have them, and what steps add to what is known."""

from __future__ import annotations

from typing import Optional

import pytest
from processes import Service
from test_coordinator import compare, model

from padiff_client.report import Report
from padiff_rpc.v1.records import Model, Row
from padiff_rpc.v1.words import HintKind, Pass, Phase


def off(factor: float = 1.0, optimizer: Optional[str] = None) -> Model:
    """Returns a model all of whose gradients are off by one factor."""
    chosen = {} if optimizer is None else {"optimizer": f"judging_models:{optimizer}"}
    return model("judging_models:Off", factor=factor, **chosen)


def hinted(report: Report, phase: Phase) -> list[Row]:
    return [row for row in report.rows if row.phase is phase and row.hints]


@pytest.fixture(scope="module")
def free(service: Service) -> Report:
    return compare(service, off(), off(3.0), local_error=False)


def test_of_a_free_run_the_first_row_of_each_phase_has_hints(free: Report) -> None:
    for phase in (Phase.BACKWARD, Phase.GRADIENTS):
        failing = [row for row in free.faults if row.phase is phase]
        assert len(failing) > 1
        assert hinted(free, phase) == failing[:1]
        [hint] = failing[0].hints
        assert (hint.kind, hint.verified) == (HintKind.SCALED, True)
        assert hint.numbers[0] == pytest.approx(3.0, rel=1e-6)
    assert not hinted(free, Phase.FORWARD)


def test_the_report_names_it_beside_the_first_divergence_and_for_each_phase(free: Report) -> None:
    said = "a factor throughout: candidate = 3 * reference (checked: "
    assert free.first_divergence is not None
    assert f"probably   {said}" in free.first_divergence.details
    assert f"gradients of step 0: {'gradient of parameter'}" in str(free).partition("probably")[2]


def test_with_local_errors_the_row_at_fault_alone_has_hints(service: Service) -> None:
    report = compare(service, off(), off(3.0), local_error=True)
    rows = [row for row in report.rows if row.hints]
    assert {row.pass_kind for row in rows} == {Pass.LOCKSTEP}
    assert {row.hints[0].kind for row in rows} == {HintKind.SCALED}
    assert {id(row) for row in rows} <= {id(row) for row in report.faults}
    assert "; probably: a factor throughout: candidate = 3 * reference" in str(report)


def test_a_weight_that_was_not_updated_is_stale(service: Service) -> None:
    report = compare(service, off(optimizer="sgd"), off(optimizer="standing"), steps=1)
    rows = hinted(report, Phase.WEIGHTS)
    assert {row.hints[0].kind for row in rows} == {HintKind.STALE}


def test_a_sum_in_place_of_a_mean_is_a_factor_of_the_loss(service: Service) -> None:
    losses = [f"judging_models:{name}" for name in ("mean_loss", "sum_loss")]
    report = compare(service, *(model("judging_models:Off", loss=loss) for loss in losses))
    [row] = hinted(report, Phase.LOSS)
    (hint, *_) = row.hints
    assert (hint.kind, hint.verified) == (HintKind.SCALED, True)
    assert hint.numbers[0] > 1.0
    assert hint.numbers[0] == round(hint.numbers[0])
