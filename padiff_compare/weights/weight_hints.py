"""Hints for a weight that has no place: the nearest on the other side, and what would make it fit."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable

from padiff_compare.layout_rules import IDENTITY, TRANSPOSE, Shape, fitting_axes
from padiff_compare.weights.owned_weight import OwnedWeight
from padiff_rpc.tensors import COMPLEX
from padiff_rpc.v1.records import TensorSpec

_PARTS = (
    "; one real weight with both parts in a last axis of 2 fits, as view_as_real gives it; "
    "layer_map.special_init(..., function) can make any other of them"
)
# Names are compared with this many of equal shape at most.
_LOOKED_AT = 50


class Neighbours:
    """The weights of one side that have no partner, to name the nearest of them."""

    def __init__(self, weights: Iterable[OwnedWeight]) -> None:
        self._by_sizes: defaultdict[Shape, list[OwnedWeight]] = defaultdict(list)
        for owned in weights:
            self._by_sizes[_sizes(owned.weight.spec.shape)].append(owned)

    def hint(self, lone: OwnedWeight) -> str:
        """Returns "; nearest: ..." with what would make it fit, or an empty text."""
        shape = lone.weight.spec.shape
        near = self._by_sizes.get(_sizes(shape), [])
        near = [other for other in near if other.weight.spec.shape == shape] or near
        if not near:
            return ""
        best = max(near[:_LOOKED_AT], key=lambda other: _likeness(lone.name, other.name))
        return f"; nearest: {best.name!r} {best.weight.spec}{fitting(lone.weight.spec, best.weight.spec)}"


def fitting(spec: TensorSpec, wanted: TensorSpec) -> str:
    """Returns what would make a weight fit that only its order of axes, or its parts, keep from `wanted`."""
    if (spec.dtype in COMPLEX) is not (wanted.dtype in COMPLEX):
        return f": the imaginary part {'is missing' if wanted.dtype in COMPLEX else 'has no place'}{_PARTS}"
    orders = fitting_axes(spec.shape, wanted.shape)
    if not orders or orders[0] == IDENTITY:
        return ""
    if orders[0] == TRANSPOSE:
        return ", which its transpose would fit"
    return f", which it would fit as {orders[0].name}"


def _sizes(shape: Shape) -> Shape:
    return tuple(sorted(size for size in shape if size != 1))


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
