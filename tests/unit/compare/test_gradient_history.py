"""Weights that an optimizer made of noise are excused; others are not."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from padiff_client.sentences import reason
from padiff_compare.judge.gradient_history import GradientHistory, within_shift
from padiff_rpc.v1.records import Figures, Place, Row, TensorSpec
from padiff_rpc.v1.words import CaptureKind, DType, Omission, Phase, Verdict


def row_of(verdict: Verdict, phase: Phase = Phase.WEIGHTS, **figures: float) -> Row:
    return Row(
        step=0,
        phase=phase,
        kind=CaptureKind.PARAMETER,
        order=0,
        verdict=verdict,
        figures=Figures(elements=3, bitwise_equal=False, **figures),
    )


def history_of_noise() -> GradientHistory:
    history = GradientHistory()
    history.note("bias", row_of(Verdict.NOT_COMPARED, Phase.GRADIENTS, relative_l2=1.0), 1e-6)
    return history


def test_steps_made_of_noise_are_excused() -> None:
    excused = history_of_noise().excused("bias", row_of(Verdict.MISMATCH, rmse=2e-3), 1e-3)
    assert excused.verdict is Verdict.NOT_COMPARED
    assert not excused.counts
    assert reason(excused) == "its gradient was below rounding"
    assert excused.omission is Omission.MADE_OF_ROUNDING


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.MISMATCH])
def test_other_verdicts_stay(verdict: Verdict) -> None:
    row = row_of(verdict, rmse=1e-3)
    assert history_of_noise().excused("bias", row, 1e-3) is row


@pytest.mark.parametrize(("rmse", "largest"), [(0.5, 1e-3), (1e-3, 0.0), (math.nan, 1e-3)])
def test_a_difference_that_no_step_explains_stays(rmse: float, largest: float) -> None:
    row = row_of(Verdict.MISMATCH, rmse=rmse)
    assert history_of_noise().excused("bias", row, largest) is row


def test_a_parameter_with_an_honest_gradient_has_no_excuse() -> None:
    row = row_of(Verdict.MISMATCH, rmse=1e-3)
    assert history_of_noise().excused("weight", row, 1.0) is row


def bias_row(verdict: Verdict = Verdict.MISMATCH, max_abs: float = 1e-3, **changes: Any) -> Row:
    place = Place(path="fc", spec=TensorSpec(dtype=DType.FLOAT32, shape=(3,)))
    row = row_of(verdict, rmse=1e-3, max_abs=max_abs)
    return dataclasses.replace(row, reference=place, candidate=place, **changes)


@pytest.mark.parametrize("verdict", [Verdict.MISMATCH, Verdict.WITHIN_TOLERANCE])
def test_how_far_noise_moved_a_bias_is_remembered(verdict: Verdict) -> None:
    history = GradientHistory()
    history.note("fc.bias", row_of(Verdict.NOT_COMPARED, Phase.GRADIENTS, relative_l2=1.0), 1e-6)
    history.excused("fc.bias", bias_row(verdict), 1e-3)
    assert (history.shift_of("fc"), history.shift_of("other")) == (1e-3, 0.0)


def test_a_bias_that_something_else_moved_excuses_nothing() -> None:
    history = GradientHistory()
    history.note("fc.bias", row_of(Verdict.NOT_COMPARED, Phase.GRADIENTS, relative_l2=1.0), 1e-6)
    history.excused("fc.bias", bias_row(), 1e-6)
    history.excused("fc.weight", bias_row(), 1e-3)
    assert history.shift_of("fc") == 0.0


@pytest.mark.parametrize(
    ("verdict", "max_abs", "expected"),
    [
        (Verdict.MISMATCH, 1.4e-3, Verdict.WITHIN_TOLERANCE),
        (Verdict.MISMATCH, 1.6e-3, Verdict.MISMATCH),
        (Verdict.MISMATCH, math.nan, Verdict.MISMATCH),
        (Verdict.NONFINITE, 1e-3, Verdict.NONFINITE),
        (Verdict.MATCH, 0.0, Verdict.MATCH),
    ],
)
def test_a_value_agrees_within_the_shift_of_such_a_bias(
    verdict: Verdict, max_abs: float, expected: Verdict
) -> None:
    found = within_shift(bias_row(verdict, max_abs), 1e-3)
    assert found.verdict is expected
    assert ("0.001" in reason(found)) == (verdict is not expected)


def test_statistics_of_what_such_a_bias_moved_agree_within_its_shift() -> None:
    history = GradientHistory()
    mean = bias_row(kind=CaptureKind.BUFFER)
    assert history.excused("norm.mean", mean, 1.0).verdict is Verdict.MISMATCH
    history.fed["norm"] = 1e-3
    assert history.excused("norm.mean", mean, 1.0).verdict is Verdict.WITHIN_TOLERANCE
    assert history.excused("norm.bias", bias_row(), 1.0).verdict is Verdict.MISMATCH


def test_a_weight_that_chance_moved_is_not_compared_and_a_buffer_is_missed() -> None:
    history = GradientHistory()
    history.random = {"fc.bias": "dropout", "fc.mean": "dropout"}
    bias = history.excused("fc.bias", bias_row(), 0.0)
    buffer = history.excused("fc.mean", bias_row(kind=CaptureKind.BUFFER), 0.0)
    assert [(row.verdict, row.counts, row.omission) for row in (bias, buffer)] == [
        (Verdict.NOT_COMPARED, False, Omission.RANDOM),
        (Verdict.NOT_COMPARED, True, Omission.RANDOM),
    ]
    equal = bias_row(Verdict.MATCH)
    assert history.by_chance("fc.bias", equal) is equal


def test_the_largest_error_of_a_gradient_explains() -> None:
    history = GradientHistory()
    assert history.explained("weight", 1.0) is None
    for error in (1e-3, 1e-2, 1e-4):
        history.note("weight", row_of(Verdict.WITHIN_TOLERANCE, Phase.GRADIENTS, relative_l2=error), 0.0)
    explained = history.explained("weight", 2.0)
    assert explained is not None
    assert (explained.gradient_relative_l2, explained.length) == (1e-2, 2.0)
    assert history.explained("weight", None) is None
