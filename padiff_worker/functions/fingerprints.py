"""Fingerprints of tensors, in NumPy or where a framework's tensor lies, by one and the same steps.

`padiff_rpc.fingerprints` says what the numbers are. Elements are widened to float64 block by block.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from padiff_rpc import fingerprints as layout
from padiff_rpc.fingerprints import Fingerprint
from padiff_rpc.records import record
from padiff_rpc.tensors import Array
from padiff_worker.functions import order_statistics, vectors

# Trailing axes are projected together, up to this many elements.
_TOGETHER = 1 << 13
# Longer inner products are split among threads, which costs more than it saves, most where cores are busy.
_ALONE = 1 << 13


class Elements(Protocol):
    """What a fingerprint asks of flat arrays beyond operators, slices, `reshape` and `sum`.

    Attributes:
        block: about how many elements are widened at a time.
    """

    block: int

    def wide(self, array: Any, before: int, behind: int) -> Any:
        """Returns the elements as float64, with as many zeros before and behind them."""

    def dot(self, first: Any, second: Any) -> Any:
        """Returns the inner product of two float64 arrays."""

    def like(self, constant: Array, array: Any) -> Any:
        """Returns a float64 array of NumPy where `array` lies."""

    def size(self, array: Any) -> Any:
        """Returns the elements without their signs."""

    def count(self, condition: Any) -> int:
        """Returns how often it is true."""

    def without(self, array: Any, condition: Any) -> Any:
        """Returns the array with zeros where `condition` is true."""

    def ordered(self, array: Any, places: Array) -> Any:
        """Returns the elements that stand at `places` in ascending order."""

    def numbers(self, parts: list[Any]) -> list[Any]:
        """Returns float64 arrays, or single numbers, as NumPy has them."""


class HostElements:
    """NumPy's arrays."""

    # So that what is made of a block stays in the processor's cache.
    block = 1 << 15

    def wide(self, array: Array, before: int, behind: int) -> Array:
        made = np.empty(before + array.size + behind)
        made[:before] = made[before + array.size :] = 0
        made[before : before + array.size] = array
        return made

    def dot(self, first: Array, second: Array) -> Any:
        parts = (slice(start, start + _ALONE) for start in range(0, first.size, _ALONE))
        return sum(np.dot(first[part], second[part]) for part in parts)

    def like(self, constant: Array, array: Array) -> Array:
        return constant

    def size(self, array: Array) -> Array:
        return np.asarray(np.abs(array))

    def count(self, condition: Array) -> int:
        return int(np.count_nonzero(condition))

    def without(self, array: Array, condition: Array) -> Array:
        return np.where(condition, array.dtype.type(0), array)

    def ordered(self, array: Array, places: Array) -> Array:
        return order_statistics.ordered(array, np.asarray(places, np.int64))

    def numbers(self, parts: list[Any]) -> list[Any]:
        return parts


_HOST = HostElements()


def fingerprint(array: Array) -> Fingerprint:
    """Returns the fingerprint of a NumPy array of bools, integers, floating or complex numbers."""
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    with np.errstate(all="ignore"):
        return fingerprint_of(np.ravel(array), array.shape, _HOST, is_floating=array.dtype.kind == "f")


def fingerprint_of(
    flat: Any, shape: tuple[int, ...], elements: Elements, *, is_floating: bool
) -> Fingerprint:
    """Returns the fingerprint of a tensor of that shape, whose real elements `flat` has in C order."""
    made = np.zeros(layout.SIZE)
    count = math.prod(shape)
    if not count:
        return made
    if is_floating:
        huge = _huge(flat, count, elements)
        made[[layout.HUGE_POSITIVE, layout.HUGE_NEGATIVE, layout.NO_NUMBER]] = huge
        if any(huge):
            flat = elements.without(flat, (flat >= layout.HUGE) | (flat <= -layout.HUGE) | (flat != flat))
    lengths = tuple(length for length in shape if length != 1)
    shares = [_shares(flat, piece, elements) for piece in _pieces(lengths, elements.block)]
    orders = elements.wide(elements.ordered(flat, _places(count)), 0, 0)
    parts = iter(elements.numbers([orders, *(part for parts in shares for part in parts)]))
    made[layout.ORDERS] = next(parts)
    for _ in shares:
        for place in _SUMS:
            made[place] += next(parts)
    return made + 0.0  # so that no zero has a sign


@functools.lru_cache(maxsize=256)
def _places(count: int) -> npt.NDArray[np.int64]:
    return np.round(np.linspace(0, count - 1, layout.ORDER_COUNT)).astype(np.int64)


def _huge(flat: Any, count: int, elements: Elements) -> tuple[int, int, int]:
    """Returns how many elements count as infinite, by sign, and how many are no numbers."""
    up = down = none = infinite = 0
    for start in range(0, count, elements.block):
        x = flat[start : start + elements.block]
        size = elements.size(x)
        if elements.count(size < layout.HUGE) == x.shape[0]:
            continue
        up += elements.count(x >= layout.HUGE)
        down += elements.count(x <= -layout.HUGE)
        none += elements.count(x != x)
        infinite += elements.count(size == math.inf)
    all_finite = not (none or infinite)
    return (0, 0, 0) if all_finite and up + down > layout.MOST_HUGE * count else (up, down, none)


@record
class _Piece:
    """Elements next to each other in C order, and what they are multiplied by along axes.

    Attributes:
        start, stop: where they stand.
        outer, inner: vectors of the axes before, and of those that follow, one row an element of each.
    """

    start: int
    stop: int
    outer: vectors.Vectors
    inner: vectors.Vectors


def _pieces(lengths: tuple[int, ...], most: int) -> Iterator[_Piece]:
    """Yields the pieces of a tensor, of about `most` elements; `lengths` are those of its axes."""
    split, inner = len(lengths), 1
    while split and inner * lengths[split - 1] <= _TOGETHER:
        split -= 1
        inner *= lengths[split]
    outer = math.prod(lengths[:split])
    if inner > 1 or outer == 1:
        at_once = max(most // inner, 1)
        of_inner = vectors.product(lengths[split:])
        for start in range(0, outer, at_once):
            stop = min(start + at_once, outer)
            of_outer = vectors.product_part(lengths[:split], start, stop)
            yield _Piece(start=start * inner, stop=stop * inner, outer=of_outer, inner=of_inner)
        return
    # The last axis alone is long.
    *before, length = lengths
    for row in range(outer // length):
        of_row = vectors.product_part(tuple(before), row, row + 1)
        for start in range(0, length, most):
            stop = min(start + most, length)
            of_axis = vectors.axis(length, start, stop)
            yield _Piece(start=row * length + start, stop=row * length + stop, outer=of_row, inner=of_axis)


# What `_shares` returns, in its order.
_SUMS = (
    *(layout.SUM, layout.ABSOLUTE_SUM, layout.SQUARE_SUM, layout.CUBE_SUM, layout.ABSOLUTE_CUBE_SUM),
    *(layout.SQUASHED_SUM, layout.SQUASHED_ABSOLUTE_SUM, layout.SQUASHED_SQUARE_SUM),
    *(layout.FLAT, layout.AXES, layout.SQUASHED_FLAT, layout.SQUASHED_AXES),
)


def _shares(flat: Any, piece: _Piece, elements: Elements) -> list[Any]:
    """Returns a piece's shares in the sums and in the projections."""
    # Whole rows of columns: the zeros around it add nothing to any sum.
    first, last = piece.start // vectors.COLUMNS, -(-piece.stop // vectors.COLUMNS)
    before, behind = piece.start - first * vectors.COLUMNS, last * vectors.COLUMNS - piece.stop
    x = elements.wide(flat[piece.start : piece.stop], before, behind)
    size, squared = elements.size(x), x * x
    squashed = x / (size + 1.0)
    sums = [x.sum(), size.sum(), elements.dot(x, x), elements.dot(squared, x), elements.dot(squared, size)]
    sums += [squashed.sum(), elements.size(squashed).sum(), elements.dot(squashed, squashed)]
    of_rows, of_columns, of_outer, of_inner = (
        elements.like(constant, x)
        for constant in (vectors.rows(first, last), vectors.columns(), piece.outer, piece.inner)
    )
    for values in (x, squashed):
        table = values.reshape([last - first, vectors.COLUMNS])
        own = values[before : before + piece.stop - piece.start]
        on_axes = own.reshape([piece.outer.shape[0], piece.inner.shape[0]])
        sums.append((table @ of_columns * of_rows).sum(0))
        sums.append((on_axes @ of_inner * of_outer).sum(0))
    return sums
