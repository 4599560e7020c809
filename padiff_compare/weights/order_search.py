"""A search for the orders of axes under which a layer's output lies nearest to the reference's.

One budget holds for all passes. While no order is near rounding, all that fit may be tried, those with few
changes from the nearest first. Once one is, only what differs from it in one weight is tried: that tells
whether the two can be told apart, and finds the right one where a wrong one does little.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from padiff_compare.layout_rules import Rule
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING, epsilon
from padiff_rpc.v1.words import DType

# A rule for each weight whose order is in question.
Orders = tuple[Rule, ...]

# Passes at most for the orders of what one output shows.
MOST_TRIALS = 64
# Epsilons by which the sums of a right order may differ; anything nearer is not sought.
_ROUNDING = 4


@record
class Distance:
    """How far a value is from the reference's; `is_rounding`: no further than rounding brings it."""

    relative_l2: float = math.inf
    is_rounding: bool = False


def distance(relative_l2: float, dtype: DType) -> Distance:
    """Returns the distance between two values of `dtype`."""
    own = epsilon(dtype) if dtype in FLOATING | COMPLEX else 0.0
    return Distance(relative_l2=relative_l2, is_rounding=relative_l2 <= _ROUNDING * own)


@record
class Search:
    """What came of a search: the nearest orders, all that were tried, and how many fit."""

    nearest: Orders
    tried: Mapping[Orders, Distance]
    total: int

    @property
    def is_open(self) -> bool:
        """Whether a right order may be among those that were not tried."""
        return len(self.tried) < self.total and not self.tried[self.nearest].is_rounding

    def of_one(self, place: int) -> dict[Rule, Distance]:
        """Returns the distances under the tried rules of one weight, the others as in the nearest."""
        rest = _without(self.nearest, place)
        return {one[place]: found for one, found in self.tried.items() if _without(one, place) == rest}


def search(
    alternatives: Sequence[Sequence[Rule]], present: Orders, measure: Callable[[Orders], Distance]
) -> Search:
    """Returns the nearest of the orders that `alternatives` allow, from `present` on."""
    tried = {present: measure(present)}
    nearest = present
    while len(tried) < MOST_TRIALS:
        most = 1 if tried[nearest].is_rounding else len(alternatives)
        chosen = next((one for one in _changed(nearest, alternatives, most) if one not in tried), None)
        if chosen is None:
            break
        tried[chosen] = measure(chosen)
        nearest = min(tried, key=lambda one: tried[one].relative_l2)
    return Search(nearest=nearest, tried=tried, total=math.prod(map(len, alternatives)))


def _changed(orders: Orders, alternatives: Sequence[Sequence[Rule]], most: int) -> Iterator[Orders]:
    """Yields what differs from `orders` in `most` weights at most, few changes first."""
    for count in range(1, most + 1):
        for places in itertools.combinations(range(len(orders)), count):
            others = ([rule for rule in alternatives[place] if rule != orders[place]] for place in places)
            for rules in itertools.product(*others):
                changed = dict(zip(places, rules))
                yield tuple(changed.get(place, rule) for place, rule in enumerate(orders))


def _without(orders: Orders, place: int) -> Orders:
    return orders[:place] + orders[place + 1 :]
