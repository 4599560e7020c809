"""Differences that rounding alone explains: where terms cancel, and in what is made of such sums."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import Generic, Optional, TypeVar

from padiff_rpc.options import Options
from padiff_rpc.tensors import COMPLEX, FLOATING, epsilon
from padiff_rpc.words import DType
from padiff_server.judging.judge import agrees, distance, may_be_rounding
from padiff_server.judging.measured import Measured

K = TypeVar("K", bound=Hashable)

# Of the terms, in epsilons. Seen where the true sum is zero: 0.5 to 8. A fault as large as a hundred of
# them fails, and so does a gradient times 3 that is larger than fifty.
_FLOOR_EPSILONS = 100.0
# 100 epsilons of a half would swallow honest gradients.
_LARGEST_FLOOR = 1e-3
# A layer, or code between two, makes noise larger by a few times; sqrt(768) is a usual factor.
GAIN = 30.0


def rounding_floor(terms: float, dtype: DType) -> float:
    """Returns how large rounding may be in sums whose terms, had they not cancelled, came to `terms`."""
    if dtype not in FLOATING and dtype not in COMPLEX:
        return 0.0
    return terms * min(_FLOOR_EPSILONS * epsilon(dtype), _LARGEST_FLOOR)


class Noise(Generic[K]):
    """What is known of the noise at each place that was noted.

    Attributes:
        floors: how far apart (root mean square) the two sides of each place may be by rounding alone.
        apart: the norm of the difference of each place that differs by rounding alone.
    """

    def __init__(self, options: Options) -> None:
        self.floors: dict[K, float] = {}
        self.apart: dict[K, float] = {}
        self._options = options

    def note(self, key: K, measured: Measured, floor: float, level: float) -> None:
        """Takes in a place, once; `floor` is what rounding its own terms may come to.

        `level`: the norm of the noise in what it may be made of, which is larger by now, but not by much.
        """
        figures = measured.figures
        if key in self.floors or figures is None or not figures.elements:
            return
        size = math.sqrt(figures.elements)
        floor = self.floors[key] = max(floor, GAIN * level / size)
        if not agrees(figures, measured.tolerance, self._options) and may_be_rounding(
            figures, measured.tolerance, floor
        ):
            self.apart[key] = distance(figures, measured.tolerance) * size

    def level(self, keys: Iterable[K]) -> float:
        """Returns the norm of the noise in these places, the largest of them."""
        return max((self.apart.get(key, 0.0) for key in keys), default=0.0)


def norm_of(measured: Optional[Measured]) -> Optional[float]:
    """Returns the norm of the reference's floating values, without marks; None where none were measured."""
    if measured is None or measured.figures is None or measured.reference.dtype not in FLOATING | COMPLEX:
        return None
    return measured.scale * math.sqrt(measured.figures.elements)
