"""Kept rows judged again: by tensors as any pair is, by figures only where these are sure to tell."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padiff_compare.judge.evidence import Evidence
from padiff_compare.judge.judged_row import blank_row, judged_row
from padiff_compare.judge.measured import Aspect, measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.report.finished import FinishedReport, concluded
from padiff_compare.report.rejudge import Rejudged, rejudged
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Coverage, Options, Place, ReportSummary, Row, StepResult, Trouble
from padiff_rpc.v1.words import CaptureKind, Cause, CompareMode, NoteKind, Phase, Verdict

Values = list[float]


def tensors(reference: Values, candidate: Values) -> tuple[HostTensor, HostTensor]:
    return tuple(HostTensor.from_array(np.array(one, np.float32)) for one in (reference, candidate))  # type: ignore[return-value]


def row_of(pair: tuple[HostTensor, HostTensor], options: Options, **changes: Any) -> Row:
    """Returns the row of the model's output."""
    measured = measure_pair(
        Aspect(phase=Phase.FORWARD, kind=CaptureKind.OUTPUT), *pair, tolerances=Tolerances(options)
    )
    place = Place(path="")
    frame = blank_row(Phase.FORWARD, CaptureKind.OUTPUT, place, place)
    row = judged_row(frame, Evidence(kind=frame.kind, measured=measured), options)
    return dataclasses.replace(row, **changes)


def again(
    row: Row, options: Options, kept: Optional[tuple[HostTensor, HostTensor]] = None, **more: Any
) -> Rejudged:
    gathered = ReportSummary(
        session="s",
        passed=True,
        coverage=Coverage(),
        steps=(StepResult(step=0, passed=True, loss_reference=0.0, loss_candidate=0.0),),
        **more,
    )
    report = FinishedReport(rows=(row,), summary=concluded(gathered, (row,)))
    return rejudged(report, options, lambda number: kept)


ONES, OFF = [1.0] * 8, [1.0] * 7 + [1.01]


@pytest.mark.parametrize("has_tensors", [True, False])
@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [({"rtol": 0.02}, Verdict.WITHIN_TOLERANCE), ({"rtol": 0.005}, Verdict.MISMATCH)],
)
def test_a_row_is_judged_by_what_is_left_of_it(
    has_tensors: bool, bounds: dict[str, float], verdict: Verdict
) -> None:
    pair = tensors(ONES, OFF)
    row = row_of(pair, Options(rtol=0.01))
    found = again(row, Options(**bounds), pair if has_tensors else None)
    assert found.report.rows[0].verdict is verdict
    assert (found.by_tensors, found.by_figures) == ((1, 0) if has_tensors else (0, 1))
    assert found.report.summary.passed is (verdict is Verdict.WITHIN_TOLERANCE)
    assert found.report.summary.steps[0].passed is (verdict is Verdict.WITHIN_TOLERANCE)
    assert (found.report.summary.first_divergence is None) is (verdict is Verdict.WITHIN_TOLERANCE)
    assert found.report.summary.bounds is not None
    assert found.report.summary.bounds.rtol == bounds["rtol"]
    assert found.report.summary.notes[-1].kind is NoteKind.REJUDGED


def test_what_neither_tensors_nor_figures_tell_fails_and_says_so() -> None:
    found = again(row_of(tensors(ONES, OFF), Options()), Options(rtol=0.02))
    (row,) = found.report.rows
    assert row.verdict is Verdict.NOT_COMPARED
    assert [reason.cause for reason in row.reasons] == [Cause.NOT_KEPT]
    assert not found.report.summary.passed
    assert found.report.summary.notes[-1].numbers == (0.0, 0.0, 1.0)


@given(
    st.lists(st.floats(-2, 2, width=32), min_size=5, max_size=9),
    st.lists(st.sampled_from([0.0, 1e-4, -1e-3, 0.1]), min_size=9, max_size=9),
    st.tuples(*[st.sampled_from([0.0, 1e-5, 1e-3, 0.01, 0.5])] * 4),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_figures_never_say_another_thing_than_the_tensors_do(
    values: Values, off: Values, bounds: tuple[float, float, float, float], in_mean: bool
) -> None:
    pair = tensors(values, [value + more for value, more in zip(values, off)])
    mode = CompareMode.MEAN if in_mean else CompareMode.STRICT
    before = Options(atol=bounds[0], rtol=bounds[1], compare_mode=mode)
    after = Options(atol=bounds[2], rtol=bounds[3], compare_mode=mode)
    row = row_of(pair, before)
    by_figures, by_tensors = again(row, after), again(row, after, pair)
    told = by_figures.report.rows[0].verdict
    wanted = by_tensors.report.rows[0].verdict
    assert wanted is row_of(pair, after).verdict
    assert told is wanted or (told is Verdict.NOT_COMPARED and not by_figures.report.summary.passed)
    if in_mean:
        assert told is wanted


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": Verdict.NONFINITE},
        {"verdict": Verdict.UNMATCHED, "figures": None},
        {"verdict": Verdict.SHAPE_MISMATCH, "figures": None},
        {"phase": Phase.INITIAL_WEIGHTS, "kind": CaptureKind.PARAMETER, "verdict": Verdict.MISMATCH},
    ],
)
def test_what_no_bounds_decide_stays_as_it_is(changes: dict[str, Any]) -> None:
    row = row_of(tensors(ONES, OFF), Options(), **changes)
    found = again(row, Options(atol=1e9))
    assert repr(found.report.rows[0]) == repr(row)
    assert not found.report.summary.passed


def test_a_row_that_does_not_count_does_not_count_again() -> None:
    pair = tensors(ONES, OFF)
    row = row_of(pair, Options(atol=1.0), counts=False)
    assert not again(row, Options(atol=0.0), pair).report.rows[0].counts
    assert not again(row, Options(atol=0.009)).report.rows[0].counts


def test_a_run_that_was_cut_short_passes_under_no_bounds() -> None:
    pair = tensors(ONES, OFF)
    trouble = Trouble(phase=Phase.FORWARD, text="gone")
    found = again(row_of(pair, Options(atol=1e-5)), Options(atol=1.0), pair, troubles=(trouble,))
    assert found.report.rows[0].verdict is Verdict.WITHIN_TOLERANCE
    assert not found.report.summary.passed
