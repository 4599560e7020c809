"""Running variances by n and by n - 1: converted exactly, and nothing else is let through."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import pytest

from padiff_compare.capture.trace import Trace, Traces
from padiff_compare.judge.evidence import Measured
from padiff_compare.layout_rules import IDENTITY
from padiff_compare.model_index import ModelIndex
from padiff_compare.weights.conventions import RunningVariances, rounding_of_statistics
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair
from padiff_rpc import trees
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import CallEvent, Layer, Slot, TensorSpec, Tolerance, Weight
from padiff_rpc.v1.words import CallMoment, DType, Side, ToleranceSource, VarianceDivisor, WeightKind

BY_N, BY_LESS = VarianceDivisor.COUNT, VarianceDivisor.COUNT_LESS_ONE
SHARE, CHANNELS = 0.1, 3
RANDOM = np.random.default_rng(0)


def weight(divisor: Optional[VarianceDivisor]) -> OwnedWeight:
    spec = TensorSpec(dtype=DType.FLOAT32, shape=(CHANNELS,))
    return OwnedWeight(
        path="bn",
        weight=Weight(name="running_var", kind=WeightKind.BUFFER, spec=spec, divisor=divisor),
    )


def pair(ours: Optional[VarianceDivisor] = BY_LESS, theirs: Optional[VarianceDivisor] = BY_N) -> WeightPair:
    return WeightPair(
        references=(weight(ours),), candidate=weight(theirs), kind=WeightKind.BUFFER, rule=IDENTITY
    )


def variances(share: Any = SHARE) -> RunningVariances:
    settings = trees.pack({"momentum": share}, where="settings")
    layers = [
        Layer(path=path, classes=(kind,), kind=kind, hyper_parameters=settings)
        for path, kind in (("", "net"), ("bn", "batch_norm"))
    ]
    return RunningVariances(dict.fromkeys(Side, ModelIndex(layers)))


def calls(*batches: int, other: Optional[int] = None) -> Traces:
    """The norm is called with so many rows; the candidate's last one with `other`."""

    def trace(sizes: list[int]) -> Trace:
        slots = [
            Slot(name="0", tensor=n + 1, spec=TensorSpec(dtype=DType.FLOAT32, shape=(size, CHANNELS)))
            for n, size in enumerate(sizes)
        ]
        return Trace(
            events=tuple(
                CallEvent(moment=CallMoment.ENTRY, path="bn", call=n, slots=(slot,))
                for n, slot in enumerate(slots)
            )
        )

    theirs = list(batches) if other is None else [*batches[:-1], other]
    return {Side.REFERENCE: trace(list(batches)), Side.CANDIDATE: trace(theirs)}


def tensor(values: np.ndarray) -> HostTensor:
    return HostTensor.from_array(values.astype(np.float32))


def after(before: np.ndarray, batches: list[np.ndarray], divisor: VarianceDivisor) -> np.ndarray:
    """Returns a running variance behind these batches."""
    for batch in batches:
        taken_up = batch.var(axis=0, ddof=1 if divisor is BY_LESS else 0)
        before = (1 - SHARE) * before + SHARE * taken_up
    return before


@pytest.mark.parametrize("in_lockstep", [True, False])
@pytest.mark.parametrize(("ours", "theirs"), [(BY_LESS, BY_N), (BY_N, BY_LESS)])
@pytest.mark.parametrize("count", [1, 2])
def test_the_other_sides_variance_is_told_exactly_step_after_step(ours, theirs, count, in_lockstep) -> None:
    known, one = variances(), pair(ours, theirs)
    reference = candidate = np.array([1.0, 2.0, 0.5])
    known.seen(one, 0, tensor(reference), tensor(candidate))
    for step in range(3):
        batches = [RANDOM.normal(size=(4, CHANNELS)) for _ in range(count)]
        start = reference if in_lockstep else candidate
        reference, candidate = after(reference, batches, ours), after(start, batches, theirs)
        known.seen(one, step, tensor(reference), tensor(candidate))
        made = known.converted(one, tensor(reference), calls(*[4] * count), in_lockstep=in_lockstep)
        assert made is not None
        assert made.value.dtype is DType.FLOAT32
        np.testing.assert_allclose(made.value.array, candidate, rtol=2e-6)
        # What the reference's own convention makes is another value.
        assert abs(made.value.array / reference - 1).max() > 1e-3
        assert made.reason.numbers == (4.0,)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(BY_N, BY_N), (BY_LESS, BY_LESS), (None, BY_N), (BY_LESS, None)]
)
def test_nothing_is_converted_where_the_sides_are_alike_or_unknown(ours, theirs) -> None:
    assert converted(one=pair(ours, theirs)) is None


@pytest.mark.parametrize(
    "made",
    [
        lambda: calls(4, 5),  # of several sizes
        lambda: calls(4, other=5),  # on the two sides
        lambda: calls(1),  # no n - 1
        lambda: calls(),
    ],
)
def test_nothing_is_converted_where_the_counts_do_not_tell(made) -> None:
    assert converted(seen=made()) is None


def test_nothing_is_converted_in_eval_mode_or_without_a_share() -> None:
    assert converted(moved=1.0) is None
    assert converted(share=None) is None
    assert converted() is not None


def converted(
    one: Optional[WeightPair] = None,
    seen: Optional[Traces] = None,
    moved: float = 1.5,
    share: Any = SHARE,
) -> Any:
    known, one = variances(share), one or pair()
    before = np.array([1.0, 2.0, 0.5])
    known.seen(one, 0, tensor(before), tensor(before))
    known.seen(one, 0, tensor(before * moved), tensor(before * moved))
    return known.converted(one, tensor(before * moved), seen or calls(4), in_lockstep=True)


def statistic(name: str, divisor: Optional[VarianceDivisor] = None) -> WeightPair:
    spec = TensorSpec(dtype=DType.FLOAT32, shape=(CHANNELS,))
    kept = OwnedWeight(
        path="bn", weight=Weight(name=name, kind=WeightKind.BUFFER, spec=spec, divisor=divisor)
    )
    return WeightPair(references=(kept,), candidate=kept, kind=WeightKind.BUFFER, rule=IDENTITY)


MEAN, VARIANCE = statistic("running_mean"), statistic("running_var", BY_N)
EPS = 2.0**-23


@pytest.mark.parametrize(
    ("one", "spread", "scale", "rows", "lower", "upper"),
    [
        # A mean that cancels rounds by a share of its values' spread, however many there are.
        (MEAN, 2.0, 0.0, 100, 2 * EPS, 4 * EPS),
        (MEAN, 2.0, 0.0, 1_000_000, 2 * EPS, 4 * EPS),
        (MEAN, 1e-3, 0.0, 100, 1e-3 * EPS, 2e-3 * EPS),
        # What is left of it where it does not, by its own size, and by more in long sums.
        (MEAN, 1.0, 3.0, 100, 30 * EPS, 40 * EPS),
        (MEAN, 1.0, 3.0, 1_000_000, 300 * EPS, 600 * EPS),
        (VARIANCE, None, 1.0, 100, 12 * EPS, 12 * EPS),
        (VARIANCE, None, 1.0, 10_000_000, 3_000 * EPS, 1e-3),
        # Any other buffer, and a norm that was not called.
        (statistic("offsets"), None, 1.0, 100, 0.0, 0.0),
        (MEAN, 2.0, 0.0, None, 24 * EPS, 24 * EPS),
    ],
)
def test_what_running_statistics_round_by(
    one: WeightPair, spread: Optional[float], scale: float, rows: Optional[int], lower: float, upper: float
) -> None:
    spec = one.candidate.weight.spec
    measured = Measured(
        reference=spec,
        candidate=spec,
        tolerance=Tolerance(atol=0.0, rtol=0.0, source=ToleranceSource.DEFAULT),
        scale=scale,
    )
    traces = None if rows is None else calls(rows)
    assert lower <= rounding_of_statistics(one, measured, spread, traces) <= upper
