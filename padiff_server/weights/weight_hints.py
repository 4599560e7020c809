"""What to say of a weight that has no place: the nearest on the other side, and what would make it fit."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable
from itertools import permutations
from typing import Optional

from padiff_server.weights.owned_weight import OwnedWeight
from padiff_server.weights.rules import Shape

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
        return f"; nearest: {best.name!r} {best.weight.spec}{fitting(shape, best.weight.spec.shape)}"


def fitting(shape: Shape, wanted: Shape) -> str:
    """Returns ", which ... would fit" for a `shape` that only its order of axes keeps from `wanted`."""
    order = _permutation(shape, wanted)
    if order is None or shape == wanted:
        return ""
    if len(shape) == 2:
        return ", which its transpose would fit"
    return f", which it would fit with its axes in the order {list(order)}"


def _permutation(shape: Shape, wanted: Shape) -> Optional[tuple[int, ...]]:
    # Five axes are the most that a convolution has.
    if sorted(shape) != sorted(wanted) or len(shape) > 5:
        return None
    orders = permutations(range(len(shape)))
    return next((order for order in orders if tuple(shape[axis] for axis in order) == wanted), None)


def _sizes(shape: Shape) -> Shape:
    return tuple(sorted(size for size in shape if size != 1))


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
