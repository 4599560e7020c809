"""Noise of a step that runs once more: as large as was asked for, another with each draw, none in marks."""

from __future__ import annotations

import numpy as np
import pytest

from padiff_rpc.tensors import HostTensor, cast, widen
from padiff_rpc.v1.records import StepNoise
from padiff_rpc.v1.words import DType
from padiff_worker.batches import HostBatch

VALUES = np.random.default_rng(0).standard_normal(10_000)


def noisy(values: np.ndarray, dtype: DType, **noise: float) -> np.ndarray:
    given = cast(HostTensor.from_array(values), dtype)
    batch = HostBatch(args=None, kwargs=None, target=None, has_target=False, tensors={1: given})
    found = batch.with_noise(StepNoise(**noise)).tensors[1]
    assert found.dtype is dtype
    return widen(found.array, dtype)


@pytest.mark.parametrize(
    ("dtype", "relative"), [(DType.FLOAT64, 1e-3), (DType.FLOAT32, 1e-3), (DType.BFLOAT16, 0.1)]
)
def test_real_values_are_off_by_a_share_of_their_own(dtype: DType, relative: float) -> None:
    exact = noisy(VALUES, dtype, relative=0.0)
    share = noisy(VALUES, dtype, relative=relative) / exact - 1.0
    assert np.sqrt(np.mean(share**2)) == pytest.approx(relative, rel=0.05)
    assert abs(share.mean()) < 0.05 * relative


def test_each_draw_is_another_noise_and_the_same_each_time() -> None:
    first, again, other = (noisy(VALUES, DType.FLOAT32, relative=1e-3, draw=draw) for draw in (0, 0, 7))
    assert np.array_equal(first, again)
    assert np.count_nonzero(first != other) > 9_000


def test_whole_numbers_stay() -> None:
    marks = np.array([0.0, 1.0, -1e9, 3.0, 0.5])
    found = noisy(marks, DType.FLOAT32, relative=1e-2)
    assert np.array_equal(found[:4], np.float32(marks[:4]))
    assert found[4] != 0.5
    counts = HostTensor.from_array(np.arange(5))
    batch = HostBatch(args=None, kwargs=None, target=None, has_target=False, tensors={1: counts})
    assert batch.with_noise(StepNoise(relative=1e-2)).tensors[1] is counts
