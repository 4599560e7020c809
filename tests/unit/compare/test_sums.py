"""Sums in lockstep: two ways to add up the same terms pass, and what no rounding makes fails."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from captured_step import Both, Reals, Step, draw, same

from padiff_compare.capture.store import TensorStore
from padiff_compare.judge.tolerances import Terms, rounding_of_sums
from padiff_rpc.tensors import epsilon
from padiff_rpc.v1.words import DType, Verdict

WITHIN, MISMATCH = Verdict.WITHIN_TOLERANCE, Verdict.MISMATCH
EPS = epsilon(DType.FLOAT32)


@pytest.fixture
def store() -> Iterator[TensorStore]:
    with TensorStore(1 << 28) as store:
        yield store


def summed(terms: Reals) -> Reals:
    """Returns the sums of rows as the least exact way makes them: one term after the other."""
    return np.asarray(np.cumsum(terms, -1, dtype=np.float32)[..., -1])


def centred(rows: int, count: int, offset: float = 0.0) -> Reals:
    drawn = np.random.default_rng(count).standard_normal((rows, count))
    return (drawn - drawn.mean(-1, keepdims=True) + offset).astype(np.float32)


def error_of_sums(terms: Reals) -> float:
    exact = terms.sum(-1, dtype=np.float64)
    return float(np.sqrt(np.square(summed(terms) - exact).mean()))


@pytest.mark.parametrize("count", [10, 100, 1_000, 10_000, 100_000, 1_000_000])
@pytest.mark.parametrize("offset", [0.0, 0.1, 3.0])
def test_terms_that_are_added_one_after_the_other_round_by_less_and_not_by_far_less(
    count: int, offset: float
) -> None:
    terms = centred(8, count, offset)
    rms = float(np.sqrt(np.square(terms, dtype=np.float64).mean()))
    result = float(np.abs(terms.sum(-1, dtype=np.float64)).mean())
    known = Terms(scale=rms * count**0.5, result=result, count=count)
    bound = rounding_of_sums(known, DType.FLOAT32)
    assert error_of_sums(terms) < bound
    # So that what they come to where they do not cancel is held to a thousandth.
    assert bound < 1e-3 * (result + rms * count**0.5)


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64])
def test_more_terms_round_by_more_and_coarser_ones_too(dtype: DType) -> None:
    bounds = [rounding_of_sums(Terms(scale=1.0, result=1.0, count=10.0**n), dtype) for n in range(2, 8)]
    assert bounds == sorted(bounds)
    assert 12 * epsilon(dtype) <= bounds[0] < 0.2
    assert rounding_of_sums(Terms(scale=1.0, result=1.0), DType.INT32) == 0.0


def test_a_norm_adds_up_in_parts() -> None:
    plain, of_norm = (
        rounding_of_sums(Terms(result=1.0, count=50_000.0, lanes=lanes), DType.FLOAT32) for lanes in (1, 8)
    )
    assert 12 * EPS < of_norm < plain


BACK = centred(4, 8 * 36 * 36).reshape(4, 8, 36, 36).transpose(1, 0, 2, 3).copy()
# One after the other, and exactly: the true sums are zero.
SUMS = summed(BACK.transpose(1, 0, 2, 3).reshape(4, -1)), BACK.sum((0, 2, 3), dtype=np.float64)
TAKEN = draw(1, 8, 4, 36, 36)


@pytest.mark.parametrize(
    ("bias", "verdict"),
    [
        ((SUMS[0], SUMS[1].astype(np.float32)), WITHIN),
        ((SUMS[1].astype(np.float32), SUMS[0]), WITHIN),
        ((SUMS[0], np.zeros(4, np.float32)), WITHIN),
        # A constant and a factor are no fault while they are as small as that.
        ((SUMS[0], SUMS[0] + np.float32(1e-5)), WITHIN),
        ((SUMS[0], 3 * SUMS[0]), WITHIN),
        # A mean that is off by more, as one that was taken of other terms.
        ((SUMS[0], SUMS[0] + np.float32(0.1)), MISMATCH),
        ((SUMS[0], BACK[:, :, 1:].sum((0, 2, 3))), MISMATCH),
        ((np.abs(BACK).sum((0, 2, 3)), 1.001 * np.abs(BACK).sum((0, 2, 3))), MISMATCH),
        ((draw(3, 4), 3 * draw(3, 4)), MISMATCH),
    ],
)
@pytest.mark.parametrize("owner", ["bn", "fc"])
def test_a_biass_gradient_is_a_sum_over_what_came_back(
    store: TensorStore, owner: str, bias: Both, verdict: Verdict
) -> None:
    both = np.float32(bias[0]), np.float32(bias[1])
    values = {"x": same(TAKEN), "y": same(draw(2, 8, 4, 36, 36))}
    step = Step(
        store,
        f"{owner} x -> y",
        values,
        {"y": same(BACK)},
        {"bias": both},
        in_lockstep=True,
        owner=owner,
    )
    assert step.of_weight("bias") is verdict


@pytest.mark.parametrize(
    ("offset", "wrong", "verdict"),
    [
        # One framework takes the square of the mean from the mean of squares.
        (30.0, 1e-5, WITHIN),
        (0.0, 1e-5, MISMATCH),
        (30.0, 1e-2, MISMATCH),
    ],
)
def test_a_norm_is_held_against_the_squares_that_it_adds_up(
    store: TensorStore, offset: float, wrong: float, verdict: Verdict
) -> None:
    values = {
        "x": same(TAKEN + np.float32(offset)),
        "y": (TAKEN, TAKEN * np.float32(1 + wrong)),
    }
    assert Step(store, "bn x -> y", values, in_lockstep=True).value("y") is verdict


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        ((np.float32(1e-8), np.float32(-2e-8)), WITHIN),
        ((np.float32(1e-8), np.float32(3e-6)), MISMATCH),
        ((np.float32(0.5), np.float32(0.500001)), WITHIN),
        ((np.float32(0.5), np.float32(0.50005)), MISMATCH),
    ],
)
def test_an_average_is_held_against_its_terms(store: TensorStore, made: Both, verdict: Verdict) -> None:
    one, other = (np.full((1, 1, 1, 1), side, np.float32) for side in made)
    values = {"x": same(draw(4, 1, 1, 100, 100)), "p": (one, other)}
    assert Step(store, "pool x -> p", values, in_lockstep=True).value("p") is verdict
