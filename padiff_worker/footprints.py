"""Footprints: the places in memory of a tensor's elements, as arrays that nobody may read."""

from __future__ import annotations

import numpy as np

from padiff_rpc.tensors import Array

# Whether strided blocks share an element is found exactly; beyond this effort they count as sharing one.
_EFFORT = 100_000


class _Place:
    """Memory by its address: NumPy looks at it only when elements are read."""

    def __init__(
        self, address: int, shape: tuple[int, ...], strides: tuple[int, ...], item_bytes: int
    ) -> None:
        self.__array_interface__ = {
            "version": 3,
            "data": (address, True),
            "shape": shape,
            "strides": strides,
            "typestr": f"|V{item_bytes}",
        }


def footprint(address: int, shape: tuple[int, ...], strides: tuple[int, ...], item_bytes: int) -> Array:
    """Returns an array that lies where a tensor does, on whatever device; strides are in elements."""
    steps = tuple(stride * item_bytes for stride in strides)
    return np.asarray(_Place(address, shape, steps, item_bytes))


def shares_elements(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether one element stands at several places of a strided tensor, as an expanded one's or a window's.

    It is said of a few interleaved layouts too in which none does.
    """
    reach = 1
    for stride, size in sorted(zip(strides, shape)):
        if size > 1:
            if stride < reach:
                return True
            reach += stride * (size - 1)
    return False


def overlap(one: Array, other: Array) -> bool:
    """Whether two footprints have an element in common."""
    try:
        return bool(np.shares_memory(one, other, _EFFORT))  # type: ignore[arg-type]
    except RuntimeError:  # too hard to tell
        return True
