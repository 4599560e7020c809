"""Order statistics of large arrays by a histogram of their leading bits.

NumPy sorts a float32 in 1 to 150 ns, as the processor has it; a histogram takes two or three anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from padiff_rpc.tensors import Array

# Up to here NumPy's own selection is as fast.
_FEW = 1 << 13
_BLOCK = 1 << 16


def ordered(array: Array, places: npt.NDArray[np.int64]) -> Array:
    """Returns the elements that stand at `places` in ascending order; of large arrays as float32.

    All elements are finite.
    """
    if array.size <= _FEW:
        return np.asarray(np.partition(array, places)[places])
    bits = 14 if array.size <= 1 << 18 else 16
    size = 1 << bits
    counts = np.zeros(size, np.int64)
    for _, bins in _blocks(array, bits):
        counts += np.bincount(bins, minlength=size)
    # The bits of negative numbers, whose leading one is set, count the other way round.
    half = size >> 1
    in_order = np.concatenate([counts[: half - 1 : -1], counts[:half]])
    found = np.searchsorted(np.cumsum(in_order), places, side="right")
    wanted = np.zeros(size, np.bool_)
    wanted[found] = True
    by_bits = np.concatenate([wanted[half:], wanted[half - 1 :: -1]])
    chosen, zeros = _chosen(array, bits, by_bits)
    # Of the chosen elements, those of earlier bins that nobody wants are missing.
    missing = np.cumsum(np.where(wanted, 0, in_order))
    return _with_zeros(chosen, zeros, places - missing[found])


def _chosen(array: Array, bits: int, is_wanted: npt.NDArray[np.bool_]) -> tuple[Array, int]:
    """Returns the elements of such leading bits in order, but zeros, and the number of zeros.

    Half of what a rectifier makes is zero, and need not be sorted.
    """
    parts, zeros = [], 0
    for values, bins in _blocks(array, bits):
        of_wanted, is_zero = is_wanted.take(bins), values == 0
        zeros += np.count_nonzero(of_wanted & is_zero)
        parts.append(values[of_wanted & ~is_zero])
    return np.sort(np.concatenate(parts)), zeros


def _with_zeros(ordered_others: Array, zeros: int, places: npt.NDArray[np.int64]) -> Array:
    """Returns what stands at `places` when so many zeros are among the others, in order."""
    negative = int(np.searchsorted(ordered_others, 0))
    is_zero = (places >= negative) & (places < negative + zeros)
    others = np.where(places < negative, places, places - zeros)
    made = np.zeros(len(places), ordered_others.dtype)
    made[~is_zero] = ordered_others[others[~is_zero]]
    return made


def _blocks(array: Array, bits: int) -> Iterator[tuple[Array, npt.NDArray[np.intp]]]:
    """Yields the elements as float32, and the leading bits of each."""
    for start in range(0, array.size, _BLOCK):
        values = array[start : start + _BLOCK].astype(np.float32, copy=False)
        yield values, (values.view(np.uint32) >> np.uint32(32 - bits)).astype(np.intp)
