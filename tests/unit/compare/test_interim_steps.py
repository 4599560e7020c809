"""Lengths of steps from sketches, against the norms of the steps themselves."""

from __future__ import annotations

import numpy as np
import pytest

from padiff_compare.judge.interim_history import StepLengths
from padiff_rpc.tensors import HostTensor

NAME = ("layer.weight", "layer.weight")


def lengths_of(*values: np.ndarray) -> StepLengths:
    lengths = StepLengths()
    for value in values:
        lengths.note(NAME, HostTensor.from_array(value))
    return lengths


def test_the_first_value_is_no_step() -> None:
    lengths = lengths_of(np.ones(3, np.float32))
    assert lengths.of(NAME) is None
    assert lengths.largest_rms == 0.0


def test_steps_of_small_parameters_add_up_exactly() -> None:
    zeros = np.zeros(4, np.float32)
    lengths = lengths_of(zeros, zeros + 0.5, zeros)
    assert lengths.of(NAME) == pytest.approx(2.0)
    assert lengths.largest_rms == pytest.approx(1.0)


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
    assert lengths_of(np.ones(3, np.int64), np.zeros(3, np.int64)).of(NAME) is None
