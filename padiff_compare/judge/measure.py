"""Two tensors in, figures out, by exact widening, block by block; and the magnitude of one."""

from __future__ import annotations

import math
import threading
from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_compare.judge.accumulator import Accumulator, Yardstick
from padiff_compare.judge.kernel import gather
from padiff_compare.judge.outliers import JumpFinder, Reals
from padiff_rpc.records import record
from padiff_rpc.tensors import (
    BLOCK_ELEMENTS,
    COMPLEX,
    FLOATING,
    Array,
    HostTensor,
    epsilon,
    sum_of_squares,
    widen,
)
from padiff_rpc.v1.records import Figures, TableRow, Tolerance
from padiff_rpc.v1.words import DType

# Up to here marks are not looked for: they are so few that they hardly widen a bound.
_SUSPECT_RMS = 30.0
# Marks (-1e4, -1e9, the dtype's lowest, each perhaps twice or with a score added) have one sign, lie
# within two octaves, are at least this large, and nothing lies in the octaves below them.
_SMALLEST_MARK = 1e3
_EMPTY_OCTAVES = 5
# Of a float64, biased; its bits but for sign and fraction.
_EXPONENTS = 2048
_BIAS = 1023


def root_mean_square(sum_squares: float, elements: int) -> float:
    """Returns the root mean square from a header's sum of squares; 0 for an empty tensor."""
    return math.sqrt(sum_squares / elements) if elements else 0.0


def is_zero(tensor: HostTensor) -> bool:
    """Whether every element is a zero, of either sign."""
    # The bits of bfloat16's -0.0 are not zero.
    return not widen(tensor.array, tensor.dtype).any()


def measure(
    reference: HostTensor,
    candidate: HostTensor,
    tolerance: Tolerance,
    *,
    sum_squares: Optional[float] = None,
    jumps: Optional[JumpFinder] = None,
    block_elements: Optional[int] = None,
) -> Figures:
    """Returns the figures of two tensors of one shape.

    Both are read once, in blocks, so memory-mapped ones need not fit in memory. Compiled code does it where
    it is installed; NumPy comes to the same, and does it in blocks of `block_elements` where that is given.
    `sum_squares` is that of the reference's header; without it the reference is read once more. Integers and
    bools of one signedness are subtracted as integers; tensors of differing kinds as float64. `jumps` learns
    of every element in which they differ.
    """
    if reference.array.shape != candidate.array.shape:
        raise ValueError(f"shapes {reference.array.shape} and {candidate.array.shape} have no figures")
    if sum_squares is None:
        with np.errstate(all="ignore"):
            sum_squares = sum_of_squares(reference)
    yardstick = Yardstick(
        atol=tolerance.atol,
        rtol=tolerance.rtol,
        rms_reference=root_mean_square(sum_squares, reference.array.size),
        epsilon=max(_spacing(reference.dtype), _spacing(candidate.dtype)),
        parts=2 if {reference.dtype, candidate.dtype} & COMPLEX else 1,
    )
    accumulator = Accumulator(yardstick, jumps)
    gathered = None if block_elements else gather(reference, candidate, yardstick, jumps)
    if gathered is not None:
        accumulator.take(gathered)
    else:
        pair = _Pair(reference, candidate, yardstick.parts)
        step = block_elements or BLOCK_ELEMENTS
        for start in range(0, reference.array.size, step):
            pair.add_block(accumulator, start, start + step)
    return accumulator.figures(reference.array.shape)


def share_turned(reference: HostTensor, candidate: HostTensor) -> float:
    """Returns in which share of their elements the signs of two floating tensors of one shape differ."""
    size = reference.array.size
    if not size or not {reference.dtype, candidate.dtype} <= FLOATING:
        return 0.0
    ours, theirs = (np.atleast_1d(tensor.array) for tensor in (reference, candidate))
    turned = 0
    step = max(1, BLOCK_ELEMENTS * len(ours) // size)
    for start in range(0, len(ours), step):
        block = slice(start, start + step)
        signs = np.sign(widen(ours[block], reference.dtype)), np.sign(widen(theirs[block], candidate.dtype))
        turned += np.count_nonzero(signs[0] != signs[1])
    return turned / size


def worst_row(reference: HostTensor, candidate: HostTensor, bound: float) -> Optional[TableRow]:
    """Returns, of the rows of two tables whose relative L2 exceeds `bound`, the one that is furthest apart.

    In an embedding's gradient each row is the sum of what came back from the places where its number stood.
    One that is cut off, as a padding index does, or scaled, as by a frequency, hardly shows in the norm of
    the whole.
    """
    if reference.array.ndim != 2 or not {reference.dtype, candidate.dtype} <= FLOATING:
        return None
    rows, width = reference.array.shape
    step = max(1, BLOCK_ELEMENTS // max(width, 1))
    found: Optional[TableRow] = None
    for start in range(0, rows, step):
        ours, theirs = (_row_reals(tensor, start, start + step) for tensor in (reference, candidate))
        with np.errstate(all="ignore"):
            distances, norms = _norms(theirs - ours), (_norms(ours), _norms(theirs))
            outside = np.flatnonzero(distances > bound * np.maximum(*norms))
        if not outside.size:
            continue
        row = int(outside[np.argmax(distances[outside])])
        distance, ours_norm, theirs_norm = (float(one[row]) for one in (distances, *norms))
        if found is None or distance > found.rmse * math.sqrt(width):
            found = TableRow(
                index=start + row,
                relative_l2=distance / max(ours_norm, theirs_norm),
                rmse=distance / math.sqrt(width),
                rms_reference=ours_norm / math.sqrt(width),
                rms_candidate=theirs_norm / math.sqrt(width),
            )
    return found


def _row_reals(tensor: HostTensor, start: int, stop: int) -> Reals:
    return widen(tensor.array[start:stop], tensor.dtype).astype(np.float64, copy=False)


def _norms(block: Reals) -> Reals:
    norms: Reals = np.sqrt(np.einsum("ij,ij->i", block, block))
    return norms


def _spacing(dtype: DType) -> float:
    return epsilon(dtype) if dtype in FLOATING or dtype in COMPLEX else 1.0


class _Pair:
    """Hands an accumulator the two tensors as blocks of float64 and their exact difference."""

    def __init__(self, reference: HostTensor, candidate: HostTensor, parts: int) -> None:
        self._tensors = (reference, candidate)
        self._flat = (reference.array.reshape(-1), candidate.array.reshape(-1))
        dtypes = {reference.dtype, candidate.dtype}
        self._identical = len(dtypes) == 1
        self._parts = parts
        # No integer type holds both int64 and uint64: NumPy's common type is then float64.
        common = np.result_type(*(flat.dtype for flat in self._flat))
        self._integers = common.kind in "biu" and not dtypes & FLOATING
        self._common = np.dtype(np.uint8) if common.kind == "b" else common

    def add_block(self, accumulator: Accumulator, start: int, stop: int) -> None:
        blocks = [flat[start:stop] for flat in self._flat]
        # One differing block settles it for the tensor.
        identical = self._identical and np.array_equal(_bits(blocks[0]), _bits(blocks[1]))
        self._identical = identical
        buffers = _BUFFERS.of(blocks[0].size * self._parts)
        difference = buffers[2]
        # NumPy warns of a NaN that it widens, and of infinity less infinity.
        with np.errstate(all="ignore"):
            reference, candidate = (
                self._reals(block, tensor.dtype, buffer)
                for block, tensor, buffer in zip(blocks, self._tensors, buffers)
            )
            if self._integers:
                self._subtract_integers(blocks[0], blocks[1], difference)
            else:
                np.subtract(candidate, reference, out=difference)
        accumulator.add(start * self._parts, reference, candidate, difference, identical=identical)

    def _reals(self, block: Array, dtype: DType, buffer: Reals) -> Reals:
        if self._parts == 2:
            return widen(block, dtype).astype(np.complex128).view(np.float64)
        if dtype is DType.BFLOAT16:
            block = np.left_shift(block, 16, dtype=np.uint32).view(np.float32)
        np.copyto(buffer, block, casting="unsafe")  # as NumPy sees int64 to float64
        return buffer

    def _subtract_integers(self, reference: Array, candidate: Array, out: Reals) -> None:
        wide = np.dtype(np.uint64 if self._common.kind == "u" else np.int64)
        first, second = reference.astype(wide), candidate.astype(wide)
        # Modulo 2**64 the larger less the smaller is exact, even where int64 would overflow.
        distance = np.maximum(first, second).view(np.uint64) - np.minimum(first, second).view(np.uint64)
        np.copyto(out, distance)
        np.negative(out, out=out, where=second < first)


def _bits(block: Array) -> Array:
    if block.dtype.itemsize < 16:
        return block.view(f"u{block.dtype.itemsize}")
    # Two numbers for each element, which has to have them beside each other: an expanded tensor's need not.
    return np.ascontiguousarray(block).view(np.uint64)


class _Buffers(threading.local):
    """Three rows of float64 for each thread: fresh pages would cost more than the arithmetic."""

    def __init__(self) -> None:
        self._rows: npt.NDArray[np.float64] = np.empty((3, 0))

    def of(self, size: int) -> npt.NDArray[np.float64]:
        """Returns three rows of `size`, overwritten by the next call in this thread."""
        if self._rows.shape[1] < size:
            self._rows = np.empty((3, size))
        return self._rows[:, :size]


_BUFFERS = _Buffers()


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
        flat = tensor.array.ravel(order="K")
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
