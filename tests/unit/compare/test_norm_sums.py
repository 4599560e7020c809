"""Norms in lockstep: what their statistics round by passes in every group and at every scale, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

import numpy as np
import pytest
from captured_step import Both, Reals, Step, draw, same

from padiff_compare.capture.store import TensorStore
from padiff_compare.normalization import Normalization
from padiff_compare.weights.weight_pair import WeightSize
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import Verdict

PASSES, MISMATCH = {Verdict.WITHIN_TOLERANCE, Verdict.MATCH}, Verdict.MISMATCH
EPSILON = 1e-5
SHAPE = 8, 4, 12, 12
# Along which axes the groups of each lie, of values whose channels stand in two groups.
AXES = {"bn": (0, 3, 4), "norm": (3, 4), "gn": (2, 3, 4), "ln": (1, 2, 3, 4)}


def normalised(
    norm: str, x: Reals, back: Reals, dtype: type, epsilon: float = EPSILON
) -> tuple[Reals, Reals]:
    """Returns what a norm makes, and sends back, if it takes the square of the mean from the squares."""
    axes = AXES[norm]
    x, back = (one.reshape(8, 2, 2, 12, 12).astype(dtype) for one in (x, back))
    mean, squares = (one.mean(axes, keepdims=True, dtype=dtype) for one in (x, np.square(x)))
    factor = 1 / np.sqrt(np.maximum(squares - np.square(mean), 0) + dtype(epsilon))
    made = (x - mean) * factor
    along = (back * made).mean(axes, keepdims=True, dtype=dtype)
    sent = factor * (back - back.mean(axes, keepdims=True, dtype=dtype) - made * along)
    return made.reshape(SHAPE).astype(np.float32), sent.reshape(SHAPE).astype(np.float32)


def taken(offset: float, of_channels: float, spread: float) -> Reals:
    """Returns values whose channels have other means, and hardly spread where `spread` is small."""
    means = offset + of_channels * draw(5, 1, 4, 1, 1)
    return (means + spread * draw(6, *SHAPE)).astype(np.float32)


BACK = draw(7, *SHAPE)
# What is taken, and a factor that no rounding of its sums makes.
SCALES = [
    ((0.0, 0.0, 1.0), 1.00002),
    ((0.0, 0.0, 1e-3), 1.00002),
    ((0.0, 0.0, 1e-6), 1.00002),
    ((0.0, 0.0, 1e4), 1.00002),
    ((3.0, 0.0, 1.0), 1.0001),
    ((0.0, 0.1, 1e-3), 1.01),
    ((0.0, 0.1, 1e-6), 1.01),
    ((100.0, 0.0, 1.0), 1.05),
    ((1.0, 0.0, 1e-2), 1.05),
]


@pytest.fixture
def store() -> Iterator[TensorStore]:
    with TensorStore(1 << 28) as store:
        yield store


def judged(store: TensorStore, norm: str, x: Reals, made: Both, sent: Both) -> tuple[Verdict, Verdict]:
    """Returns the verdicts on what a norm makes of `x`, and on what it sends back."""
    step = Step(
        store,
        f"{norm} x -> y",
        {"x": same(x), "y": made},
        {"y": same(BACK), "x": sent},
        in_lockstep=True,
        sizes={f"{norm}.weight": WeightSize(rms=1.0, shape=(4,))},
    )
    return step.value("y"), step.gradient("x")


@pytest.mark.parametrize("norm", list(AXES))
@pytest.mark.parametrize(("scale", "factor"), SCALES)
def test_what_cancelling_squares_round_by_passes_and_a_factor_beside_it_fails(
    store: TensorStore, norm: str, scale: tuple[float, float, float], factor: float
) -> None:
    x = taken(*scale)
    exact, rounded = (normalised(norm, x, BACK, dtype) for dtype in (np.float64, np.float32))
    assert judged(store, norm, x, (exact[0], exact[0]), (exact[1], rounded[1]))[1] in PASSES
    wrong = np.float32(factor) * rounded[1]
    assert judged(store, norm, x, (exact[0], exact[0]), (exact[1], wrong))[1] is MISMATCH


@pytest.mark.parametrize("norm", list(AXES))
@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-6])
def test_another_epsilon_is_no_rounding(store: TensorStore, norm: str, spread: float) -> None:
    x = taken(0.0, 0.0, spread)
    right, wrong = (normalised(norm, x, BACK, np.float64, epsilon) for epsilon in (EPSILON, 2 * EPSILON))
    assert judged(store, norm, x, *zip(right, wrong)) == (MISMATCH, MISMATCH)


def test_groups_that_cancel_are_told_from_the_whole(store: TensorStore) -> None:
    """Each channel's values are nearly the same number; over all channels they spread."""
    x = taken(0.0, 0.1, 1e-3)
    exact = normalised("norm", x, BACK, np.float64)
    off = np.float32(1.0001) * exact[1]
    of_channels, of_all = (judged(store, norm, x, same(exact[0]), (exact[1], off)) for norm in ("norm", "ln"))
    assert of_channels[1] in PASSES
    assert of_all[1] is MISMATCH


def test_a_batch_norm_in_eval_mode_sums_nothing(store: TensorStore) -> None:
    x = taken(100.0, 0.0, 1.0)
    off = np.float32(1.0001) * BACK
    assert judged(store, "bn", x, same(x), (BACK, off)) == (Verdict.MATCH, Verdict.WITHIN_TOLERANCE)
    assert judged(store, "frozen", x, same(x), (BACK, off))[1] is MISMATCH
    assert judged(store, "frozen", x, (x, np.float32(1.0001) * x), same(BACK))[0] is MISMATCH


def test_what_a_layer_adds_makes_no_gradient_larger(store: TensorStore) -> None:
    """Beside small inputs all of what a matrix with a bias makes is the bias."""
    values = {"x": same(draw(1, 64, 4, scale=1e-6)), "y": same(draw(2, 64, 3))}
    sent = draw(3, 64, 4)
    step = Step(
        store,
        "fc x -> y",
        values,
        {"y": same(draw(4, 64, 3)), "x": (sent, np.float32(1.0001) * sent)},
        in_lockstep=True,
        sizes={"fc.weight": WeightSize(rms=0.5, shape=(3, 4))},
    )
    assert step.gradient("x") is MISMATCH


@pytest.mark.parametrize(
    ("name", "factor", "passes"),
    [("weight", 1.000001, True), ("weight", 1.001, False), ("bias", 1.001, False)],
)
def test_a_norms_weight_is_summed_over_what_the_norm_makes(
    store: TensorStore, name: str, factor: float, passes: bool
) -> None:
    x = taken(0.0, 0.0, 1e-6)
    made, sent = normalised("bn", x, BACK, np.float64)
    gradient = np.abs(BACK * made if name == "weight" else BACK).sum((0, 2, 3))
    both = gradient, np.float32(factor) * gradient
    step = Step(
        store,
        "bn x -> y",
        {"x": same(x), "y": same(made)},
        {"y": same(BACK), "x": same(sent)},
        {name: both},
        in_lockstep=True,
        owner="bn",
    )
    assert (step.of_weight(name) in PASSES) is passes


@pytest.mark.parametrize(
    ("norm", "shape", "count"),
    [
        (Normalization(kind="batch_norm", epsilon=0.0), (8, 4, 6), 48),
        (Normalization(kind="batch_norm", epsilon=0.0), (8, 4), 8),
        (Normalization(kind="batch_norm", epsilon=0.0, channels_last=True), (8, 6, 4), 48),
        (Normalization(kind="instance_norm", epsilon=0.0), (8, 4, 6), 6),
        (Normalization(kind="group_norm", epsilon=0.0, groups=2), (8, 4, 6), 12),
        (Normalization(kind="group_norm", epsilon=0.0, groups=2, channels_last=True), (8, 6, 4), 12),
        (Normalization(kind="group_norm", epsilon=0.0, groups=3), (8, 4, 6), None),
        (Normalization(kind="layer_norm", epsilon=0.0), (8, 4, 6), 6),
        (Normalization(kind="layer_norm", epsilon=0.0, width=24), (8, 4, 6), 24),
        (Normalization(kind="layer_norm", epsilon=0.0, width=5), (8, 4, 6), None),
        (Normalization(kind="rms_norm", epsilon=0.0, width=6), (8, 4, 6), 6),
        (Normalization(kind="batch_norm", epsilon=0.0), (8,), None),
    ],
)
def test_each_kind_of_norm_has_groups_of_its_own(
    norm: Normalization, shape: tuple[int, ...], count: Optional[int]
) -> None:
    x = 5.0 + draw(8, *shape)
    sums = norm.sums(HostTensor.from_array(x))
    if count is None:
        assert sums is None
        return
    assert sums is not None
    assert sums.count == count
    assert sums.made == pytest.approx(1.0)
    assert (sums.cancelling > 10.0) is (norm.kind != "rms_norm")


def test_values_that_are_all_alike_have_no_groups_to_go_by() -> None:
    norm = Normalization(kind="layer_norm", epsilon=0.0)
    assert norm.sums(HostTensor.from_array(np.zeros((4, 6), np.float32))) is None
    assert norm.sums(HostTensor.from_array(np.full((4, 6), np.nan, np.float32))) is None
    assert norm.sums(HostTensor.from_array(np.zeros((0, 6), np.float32))) is None
