"""Running means of values that cancel are rounding; others are judged."""

from __future__ import annotations

import dataclasses

import pytest

from padiff_client.sentences import reason
from padiff_compare.judge.running_statistics import Spreads, is_variance
from padiff_rpc.v1.records import Figures, Place, Row, TensorSpec, Tolerance, Weight
from padiff_rpc.v1.words import CaptureKind, DType, Phase, ToleranceSource, Verdict, WeightKind


def buffer(name: str, *, rms: float, max_abs: float, path: str = "norm", source: str = "default") -> Row:
    place = Place(path=path, slot=name, spec=TensorSpec(dtype=DType.FLOAT32, shape=(16,)))
    return Row(
        step=0,
        phase=Phase.WEIGHTS,
        kind=CaptureKind.BUFFER,
        order=0,
        verdict=Verdict.MISMATCH,
        reference=place,
        candidate=place,
        figures=Figures(elements=16, bitwise_equal=False, max_abs=max_abs, rms_reference=rms),
        tolerance=Tolerance(atol=0.0, rtol=1e-2, source=source),
    )


def weight(name: str, canonical: str = "") -> Weight:
    spec = TensorSpec(dtype=DType.FLOAT32, shape=(16,))
    return Weight(name=name, kind=WeightKind.BUFFER, spec=spec, canonical_name=canonical)


VARIANCE = weight("_variance", "running_var"), buffer("_variance", rms=4.0, max_abs=0.0)


@pytest.mark.parametrize("mean", [weight("_mean", "running_mean"), weight("running_mean")])
def test_a_mean_agrees_where_it_is_no_further_off_than_rounding_of_its_values(mean: Weight) -> None:
    row = buffer(mean.name, rms=2e-9, max_abs=3e-9)
    settled = Spreads([VARIANCE]).settled(mean, row, in_lockstep=True)
    assert settled.verdict is Verdict.WITHIN_TOLERANCE
    assert "values that spread 2" in reason(settled)


def test_the_free_run_may_be_off_by_what_its_values_may() -> None:
    mean, row = weight("running_mean"), buffer("running_mean", rms=1e-3, max_abs=1.9e-4)
    assert Spreads([VARIANCE]).settled(mean, row, in_lockstep=False).verdict is Verdict.WITHIN_TOLERANCE
    assert Spreads([VARIANCE]).settled(mean, row, in_lockstep=True) is row


@pytest.mark.parametrize(
    "row",
    [
        buffer("running_mean", rms=2e-9, max_abs=3e-4),
        buffer("running_mean", rms=2e-9, max_abs=float("nan")),
        buffer("running_mean", rms=2e-9, max_abs=3e-9, path="other"),
        buffer("running_mean", rms=2e-9, max_abs=3e-9, source=ToleranceSource.USER),
        buffer("centre", rms=2e-9, max_abs=3e-9),
        dataclasses.replace(buffer("running_mean", rms=2e-9, max_abs=3e-9), phase=Phase.INITIAL_WEIGHTS),
    ],
    ids=["further off", "not a number", "no variance", "the user's bound", "no mean", "copied"],
)
def test_all_else_stays_as_it_was_judged(row: Row) -> None:
    assert row.candidate is not None
    assert Spreads([VARIANCE]).settled(weight(row.candidate.slot), row, in_lockstep=False) is row


def test_variances_go_by_their_common_name() -> None:
    assert is_variance(weight("running_var"))
    assert is_variance(weight("_variance", "running_var"))
    assert not is_variance(weight("running_mean"))
