"""What a step has come to, from the rows of its passes."""

from __future__ import annotations

from padiff_compare.steps.step_pass import Outcome, step_result
from padiff_rpc.v1.records import Figures, Place, Row
from padiff_rpc.v1.words import CaptureKind, Pass, Phase, Verdict


def row(kind: CaptureKind, error: float, pass_kind: Pass = Pass.FREE) -> Row:
    place = Place(path="fc", slot="weight")
    return Row(
        step=0,
        phase=Phase.WEIGHTS,
        kind=kind,
        order=0,
        verdict=Verdict.WITHIN_TOLERANCE,
        reference=place,
        candidate=place,
        pass_kind=pass_kind,
        figures=Figures(elements=4, bitwise_equal=False, relative_l2=error),
    )


def test_how_far_the_weights_are_apart_is_the_furthest_of_them() -> None:
    rows = (
        row(CaptureKind.PARAMETER, 1e-3),
        row(CaptureKind.BUFFER, 2e-3),
        row(CaptureKind.OPTIMIZER_STATE, 0.5),
    )
    assert step_result(0, Outcome(traces={}, rows=rows)).weights_relative_l2 == 2e-3


def test_of_two_passes_the_free_one_tells_how_far() -> None:
    rows = (row(CaptureKind.PARAMETER, 0.5, Pass.LOCKSTEP), row(CaptureKind.PARAMETER, 1e-3))
    assert step_result(0, Outcome(traces={}, rows=rows)).weights_relative_l2 == 1e-3
