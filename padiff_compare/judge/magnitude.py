"""The magnitude of a tensor's values, whatever marks of a mask stand among them."""

from __future__ import annotations

import math

import numpy as np

from padiff_compare.judge.measure import root_mean_square
from padiff_rpc.records import record
from padiff_rpc.tensors import BLOCK_ELEMENTS, FLOATING, HostTensor, widen

# Up to here marks are not looked for: they are so few that they hardly widen a bound.
_SUSPECT_RMS = 30.0
# Marks (-1e4, -1e9, the dtype's lowest, each perhaps twice or with a score added) have one sign, lie
# within two octaves, are at least this large, and nothing lies in the octaves below them.
_SMALLEST_MARK = 1e3
_EMPTY_OCTAVES = 5
# Of a float64, biased; its bits but for sign and fraction.
_EXPONENTS = 2048
_BIAS = 1023


@record
class Magnitude:
    """Root mean square of the values, marks of a mask left out where `has_marks`."""

    rms: float
    has_marks: bool = False


def magnitude_of(tensor: HostTensor, sum_squares: float) -> Magnitude:
    """Returns what bounds that grow with a tensor are to grow with.

    Marks would make such a bound so wide that anything passes. `sum_squares` is the whole tensor's; only
    where it is suspiciously large are the values read.
    """
    rms = root_mean_square(sum_squares, tensor.array.size)
    if rms <= _SUSPECT_RMS or tensor.dtype not in FLOATING:
        return Magnitude(rms=rms)
    octaves = _Octaves(tensor)
    top = octaves.without_marks()
    if top == _EXPONENTS:
        return Magnitude(rms=rms)
    return Magnitude(rms=octaves.rms_below(top), has_marks=True)


class _Octaves:
    """Counts and squares of the finite values that are not zero, by the binary exponent."""

    def __init__(self, tensor: HostTensor) -> None:
        self._size = tensor.array.size
        self._counts = np.zeros(_EXPONENTS, np.int64)
        self._negative = np.zeros(_EXPONENTS, np.int64)
        self._squares = np.zeros(_EXPONENTS)
        flat = tensor.array.reshape(-1)
        with np.errstate(all="ignore"):
            for start in range(0, flat.size, BLOCK_ELEMENTS):
                block = widen(flat[start : start + BLOCK_ELEMENTS], tensor.dtype)
                block = block[np.isfinite(block) & (block != 0.0)]
                exponents = (block.view(np.int64) >> 52) & (_EXPONENTS - 1)
                self._counts += np.bincount(exponents, minlength=_EXPONENTS)
                self._negative += np.bincount(exponents[block < 0.0], minlength=_EXPONENTS)
                self._squares += np.bincount(exponents, weights=np.square(block), minlength=_EXPONENTS)

    def without_marks(self) -> int:
        """Returns the exponent above which only marks lie; `_EXPONENTS` where there are none."""
        end = _EXPONENTS
        while True:
            filled = np.flatnonzero(self._counts[:end])
            if not filled.size:
                return end
            # The highest values, and the octave below them.
            start = int(filled[-1])
            if start and self._counts[start - 1]:
                start -= 1
            if not self._are_marks(start, end):
                return end
            end = start

    def _are_marks(self, start: int, end: int) -> bool:
        smallest = math.frexp(_SMALLEST_MARK)[1] - 1 + _BIAS
        count, negative = int(self._counts[start:end].sum()), int(self._negative[start:end].sum())
        return (
            start >= smallest
            and count > 1
            and negative in (0, count)
            and not self._counts[max(0, start - _EMPTY_OCTAVES) : start].any()
            and bool(self._counts[:start].any())
        )

    def rms_below(self, end: int) -> float:
        return math.sqrt(float(self._squares[:end].sum()) / self._size)
