"""Differences that rounding alone explains: where terms cancel, and in what is made of such sums."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import Generic, Optional, TypeVar

from padiff_compare.judge.evidence import Measured, agrees
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
