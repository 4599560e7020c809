"""The default loss's fixed, seeded, pseudo-random projection: the same numbers on both sides."""

from __future__ import annotations

import math

import numpy as np

from padiff_rpc.tensors import HostTensor
from padiff_rpc.words import DType


def projection(index: int, shape: tuple[int, ...]) -> HostTensor:
    """Returns float32 values of `shape`, uniform with mean 0 and variance 1, for the index-th output.

    NumPy promises that a bit generator's raw stream never changes, which it does not promise of its
    distributions; both sides may have different NumPy versions.
    """
    raw = np.random.PCG64(index).random_raw(math.prod(shape))
    unit = (np.asarray(raw, dtype=np.uint64) >> np.uint64(11)) * 2.0**-53
    values = ((unit * 2.0 - 1.0) * math.sqrt(3.0)).astype(np.float32).reshape(shape)
    return HostTensor(array=values, dtype=DType.FLOAT32)
