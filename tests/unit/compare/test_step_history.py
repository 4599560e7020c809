"""Steps so far: how long they were, and how far apart they may have brought the two sides of a weight."""

from __future__ import annotations

import math

import numpy as np
import pytest

from padiff_compare.judge.evidence import Measured
from padiff_compare.judge.measure import share_turned
from padiff_compare.weights.step_history import StepHistory, StepLengths
from padiff_rpc.tensors import BLOCK_ELEMENTS, HostTensor
from padiff_rpc.v1.records import Figures, TensorSpec, Tolerance
from padiff_rpc.v1.words import DType, ToleranceSource

NAME = ("layer.weight", "layer.weight")
SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(64,))


def gradient(relative_l2: float, turned: float = 0.0) -> Measured:
    return Measured(
        reference=SPEC,
        candidate=SPEC,
        tolerance=Tolerance(atol=0.0, rtol=0.0, source=ToleranceSource.DEFAULT),
        figures=Figures(elements=64, bitwise_equal=False, relative_l2=relative_l2),
        turned=turned,
    )


def history_of(*gradients: Measured) -> StepHistory:
    history = StepHistory()
    for one in gradients:
        history.note("weight", one)
    return history


def test_equal_gradients_explain_no_difference() -> None:
    assert history_of().drift("weight", 1.0) == 0.0
    assert history_of(gradient(0.0)).drift("weight", 1.0) == 0.0
    assert history_of(gradient(0.5)).drift("other", 1.0) == 0.0


def test_steps_that_follow_gradients_are_as_far_apart_and_those_of_one_size_where_signs_turn() -> None:
    assert history_of(gradient(0.01, turned=0.25)).drift("weight", 3.0) == pytest.approx(3 * (0.01 + 1.0))
    assert history_of(gradient(1e-4)).drift("weight", 1.0) == pytest.approx(1e-4 + 2e-2)


def test_the_largest_difference_of_any_step_counts_and_signs_that_turned_in_all_of_them() -> None:
    history = history_of(gradient(1e-3, 0.02), gradient(2e-3, 0.02), gradient(math.nan, 1.0))
    assert history.apart("weight") == 2e-3
    assert history.drift("weight", 1.0) == pytest.approx(2e-3 + 2 * math.sqrt(0.04))


@pytest.mark.parametrize("turned", [0.5, 1.0])
def test_no_more_than_all_elements_step_the_other_way(turned: float) -> None:
    assert history_of(*[gradient(1.4, turned)] * 3).drift("weight", 1.0) == pytest.approx(1.4 + 2.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_signs_are_counted_in_every_block(dtype: type) -> None:
    ours = np.ones((3, BLOCK_ELEMENTS // 2 + 1), dtype)
    theirs = ours.copy()
    theirs[0, 0], theirs[1, 5], theirs[2, -1] = -1.0, 0.0, -2.0
    tensors = HostTensor.from_array(ours), HostTensor.from_array(theirs)
    assert share_turned(*tensors) == pytest.approx(3 / ours.size)
    assert share_turned(tensors[0], tensors[0]) == 0.0


def test_signs_of_bfloat16_are_those_of_its_values() -> None:
    bits = [np.array(pattern, np.uint16) for pattern in ([0x3F80, 0x8000, 0xBF80], [0x3F80, 0x0000, 0x3F80])]
    one, other = (HostTensor(array=array, dtype=DType.BFLOAT16) for array in bits)
    assert share_turned(one, other) == pytest.approx(1 / 3)


def test_what_is_empty_or_of_whole_numbers_has_no_signs() -> None:
    for array in (np.zeros(0, np.float32), np.arange(3)):
        assert share_turned(HostTensor.from_array(array), HostTensor.from_array(-array)) == 0.0


def lengths_of(*values: np.ndarray) -> StepLengths:
    lengths = StepLengths()
    for value in values:
        lengths.note(NAME, HostTensor.from_array(value))
    return lengths


def test_the_first_value_is_no_step() -> None:
    lengths = lengths_of(np.ones(3, np.float32))
    assert lengths.of(NAME) == 0.0
    assert lengths.latest_rms(NAME) is None


def test_steps_of_small_parameters_add_up_exactly() -> None:
    zeros = np.zeros(4, np.float32)
    lengths = lengths_of(zeros, zeros + 0.5, zeros)
    assert lengths.of(NAME) == pytest.approx(2.0)
    assert lengths.latest_rms(NAME) == pytest.approx(0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
@pytest.mark.parametrize("make", [np.ones, lambda n: np.random.default_rng(1).standard_normal(n)])
@pytest.mark.parametrize("size", [1025, 40_000, 300_000])
def test_steps_of_large_parameters_come_out_close(size: int, make: object, dtype: type) -> None:
    value = np.random.default_rng(0).standard_normal(size).astype(dtype)
    step = make(size).astype(dtype)  # type: ignore[operator]
    found = lengths_of(value, value + 1e-3 * step).of(NAME)
    assert found == pytest.approx(1e-3 * float(np.linalg.norm(step)), rel=0.1)


def test_a_step_of_a_few_rows_is_seen() -> None:
    table = np.zeros((50_000, 8), np.float32)
    other = table.copy()
    other[777] = 3.0
    assert lengths_of(table, other).of(NAME) == pytest.approx(3.0 * np.sqrt(8), rel=0.1)


def test_nan_and_integers_are_no_steps() -> None:
    assert lengths_of(np.ones(3), np.full(3, np.nan)).of(NAME) == 0.0
    assert lengths_of(np.ones(3, np.int64), np.zeros(3, np.int64)).of(NAME) == 0.0
