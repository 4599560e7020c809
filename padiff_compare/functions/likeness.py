"""Likeness of two tensors by their fingerprints: equal, in another order, unlike."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from padiff_rpc import fingerprints as parts
from padiff_rpc.records import record
from padiff_rpc.v1.records import FunctionTensor
from padiff_rpc.v1.words import TensorKind

Array = npt.NDArray[np.float64]

# Integers and truth values are equal or not; what is left are sums of float64.
_EXACT = 1e-9
_COUNTS = [parts.HUGE_POSITIVE, parts.HUGE_NEGATIVE, parts.NO_NUMBER]
_TINY = 1e-300


class Likeness(enum.IntEnum):
    """How much two fingerprints have in common; each has all that those before it have.

    Only EQUAL and OTHER_AXES see the order of elements, and so a fault that touches a few of many.
    """

    UNLIKE = 0
    SAME_NUMBERS = 1
    OTHER_AXES = 2
    EQUAL = 3


@record
class FingerprintDistances:
    """How far pairs are apart, each about a relative L2; infinite where they cannot be the same.

    Attributes:
        bag: whatever the order of the elements; the larger of what moments and order statistics say.
        axes: whatever the order of the axes.
        flat: in C order.
    """

    bag: Array
    axes: Array
    flat: Array


def distances(first: Array, second: Array) -> FingerprintDistances:
    """Returns those of fingerprints that broadcast against each other, of tensors of equal size and kind."""
    same = np.all(first[..., _COUNTS] == second[..., _COUNTS], axis=-1)
    norm = np.sqrt(_larger(first, second, parts.SQUARE_SUM))
    squashed = np.sqrt(_larger(first, second, parts.SQUASHED_SQUARE_SUM))
    moments = [
        _apart(first, second, parts.SUM, parts.ABSOLUTE_SUM),
        _apart(first, second, parts.ABSOLUTE_SUM, parts.ABSOLUTE_SUM),
        _apart(first, second, parts.SQUARE_SUM, parts.SQUARE_SUM) / 2,
        _apart(first, second, parts.CUBE_SUM, parts.ABSOLUTE_CUBE_SUM) / 3,
        _apart(first, second, parts.SQUASHED_SQUARE_SUM, parts.SQUASHED_SQUARE_SUM) / 2,
        _apart(first, second, parts.SQUASHED_SUM, parts.SQUASHED_ABSOLUTE_SUM),
    ]
    ordered, other = first[..., parts.ORDERS], second[..., parts.ORDERS]
    orders = [_spread(ordered, other), _spread(_squash(ordered), _squash(other))]

    def projected(plain: slice, of_squashed: slice) -> Array:
        return np.maximum(
            _rms(first[..., plain] - second[..., plain]) / np.maximum(norm, _TINY),
            _rms(first[..., of_squashed] - second[..., of_squashed]) / np.maximum(squashed, _TINY),
        )

    return FingerprintDistances(
        bag=_where_same(same, np.maximum.reduce([*moments, *orders])),
        axes=_where_same(same, projected(parts.AXES, parts.SQUASHED_AXES)),
        flat=_where_same(same, projected(parts.FLAT, parts.SQUASHED_FLAT)),
    )


def likeness(apart: FingerprintDistances, at: int, pair: TensorShapes, tolerance: float) -> Likeness:
    """Returns how alike one pair of these distances is."""
    if not apart.bag[at] <= tolerance:
        return Likeness.UNLIKE
    if apart.flat[at] <= tolerance:
        return Likeness.EQUAL
    if apart.axes[at] <= tolerance and pair.have_the_same_axes:
        return Likeness.OTHER_AXES
    return Likeness.SAME_NUMBERS


@record
class TensorShapes:
    """Shapes of a pair."""

    candidate: tuple[int, ...]
    reference: tuple[int, ...]

    @property
    def have_the_same_axes(self) -> bool:
        """Whether one may be the other with its axes in another order; axes of one element aside."""
        return sorted(a for a in self.candidate if a != 1) == sorted(a for a in self.reference if a != 1)


def tolerance_for(kind: TensorKind, tolerance: float) -> float:
    """Returns how far apart two tensors of a kind may be that hold the same values."""
    return tolerance if kind in (TensorKind.FLOAT, TensorKind.COMPLEX) else _EXACT


def stacked(tensors: Sequence[FunctionTensor]) -> Array:
    """Returns the fingerprints of tensors that all have one, a row each."""
    return np.stack([parts.from_bytes(one.fingerprint) for one in tensors])


def size(tensor: FunctionTensor) -> float:
    """Returns the sum of the sizes of a tensor's elements, which has a fingerprint."""
    return float(parts.from_bytes(tensor.fingerprint)[parts.ABSOLUTE_SUM])


def elements(tensor: FunctionTensor) -> int:
    return math.prod(tensor.spec.shape)


def is_constant(tensor: FunctionTensor) -> bool:
    """Whether all elements are equal, but for those that are huge, so that their order tells nothing."""
    if not tensor.fingerprint:
        return False
    ordered = parts.from_bytes(tensor.fingerprint)[parts.ORDERS]
    return bool(ordered[0] == ordered[-1])


def largest(tensor: FunctionTensor) -> float:
    """Returns the largest size of an element, huge ones aside; infinite where nobody knows."""
    if not tensor.fingerprint:
        return math.inf
    ordered = parts.from_bytes(tensor.fingerprint)[parts.ORDERS]
    return float(max(abs(ordered[0]), abs(ordered[-1])))


def _larger(first: Array, second: Array, part: int) -> Array:
    return np.maximum(first[..., part], second[..., part])


def _apart(first: Array, second: Array, part: int, scale: int) -> Array:
    return np.abs(first[..., part] - second[..., part]) / np.maximum(_larger(first, second, scale), _TINY)


def _spread(first: Array, second: Array) -> Array:
    return _rms(first - second) / np.maximum(np.maximum(_rms(first), _rms(second)), _TINY)


def _rms(values: Array) -> Array:
    found: Array = np.sqrt(np.mean(values**2, axis=-1))
    return found


def _squash(values: Array) -> Array:
    squashed: Array = values / (1 + np.abs(values))
    return squashed


def _where_same(same: npt.NDArray[np.bool_], apart: Array) -> Array:
    found: Array = np.where(same & ~np.isnan(apart), apart, np.inf)
    return found
