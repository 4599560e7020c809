"""Hints for a weight that has no place: the nearest on the other side, and what would make it fit."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable

from padiff_compare.layout_rules import IDENTITY, TRANSPOSE, Shape, axes, fitting_orders
from padiff_compare.weights.weight_pair import OwnedWeight
from padiff_rpc.tensors import COMPLEX
from padiff_rpc.v1.records import Reason, TensorSpec
from padiff_rpc.v1.words import Cause

# Names are compared with this many of equal shape at most.
_LOOKED_AT = 50


class Neighbours:
    """The weights of one side that have no partner, to name the nearest of them."""

    def __init__(self, weights: Iterable[OwnedWeight]) -> None:
        self._by_sizes: defaultdict[Shape, list[OwnedWeight]] = defaultdict(list)
        for owned in weights:
            self._by_sizes[_sizes(owned.weight.spec.shape)].append(owned)

    def hints(self, lone: OwnedWeight) -> tuple[Reason, ...]:
        """Returns the nearest of them, with what would make it fit; () where none is near."""
        shape = lone.weight.spec.shape
        near = self._by_sizes.get(_sizes(shape), [])
        near = [other for other in near if other.weight.spec.shape == shape] or near
        if not near:
            return ()
        best = max(near[:_LOOKED_AT], key=lambda other: _likeness(lone.name, other.name))
        nearest = Reason(
            cause=Cause.NEAREST,
            names=(best.name, str(best.weight.spec)),
            because=fitting(lone.weight.spec, best.weight.spec),
        )
        return (nearest,)


def fitting(spec: TensorSpec, wanted: TensorSpec) -> tuple[Reason, ...]:
    """Returns what would make a weight fit that only its order of axes, or its parts, keep from `wanted`."""
    if (spec.dtype in COMPLEX) is not (wanted.dtype in COMPLEX):
        lacks = wanted.dtype in COMPLEX
        return (Reason(cause=Cause.NO_IMAGINARY_PART if lacks else Cause.IMAGINARY_PART_UNUSED),)
    order = next(iter(fitting_orders(spec.shape, wanted.shape)), ())
    if axes(order) == IDENTITY:
        return ()
    if axes(order) == TRANSPOSE:
        return (Reason(cause=Cause.FITS_TRANSPOSED),)
    return (Reason(cause=Cause.FITS_TURNED, numbers=tuple(map(float, order))),)


def _sizes(shape: Shape) -> Shape:
    return tuple(sorted(size for size in shape if size != 1))


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
