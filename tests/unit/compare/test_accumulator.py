"""However two tensors are cut and in whatever order the pieces come, the figures are the same."""

from __future__ import annotations

import dataclasses
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from padiff_compare.judge.accumulator import BINS, Accumulator, Yardstick
from padiff_rpc.v1.records import Figures

SUMS = {
    "relative_l2",
    "cosine",
    "scale",
    "bias",
    "mean_reference",
    "mean_candidate",
    "mean_abs",
    "rmse",
}
# Few values, so that ties, zeros and non-finite ones meet often.
VALUES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 1.5, math.nan, math.inf, -math.inf]),
    st.floats(-1e6, 1e6, width=32),
)


def gathered(
    reference: np.ndarray,
    candidate: np.ndarray,
    cuts: list[int],
    *,
    groups: int = 1,
    parts: int = 1,
    seed: int = 0,
) -> Figures:
    """Returns the figures of pieces in random order, dealt to `groups` accumulators that are then merged."""
    finite = reference[np.isfinite(reference)]
    rms = math.sqrt(float(np.dot(finite, finite)) / reference.size)
    yardstick = Yardstick(atol=0.1, rtol=0.01, rms_reference=rms, epsilon=2.0**-23, parts=parts)
    accumulators = [Accumulator(yardstick) for _ in range(groups)]
    edges = sorted({0, reference.size, *(cut % reference.size // parts * parts for cut in cuts)})
    pieces = list(zip(edges, edges[1:]))
    random.Random(seed).shuffle(pieces)
    for number, (start, stop) in enumerate(pieces):
        one, other = reference[start:stop], candidate[start:stop]
        with np.errstate(invalid="ignore"):
            difference = other - one
        accumulators[number % groups].add(
            start, one, other, difference, identical=one.tobytes() == other.tobytes()
        )
    first, *others = accumulators
    for other_accumulator in others:
        first.take(other_accumulator.gathered())
    return first.figures((reference.size // parts,))


def assert_same(figures: Figures, expected: Figures) -> None:
    for field in dataclasses.fields(Figures):
        value, wanted = getattr(figures, field.name), getattr(expected, field.name)
        if field.name in SUMS:
            size = max(1.0, expected.rms_reference, expected.rmse)
            assert value == pytest.approx(wanted, rel=1e-9, abs=1e-9 * size, nan_ok=True), field.name
        else:
            assert value == wanted, field.name


@given(
    values=arrays.arrays(np.float64, st.tuples(st.just(2), st.integers(1, 60)), elements=VALUES),
    cuts=st.lists(st.integers(0, 59), max_size=8),
    groups=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_any_cutting_order_and_grouping_gives_the_same_figures(
    values: np.ndarray, cuts: list[int], groups: int, seed: int
) -> None:
    reference, candidate = values
    assert_same(
        gathered(reference, candidate, cuts, groups=groups, seed=seed), gathered(reference, candidate, [])
    )


@given(
    values=arrays.arrays(
        np.float64, st.tuples(st.just(2), st.integers(1, 20).map(lambda n: 2 * n)), elements=VALUES
    ),
    cuts=st.lists(st.integers(0, 39), max_size=8),
    seed=st.integers(0, 99),
)
def test_complex_parts_may_be_cut_between_elements(values: np.ndarray, cuts: list[int], seed: int) -> None:
    reference, candidate = values
    assert_same(
        gathered(reference, candidate, cuts, groups=2, parts=2, seed=seed),
        gathered(reference, candidate, [], parts=2),
    )


def test_equal_differences_keep_the_lowest_indices_whatever_the_order() -> None:
    reference, candidate = np.zeros(50), np.ones(50)
    for seed in range(5):
        figures = gathered(reference, candidate, [10, 20, 30, 40], groups=2, seed=seed)
        assert [element.index for element in figures.worst] == [(0,), (1,), (2,)]


def test_both_parts_of_one_complex_element_are_one_worst_element() -> None:
    reference = np.zeros(8)
    candidate = np.array([9.0, 8.0, 7.0, 6.0, 0.0, 5.0, 4.0, 3.0])
    figures = gathered(reference, candidate, [4], parts=2)
    assert [(element.index, element.abs_diff) for element in figures.worst] == [
        ((0,), 9.0),
        ((1,), 7.0),
        ((2,), 5.0),
    ]
    assert [element.imaginary for element in figures.worst] == [False, False, True]


def test_the_histogram_has_a_bin_for_each_power_of_two_above_an_epsilon_and_catches_the_rest() -> None:
    reference = np.ones(6)
    steps = np.array([0.0, 2.0**-9, 2.0**-8, 1.0, 3.0, 2.0**35]) * 2.0**-23
    accumulator = Accumulator(Yardstick(atol=0.0, rtol=0.0, rms_reference=1.0, epsilon=2.0**-23))
    accumulator.add(0, reference, reference + steps, steps.copy(), identical=False)
    histogram = accumulator.figures((6,)).histogram
    assert len(histogram) == BINS
    assert {bin: count for bin, count in enumerate(histogram) if count} == {0: 3, 8: 1, 9: 1, 39: 1}


def test_nothing_at_all_has_figures() -> None:
    accumulator = Accumulator(Yardstick(atol=0.0, rtol=0.0, rms_reference=0.0, epsilon=1.0))
    figures = accumulator.figures((0, 3))
    assert figures.elements == 0
    assert figures.bitwise_equal
    assert figures.worst == ()


def test_an_accumulator_is_small() -> None:
    accumulator = Accumulator(Yardstick(atol=0.0, rtol=0.0, rms_reference=1.0, epsilon=1.0))
    noise = np.random.default_rng(0).standard_normal(10_000)
    accumulator.add(0, noise, noise + 1, np.ones(10_000), identical=False)
    arrays_held = [value for value in vars(accumulator).values() if isinstance(value, np.ndarray)]
    assert sum(array.nbytes for array in arrays_held) < 512
