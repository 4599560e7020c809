"""Weights that an optimizer made of noise have an excuse, and so do means of values that cancel."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from padiff_compare.judge.evidence import Excuses, Measured
from padiff_compare.judge.interim_history import GradientHistory, Spreads, is_variance
from padiff_rpc.v1.records import Figures, Place, Row, TensorSpec, Tolerance, Weight
from padiff_rpc.v1.words import CaptureKind, DType, Phase, ToleranceSource, Verdict, WeightKind


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


def excuses_of(history: GradientHistory, name: str, kind: CaptureKind = CaptureKind.PARAMETER) -> Excuses:
    return history.excuses(name, kind, 1e-3)


def test_steps_made_of_noise_are_an_excuse_as_long_as_the_longest_of_any_parameter() -> None:
    assert excuses_of(history_of_noise(), "bias") == Excuses(steps=4e-3)
    assert excuses_of(history_of_noise(), "weight") == Excuses()
    assert excuses_of(history_of_noise(), "bias", CaptureKind.BUFFER) == Excuses()


def bias_row(verdict: Verdict = Verdict.MATCH, shape: tuple[int, ...] = (3,), **changes: Any) -> Row:
    place = Place(path="fc", spec=TensorSpec(dtype=DType.FLOAT32, shape=shape))
    row = row_of(verdict, max_abs=1e-3)
    return dataclasses.replace(row, reference=place, candidate=place, **changes)


@pytest.mark.parametrize(
    ("row", "shift"),
    [
        (bias_row(Verdict.NOT_COMPARED), 1e-3),
        (bias_row(Verdict.WITHIN_TOLERANCE), 1e-3),
        (bias_row(Verdict.MISMATCH), 0.0),
        (bias_row(shape=(3, 3)), 0.0),
        (bias_row(kind=CaptureKind.BUFFER), 0.0),
        (bias_row(figures=None), 0.0),
    ],
    ids=["excused", "agrees", "something else moved it", "no bias", "a buffer", "not measured"],
)
def test_how_far_noise_moved_a_bias_is_remembered(row: Row, shift: float) -> None:
    history = GradientHistory()
    history.note("fc.bias", row_of(Verdict.NOT_COMPARED, Phase.GRADIENTS, relative_l2=1.0), 1e-6)
    history.note_weight("fc.bias", row)
    history.note_weight("other.bias", bias_row())
    assert (history.shift_of("fc"), history.shift_of("other")) == (shift, 0.0)


def test_statistics_of_what_such_a_bias_moved_are_excused_by_its_shift() -> None:
    history = GradientHistory()
    history.fed["norm"] = 1e-3
    assert excuses_of(history, "norm.mean", CaptureKind.BUFFER) == Excuses(shift=1e-3)
    assert excuses_of(history, "norm.bias") == Excuses()


def test_a_weight_that_chance_moved_is_excused() -> None:
    history = GradientHistory()
    history.random = {"fc.bias": ("dropout",)}
    assert excuses_of(history, "fc.bias") == Excuses(random=("dropout",))
    assert excuses_of(history, "fc.weight") == Excuses()


def test_the_largest_error_of_a_gradient_explains() -> None:
    history = GradientHistory()
    assert history.explained("weight", 1.0) is None
    for error in (1e-3, 1e-2, 1e-4):
        history.note("weight", row_of(Verdict.WITHIN_TOLERANCE, Phase.GRADIENTS, relative_l2=error), 0.0)
    explained = history.explained("weight", 2.0)
    assert explained is not None
    assert (explained.gradient_relative_l2, explained.length) == (1e-2, 2.0)
    assert history.explained("weight", None) is None


def buffer(name: str, canonical: str = "", rms: float = 4.0) -> tuple[str, Weight, Measured]:
    spec = TensorSpec(dtype=DType.FLOAT32, shape=(16,))
    measured = Measured(
        reference=spec,
        candidate=spec,
        tolerance=Tolerance(atol=0.0, rtol=1e-2, source=ToleranceSource.DEFAULT),
        figures=Figures(elements=16, bitwise_equal=False, rms_reference=rms),
    )
    weight = Weight(name=name, kind=WeightKind.BUFFER, spec=spec, canonical_name=canonical)
    return "norm", weight, measured


VARIANCE = buffer("_variance", "running_var")


@pytest.mark.parametrize("mean", [buffer("_mean", "running_mean"), buffer("running_mean")])
def test_a_mean_is_excused_by_the_spread_of_its_values(mean: tuple[str, Weight, Measured]) -> None:
    spreads = Spreads([VARIANCE, mean])
    shifted = Excuses(shift=1.0)
    found = spreads.added(shifted, mean[0], mean[1], DType.FLOAT32)
    assert found == Excuses(shift=1.0, spread=2.0, mean_bound=1e-4)
    assert spreads.added(shifted, "other", mean[1], DType.FLOAT32) is shifted
    assert spreads.added(shifted, "norm", buffer("centre")[1], DType.FLOAT32) is shifted
    assert spreads.added(shifted, "norm", VARIANCE[1], DType.FLOAT32) is shifted


def test_variances_go_by_their_common_name() -> None:
    assert is_variance(buffer("running_var")[1])
    assert is_variance(VARIANCE[1])
    assert not is_variance(buffer("running_mean")[1])
