"""One counter-based generator for both sides: the numbers that random decisions are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from padiff_rpc.v1.words import DType

# A float32 holds every multiple of 2**-24 below 1; narrower dtypes hold fewer, and must not round up to 1.
_BITS = {DType.FLOAT16: 11, DType.BFLOAT16: 8}

Uniforms = npt.NDArray[np.float32]
Decided = npt.NDArray[np.bool_]


class Draw:
    """The numbers of one random operation: the same wherever the keys are.

    Philox4x64-10 as NumPy has it, whose raw stream is the same in all its versions; what is made of the
    stream is defined here. An element's number depends on its place in C order alone, so that [6, 4] and
    [2, 3, 4] get the same ones. Each method goes on in the stream where the one before stopped.
    """

    def __init__(self, *, seed: int, step: int, pair: int, call: int, ordinal: int) -> None:
        """`ordinal` counts the operations of the call; all of 32 bits, `seed` of 64."""
        self._bits = np.random.Philox(
            counter=np.array([0, ordinal, call, pair << 32 | step], np.uint64),
            key=np.array([seed, 0], np.uint64),
        )

    def _integers(self, count: int) -> npt.NDArray[np.uint32]:
        """Returns integers of 24 bits."""
        raw = np.asarray(self._bits.random_raw((count + 1) // 2), np.uint64)
        words = raw.astype("<u8", copy=False).view("<u4")[:count]
        return np.asarray(words >> np.uint32(8), np.uint32)

    def uniform(self, shape: Iterable[int], dtype: DType = DType.FLOAT32) -> Uniforms:
        """Returns float32 numbers in [0, 1), all of them multiples of what `dtype` can tell from 1."""
        dims = tuple(shape)
        bits = _BITS.get(dtype, 24)
        integers = (self._integers(math.prod(dims)) >> np.uint32(24 - bits)).astype(np.float32)
        return np.asarray(integers * np.float32(2.0**-bits), np.float32).reshape(dims)

    def kept(self, shape: Iterable[int], p: float) -> Decided:
        """Returns what a dropout of `p` keeps: where the uniform number is `p` (in float32) or more."""
        dims = tuple(shape)
        least = math.ceil(float(np.float32(p)) * 2**24)
        return np.asarray(self._integers(math.prod(dims)) >= np.uint32(least), np.bool_).reshape(dims)

    def ones(self, shape: Iterable[int], probability: Any) -> Decided:
        """Returns where a Bernoulli trial succeeds: where probability + u is 1 or more, in float32.

        So `bernoulli(keep)` and `floor(keep + rand)`, two ways to write the same mask, agree.
        `probability` is a number or an array of that shape.
        """
        return np.asarray(self.uniform(shape) + np.asarray(probability, np.float32) >= np.float32(1))

    def normal(self, shape: Iterable[int]) -> npt.NDArray[np.float64]:
        """Returns standard normal numbers: sqrt(-2 ln(1 - u)) cos(2 pi v), in float64 (Box and Muller)."""
        dims = tuple(shape)
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(dims).astype(np.float64)))
        return np.asarray(radius * np.cos(2.0 * math.pi * self.uniform(dims).astype(np.float64)))
