"""Casts as frameworks make them when a value of another dtype is copied into a tensor."""

from __future__ import annotations

import numpy as np

from padiff_rpc.tensors import COMPLEX, Array, HostTensor, numpy_dtype, widen
from padiff_rpc.v1.words import DType


def cast(value: HostTensor, dtype: DType) -> HostTensor:
    """Returns `value` in another dtype: rounded to nearest, ties to even; complex numbers lose i."""
    if value.dtype is dtype:
        return value
    # Overflow to infinity and NaN are what the framework makes of such values too.
    with np.errstate(all="ignore"):
        wide = widen(value.array, value.dtype)
        if dtype not in COMPLEX and np.iscomplexobj(wide):
            wide = wide.real
        if dtype is DType.BFLOAT16:
            return HostTensor(array=_bfloat16_bits(wide.astype(np.float32)), dtype=dtype)
        return HostTensor(array=wide.astype(numpy_dtype(dtype)), dtype=dtype)


def _bfloat16_bits(values: Array) -> Array:
    bits = np.asarray(values).view(np.uint32)
    rounded = (bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16
    # The carry of rounding could make a NaN an infinity: keep NaNs by a bit of their own.
    return np.asarray(np.where(np.isnan(values), (bits >> 16) | 0x40, rounded)).astype(np.uint16)
