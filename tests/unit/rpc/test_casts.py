"""The cast that a framework makes when a weight of another dtype is written."""

from __future__ import annotations

import numpy as np
import pytest

from padiff_rpc.tensors import HostTensor, cast, widen
from padiff_rpc.v1.words import DType


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, 1.0),
        (1.00390625, 1.0),  # halfway between two bfloat16s: to the even one
        (1.01171875, 1.015625),
        (1.0040, 1.0078125),
        (-3.0e38, -3.00406e38),
        (np.inf, np.inf),
        (3.4e38, np.inf),
        (0.0, 0.0),
    ],
)
def test_bfloat16_rounds_to_nearest_even(value, expected):
    found = cast(HostTensor.from_array(np.float32([value])), DType.BFLOAT16)
    assert widen(found.array, found.dtype)[0] == pytest.approx(expected, rel=1e-4)


def test_bfloat16_keeps_nan():
    bits = np.array([0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF], np.uint32).view(np.float32)
    found = cast(HostTensor.from_array(bits), DType.BFLOAT16)
    assert np.isnan(widen(found.array, found.dtype)).all()


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.FLOAT64, DType.INT32])
def test_other_dtypes_are_numpys(dtype):
    values = np.float32([0.1, -2.5, 1000.7])
    assert np.array_equal(cast(HostTensor.from_array(values), dtype).array, values.astype(dtype.value))


def test_the_same_dtype_is_the_same_tensor():
    tensor = HostTensor.from_array(np.float32([1.0]))
    assert cast(tensor, DType.FLOAT32) is tensor


def test_scalars_stay_scalars():
    assert cast(HostTensor.from_array(np.float64(1.5)), DType.BFLOAT16).array.shape == ()
