"""Differences that rounding alone explains: where terms cancel, and in what is made of such sums."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import Generic, Optional, TypeVar

from padiff_compare.judge.evidence import LARGEST_SCORE, Measured, agrees, spacing
from padiff_compare.judge.interim import distance, may_be_rounding
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING, epsilon
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import DType

K = TypeVar("K", bound=Hashable)

# The share of its terms, in epsilons, that rounding may come to. Seen where the true sum is zero: 0.5 to 8. A
# fault as large as a hundred of them fails, and so does a gradient times 3 that is larger than fifty.
_FLOOR_EPSILONS = 100.0
# 100 epsilons of a half would swallow honest gradients.
_LARGEST_FLOOR = 1e-3
# What layers and code behind a sum may make its noise larger by, all together; sqrt(768) is a usual factor.
GAIN = 30.0

# What sums of many terms lose, in epsilons of the dtype that they are added up in: see docs/verdicts.md.
# Where terms cancel, so much for each root of their number, of what they come to if they do not; and of what
# they do come to, from the first number on, and more steeply from the second on, where single terms are lost
# beside the sum.
_CANCELLING_TERMS = 64.0
_MANY_TERMS, _LOST_TERMS = 1024.0, 2.0**17
# Norms add up in vectors of so many numbers.
LANES_OF_NORMS = 8.0


@record
class Terms:
    """What sums a tensor's elements are: root mean squares over the elements, and how many terms each has.

    Attributes:
        scale: what the terms would come to if their signs were drawn; 0 where that is not known.
        result: what they come to, where that is known to be a sum of so many.
        lanes: how many parts of a sum are added up side by side, at least.
    """

    scale: float = 0.0
    result: float = 0.0
    count: float = 1.0
    lanes: float = 1.0


def rounding_of_sums(terms: Terms, dtype: DType) -> float:
    """Returns how far apart (root mean square) rounding may bring two ways of adding up the same terms.

    Each term may be rounded by itself. What is added up is rounded at each term, in float32 at the coarsest.
    """
    if dtype not in FLOATING and dtype not in COMPLEX:
        return 0.0
    of_each = spacing(dtype) * terms.scale
    of_sum = min(epsilon(dtype), epsilon(DType.FLOAT32))
    cancelled = of_sum * math.sqrt(terms.count / _CANCELLING_TERMS) * terms.scale
    in_a_lane = terms.count / terms.lanes
    growth = math.sqrt(in_a_lane / _MANY_TERMS) * max(1.0, in_a_lane / _LOST_TERMS)
    return LARGEST_SCORE * max(of_each, cancelled, of_sum * max(1.0, growth) * terms.result)


def rounding_floor(terms: float, dtype: DType) -> float:
    """Returns how large rounding may be in sums whose terms, had they not cancelled, came to `terms`."""
    if dtype not in FLOATING and dtype not in COMPLEX:
        return 0.0
    return terms * min(_FLOOR_EPSILONS * epsilon(dtype), _LARGEST_FLOOR)


@record
class Level:
    """How much noise a tensor holds.

    Attributes:
        norm: of what the terms of some sum explain. What layers behind it made of that is not added, lest
            noise of noise have no bound.
        elements: of the tensor.
    """

    norm: float = 0.0
    elements: int = 1

    def spread_over(self, elements: int) -> float:
        """Returns how large (root mean square) the noise is in so many elements that are made of it."""
        return self.norm / math.sqrt(max(elements, self.elements))


class Noise(Generic[K]):
    """What is known of the noise at each place that was noted.

    Attributes:
        floors: how far apart (root mean square) the two sides of each place may be by rounding alone.
        levels: of each place that differs by rounding alone.
    """

    def __init__(self, options: Options) -> None:
        self.floors: dict[K, float] = {}
        self.levels: dict[K, Level] = {}
        self._options = options

    def note(self, key: K, measured: Measured, floor: float, level: Level, gain: float = 1.0) -> None:
        """Takes in a place, once; `floor` is what rounding its own terms may come to.

        `level`: of what it may be made of; `gain`: what it makes noise larger by, on top of what all may.
        """
        figures = measured.figures
        if key in self.floors or figures is None or not figures.elements:
            return
        handed = gain * level.spread_over(figures.elements)
        self.floors[key] = max(floor, GAIN * handed)
        if agrees(figures, measured.tolerance, self._options) or not may_be_rounding(
            figures, measured.tolerance, self.floors[key]
        ):
            return
        is_explained = distance(figures, measured.tolerance) < floor
        size = figures.rmse if is_explained else min(figures.rmse, handed)
        self.levels[key] = Level(norm=size * math.sqrt(figures.elements), elements=figures.elements)

    def level(self, keys: Iterable[K]) -> Level:
        """Returns the largest noise in these places."""
        return louder(*(self.levels.get(key, Level()) for key in keys))


def louder(*levels: Level) -> Level:
    """Returns the level of the largest norm."""
    return max(levels, key=lambda level: level.norm, default=Level())


def norm_of(measured: Optional[Measured]) -> Optional[float]:
    """Returns the norm of the reference's floating values, without marks; None where none were measured."""
    if measured is None or measured.figures is None or measured.reference.dtype not in FLOATING | COMPLEX:
        return None
    return measured.scale * math.sqrt(measured.figures.elements)
