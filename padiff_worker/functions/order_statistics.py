"""Order statistics of large arrays by a histogram of their leading bits.

NumPy sorts a float32 in 1 to 150 ns, as the processor has it; a histogram takes a tenth of that anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from padiff_rpc.tensors import Array

# Up to here sorting is as fast.
_FEW = 1 << 12
_BLOCK = 1 << 15
_SIGN = np.uint32(1 << 31)
_Keys = npt.NDArray[np.uint32]


def ordered(array: Array, places: npt.NDArray[np.int64]) -> Array:
    """Returns the elements that stand at `places` in ascending order; of large arrays as float32.

    All elements are finite.
    """
    if array.size <= _FEW:
        return np.asarray(np.sort(array)[places])
    bits = 14 if array.size <= 1 << 18 else 16
    shift, size = np.uint32(32 - bits), 1 << bits
    counts = np.zeros(size, np.int64)
    for keys in _blocks(array):
        counts += np.bincount((keys >> shift).astype(np.intp), minlength=size)
    ends = np.cumsum(counts)
    bins = np.searchsorted(ends, places, side="right")
    wanted = np.zeros(size, np.bool_)
    wanted[bins] = True
    chosen = np.sort(np.concatenate([keys[wanted[keys >> shift]] for keys in _blocks(array)]))
    # Of the chosen elements, those of earlier bins that nobody wants are missing.
    missing = np.cumsum(np.where(wanted, 0, counts))
    return _values(chosen[places - missing[bins]])


def _blocks(array: Array) -> Iterator[_Keys]:
    """Yields the elements as integers of the same order."""
    for start in range(0, array.size, _BLOCK):
        bits = array[start : start + _BLOCK].astype(np.float32, copy=False).view(np.uint32)
        # Of a negative number all bits are turned, of others the sign.
        yield bits ^ ((bits.view(np.int32) >> 31).view(np.uint32) | _SIGN)


def _values(keys: _Keys) -> Array:
    bits = np.where(keys & _SIGN, keys ^ _SIGN, ~keys)
    return bits.astype(np.uint32, copy=False).view(np.float32)
