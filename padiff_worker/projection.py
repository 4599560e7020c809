"""The default loss's fixed, seeded, pseudo-random projection: the same numbers on both sides."""

from __future__ import annotations

import math

import numpy as np

from padiff_rpc.tensors import BLOCK_ELEMENTS, HostTensor
from padiff_rpc.v1.words import DType


def projection(index: int, shape: tuple[int, ...]) -> HostTensor:
    """Returns float32 values of `shape`, uniform with mean 0 and variance 1, for the index-th output.

    NumPy promises that a bit generator's raw stream never changes, which it does not promise of its
    distributions; both sides may have different NumPy versions.
    """
    values = np.empty(math.prod(shape), np.float32)
    generator = np.random.PCG64(index)
    for start in range(0, values.size, BLOCK_ELEMENTS):
        block = values[start : start + BLOCK_ELEMENTS]
        unit = (generator.random_raw(block.size) >> np.uint64(11)) * 2.0**-53
        block[:] = (unit * 2.0 - 1.0) * math.sqrt(3.0)
    return HostTensor(array=values.reshape(shape), dtype=DType.FLOAT32)
