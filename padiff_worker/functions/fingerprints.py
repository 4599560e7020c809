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
from padiff_rpc.tensors import Array
from padiff_worker.functions import order_statistics, vectors

# Trailing axes are projected together, up to this many elements.
_TOGETHER = 4096


class Elements(Protocol):
    """What a fingerprint asks of flat arrays beyond operators, slices, `reshape` and `sum`.

    Attributes:
        block: how many elements are widened at a time; a multiple of `vectors.COLUMNS`.
    """

    block: int

    def wide(self, array: Any) -> Any:
        """Returns the elements as float64."""

    def like(self, constant: Array, array: Any) -> Any:
        """Returns a float64 array of NumPy where `array` lies."""

    def size(self, array: Any) -> Any:
        """Returns the elements without their signs."""

    def count(self, condition: Any) -> int:
        """Returns how often it is true."""

    def without(self, array: Any, condition: Any) -> Any:
        """Returns the array with zeros where `condition` is true."""

    def padded(self, array: Any, count: int) -> Any:
        """Returns the float64 array with zeros behind it, `count` elements in all."""

    def ordered(self, array: Any, places: Array) -> Any:
        """Returns the elements that stand at `places` in ascending order."""

    def numbers(self, parts: list[Any]) -> list[Any]:
        """Returns float64 arrays, or single numbers, as NumPy has them."""


class HostElements:
    """NumPy's arrays."""

    block = 1 << 16

    def wide(self, array: Array) -> Array:
        return array.astype(np.float64)

    def like(self, constant: Array, array: Array) -> Array:
        return constant

    def size(self, array: Array) -> Array:
        return np.asarray(np.abs(array))

    def count(self, condition: Array) -> int:
        return int(np.count_nonzero(condition))

    def without(self, array: Array, condition: Array) -> Array:
        return np.where(condition, array.dtype.type(0), array)

    def padded(self, array: Array, count: int) -> Array:
        made = np.zeros(count)
        made[: array.size] = array
        return made

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
    places = _places(count)
    in_order = [_in_order(flat, start, elements) for start in range(0, count, elements.block)]
    on_axes = list(_on_axes(flat, tuple(length for length in shape if length != 1), elements))
    orders = elements.wide(elements.ordered(flat, places))
    parts = iter(elements.numbers([orders, *(part for parts in in_order + on_axes for part in parts)]))
    made[layout.ORDERS] = next(parts)
    for _ in in_order:
        for place in _SUMS:
            made[place] += next(parts)
    for _ in on_axes:
        for place in (layout.AXES, layout.SQUASHED_AXES):
            made[place] += next(parts)
    return made + 0.0  # so that no zero has a sign


@functools.lru_cache(maxsize=256)
def _places(count: int) -> npt.NDArray[np.int64]:
    return np.round(np.linspace(0, count - 1, layout.ORDER_COUNT)).astype(np.int64)


def _huge(flat: Any, count: int, elements: Elements) -> tuple[int, int, int]:
    """Returns how many elements count as infinite, by sign, and how many are no numbers."""
    up = elements.count(flat >= layout.HUGE)
    down = elements.count(flat <= -layout.HUGE)
    none = elements.count(flat != flat)
    all_finite = not none and not (up + down and elements.count(elements.size(flat) == math.inf))
    return (0, 0, 0) if all_finite and up + down > layout.MOST_HUGE * count else (up, down, none)


# What `_in_order` returns, in its order.
_SUMS = (
    *(layout.SUM, layout.ABSOLUTE_SUM, layout.SQUARE_SUM, layout.CUBE_SUM, layout.ABSOLUTE_CUBE_SUM),
    *(layout.SQUASHED_SUM, layout.SQUASHED_ABSOLUTE_SUM, layout.SQUASHED_SQUARE_SUM),
    *(layout.FLAT, layout.SQUASHED_FLAT),
)


def _in_order(flat: Any, start: int, elements: Elements) -> list[Any]:
    """Returns a block's shares in the sums and in the projections in C order."""
    x = elements.wide(flat[start : start + elements.block])
    size = elements.size(x)
    squared = x * x
    squashed = x / (size + 1.0)
    sums = [x.sum(), size.sum(), squared.sum(), (squared * x).sum(), (squared * size).sum()]
    sums += [squashed.sum(), elements.size(squashed).sum(), (squashed * squashed).sum()]
    first, rows = start // vectors.COLUMNS, -(-x.shape[0] // vectors.COLUMNS)
    of_rows = elements.like(vectors.rows(first, first + rows), x)
    of_columns = elements.like(vectors.columns(), x)
    for values in (x, squashed):
        table = elements.padded(values, rows * vectors.COLUMNS).reshape([rows, vectors.COLUMNS])
        sums.append((table @ of_columns * of_rows).sum(0))
    return sums


def _on_axes(flat: Any, lengths: tuple[int, ...], elements: Elements) -> Iterator[tuple[Any, Any]]:
    """Yields shares in the projections by axes: of x, and of squashed x."""
    split, inner = len(lengths), 1
    while split and inner * lengths[split - 1] <= _TOGETHER:
        split -= 1
        inner *= lengths[split]
    outer = math.prod(lengths[:split])
    if inner > 1 or outer == 1:
        at_once = max(elements.block // inner, 1)
        of_inner = elements.like(vectors.product(lengths[split:]), flat)
        for start in range(0, outer, at_once):
            stop = min(start + at_once, outer)
            x = elements.wide(flat[start * inner : stop * inner]).reshape([stop - start, inner])
            of_outer = elements.like(vectors.product_part(lengths[:split], start, stop), x)
            yield (
                (x @ of_inner * of_outer).sum(0),
                (x / (elements.size(x) + 1.0) @ of_inner * of_outer).sum(0),
            )
        return
    # The last axis alone is long.
    *before, length = lengths
    for row in range(outer // length):
        of_row = elements.like(vectors.product_part(tuple(before), row, row + 1), flat)
        for start in range(0, length, elements.block):
            stop = min(start + elements.block, length)
            x = elements.wide(flat[row * length + start : row * length + stop]).reshape([1, stop - start])
            of_axis = elements.like(vectors.axis(length, start, stop), x)
            yield (x @ of_axis * of_row).sum(0), (x / (elements.size(x) + 1.0) @ of_axis * of_row).sum(0)
