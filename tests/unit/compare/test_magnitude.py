"""Marks of a mask are left out of a tensor's size; honest large values are not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from padiff_compare.judge.measure import Magnitude, magnitude_of
from padiff_rpc.tensors import HostTensor, sum_of_squares
from padiff_rpc.v1.words import DType

SCORES = np.random.default_rng(0).standard_normal((64, 64))
UPPER = np.triu(np.ones((64, 64), bool), 1)


def magnitude(values: np.ndarray, dtype: DType | None = None) -> Magnitude:
    tensor = HostTensor.from_array(values, dtype)
    return magnitude_of(tensor, sum_of_squares(tensor))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mark", ["lowest", -1e4, -1e9, 1e30])
@pytest.mark.parametrize("added", [False, True])
def test_marks_are_left_out(mark: float | str, added: bool, dtype: type) -> None:
    mark = float(np.finfo(dtype).min) if mark == "lowest" else float(mark)
    values = np.where(UPPER, mark + SCORES if added else mark, SCORES).astype(dtype)
    found = magnitude(values)
    assert found.has_marks
    assert 0.5 < found.rms < 1.0


def test_two_masks_are_left_out() -> None:
    values = np.where(UPPER, -1e9, SCORES)
    values[:, 5] += -1e9
    values[:, 9] = np.finfo(np.float32).min
    values[3] = -math.inf
    found = magnitude(values.astype(np.float32))
    assert found.has_marks
    assert 0.5 < found.rms < 1.0


def test_one_mark_in_many_values_is_seen() -> None:
    values = np.random.default_rng(0).standard_normal(1_000_000).astype(np.float32)
    values[[7, 70_000]] = np.finfo(np.float32).min
    assert magnitude(values).has_marks


def test_half_precision_marks_are_seen() -> None:
    values = np.where(UPPER, -65504, SCORES).astype(np.float16)
    assert magnitude(values).has_marks
    bits = np.where(UPPER, np.float32(-3e38), SCORES.astype(np.float32)).astype(np.float32).view(np.uint32)
    assert magnitude((bits >> 16).astype(np.uint16), DType.BFLOAT16).has_marks


@pytest.mark.parametrize(
    "values",
    [
        SCORES,
        SCORES * 1e6,
        np.exp(3 * SCORES),
        np.where(UPPER, 1e5 * SCORES, SCORES),  # of both signs
        np.full(10, -1e9),  # nothing else
        np.array([1e5, 3.0, -2.0]),  # one only
        np.zeros(0),
    ],
)
def test_honest_values_are_all_counted(values: np.ndarray) -> None:
    found = magnitude(values)
    assert not found.has_marks
    assert found.rms == pytest.approx(float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0)


def test_integers_have_no_marks() -> None:
    assert not magnitude(np.array([1, -(10**9), -(10**9)])).has_marks
