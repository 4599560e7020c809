"""The elements of a pair of tensors that differ most."""

from __future__ import annotations

from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_rpc.v1.records import WorstElement

Reals = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_KEPT = 3


class WorstElements:
    """Keeps three elements whatever order they come in; of equal differences the lowest positions.

    Positions count reals: an element has `parts` of them, 2 if it is complex, and its worse part speaks
    for it.
    """

    def __init__(self, parts: int) -> None:
        self._parts = parts
        # Distance, position, reference, candidate; worst first. All parts might be of one element.
        self._kept: list[tuple[float, int, float, float]] = []
        self._room = _KEPT * parts

    def wants(self, largest: float, offset: int) -> bool:
        """Whether a block that begins at `offset` and whose largest distance this is has to be added."""
        if len(self._kept) < self._room:
            return largest > 0.0
        distance, position = self._kept[-1][:2]
        return largest > distance or (largest == distance and offset < position)

    def add(
        self,
        offset: int,
        positions: Optional[Indices],
        reference: Reals,
        candidate: Reals,
        distance: Reals,
    ) -> None:
        """Takes a block's distances |candidate - reference|.

        They lie at `positions` after `offset`; None means one after the other.
        """
        threshold = 0.0
        if distance.size > self._room:
            threshold = float(np.partition(distance, distance.size - self._room)[-self._room])
        chosen = np.flatnonzero((distance >= threshold) & (distance > 0.0))
        chosen = chosen[np.argsort(-distance[chosen], kind="stable")[: self._room]]
        places = chosen if positions is None else positions[chosen]
        self._keep(
            [
                (float(distance[i]), offset + int(place), float(reference[i]), float(candidate[i]))
                for i, place in zip(chosen, places)
            ]
        )

    def merge(self, other: WorstElements) -> None:
        self._keep(other._kept)

    def elements(self, shape: tuple[int, ...]) -> tuple[WorstElement, ...]:
        """Returns up to three elements of a tensor of `shape`, worst first."""
        found: dict[int, WorstElement] = {}
        for distance, position, reference, candidate in self._kept:
            number = position // self._parts
            index = tuple(int(i) for i in np.unravel_index(number, shape))
            found.setdefault(
                number,
                WorstElement(
                    index=index,
                    reference=reference,
                    candidate=candidate,
                    abs_diff=distance,
                    imaginary=position % self._parts == 1,
                ),
            )
        return tuple(found.values())[:_KEPT]

    def _keep(self, more: list[tuple[float, int, float, float]]) -> None:
        ordered = sorted(self._kept + more, key=lambda element: (-element[0], element[1]))
        self._kept = ordered[: self._room]
