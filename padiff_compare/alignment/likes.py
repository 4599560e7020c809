"""A score of how well a layer suits those that look like it, the order of execution left aside."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from padiff_compare.alignment.evidence import PairingEvidence
from padiff_compare.alignment.flow import Flow
from padiff_compare.alignment.pairing import Pairing
from padiff_rpc.records import record
from padiff_rpc.v1.words import PairedBy

# So many like layers to either side are looked at, and chains of tensors are followed so far.
NEAR, _DEPTH = 12, 3
_SURROUNDINGS, _FOLLOWS, _NUMBER, _CLEARLY = 0.5, 0.8, 0.3, 0.1


@record
class Wish:
    """A like layer that suits better; `is_worded`: by more than numbers in paths."""

    column: int
    is_worded: bool


class Likes:
    """How well each layer suits those like it on the other side, order left aside."""

    def __init__(self, pairing: Pairing, evidence: PairingEvidence, flows: tuple[Flow, Flow]) -> None:
        self._evidence = evidence
        self._flows = flows
        self._alike: defaultdict[Hashable, list[int]] = defaultdict(list)
        for column, node in enumerate(evidence.sides[1]):
            match = pairing.of(1, node)
            if match is None or match.how is not PairedBy.PINNED:
                self._alike[evidence.look(1, column)].append(column)
        knows_ahead = not any(tree.is_cut for tree in pairing.trees)
        self._surroundings = [
            _surroundings(evidence, side, flows[side], knows_ahead=knows_ahead) for side in (0, 1)
        ]

    def wish(self, pairing: Pairing, row: int, current: Mapping[int, int]) -> Optional[Wish]:
        """Returns what suits the row clearly better than its partner; of equals the nearest."""
        near, here = self._near(row, current[row])
        if len(near) < 2:
            return None
        worded = self._worded(pairing, row, near)
        total = worded + _NUMBER * self._evidence.same_number(row, near)
        best = float(total.max())
        if best <= total[here] + _CLEARLY:
            return None
        equals = [n for n in range(len(near)) if total[n] > best - _CLEARLY]
        distances = sorted(abs(n - here) for n in equals)
        if len(distances) > 1 and distances[0] == distances[1]:
            return None
        chosen = min(equals, key=lambda n: abs(n - here))
        return Wish(column=near[chosen], is_worded=bool(worded[chosen] > worded[here] + _CLEARLY))

    def is_clear(self, row: int, column: int) -> bool:
        """Whether names and surroundings alone, without numbers or other pairs, speak for this partner."""
        near, here = self._near(row, column)
        worded = self._worded(None, row, near)
        others = [float(worded[n]) for n in range(len(near)) if n != here]
        return float(worded[here]) > max(others, default=0.0) + _CLEARLY

    def _near(self, row: int, column: int) -> tuple[list[int], int]:
        alike = self._alike[self._evidence.look(0, row)]
        place = bisect_left(alike, column)
        near = alike[max(place - NEAR, 0) : place + NEAR + 1]
        return near, near.index(column)

    def _worded(self, pairing: Optional[Pairing], row: int, near: Sequence[int]) -> NDArray[np.float64]:
        around = self._surroundings[0].get(row)
        following = self._following(pairing, row) if pairing is not None else set()
        right = self._evidence.sides[1]
        bonus = [
            _SURROUNDINGS * (around is not None and self._surroundings[1].get(column) == around)
            + _FOLLOWS * (right[column].layer.path in following)
            for column in near
        ]
        worded: NDArray[np.float64] = self._evidence.likeness(row, near) + np.array(bonus)
        return worded

    def _following(self, pairing: Pairing, row: int) -> set[str]:
        """Returns what works on the results of the partners of those on whose results the row works."""
        trees = pairing.trees
        found: set[str] = set()
        for source in self._flows[0].feeds.get(self._evidence.sides[0][row].layer.path, ()):
            partner = pairing.partner(0, trees[0].nodes[source])
            if partner is not None:
                found.update(self._flows[1].fed.get(partner.layer.path, ()))
        return found


def _surroundings(evidence: PairingEvidence, side: int, flow: Flow, *, knows_ahead: bool) -> dict[int, int]:
    """Returns, for layers whose tensors the trace connects, a hash of what feeds them and what they feed.

    What they feed is known where neither trace was cut short.
    """
    looks = {node.layer.path: evidence.look(side, n) for n, node in enumerate(evidence.sides[side])}

    def spread(edges: Mapping[str, Sequence[str]], lone: Mapping[str, int]) -> dict[str, int]:
        around = {path: hash(look) for path, look in looks.items()}
        for _ in range(_DEPTH):
            around = {
                path: hash(
                    (
                        looks[path],
                        0 if edges.get(path) else lone.get(path, 0),
                        *sorted(around[other] for other in edges.get(path, ()) if other in looks),
                    )
                )
                for path in looks
            }
        return around

    behind = spread(flow.feeds, flow.fans if knows_ahead else {})
    ahead = spread(flow.fed, {}) if knows_ahead else dict.fromkeys(looks, 0)
    return {
        n: hash((behind[path], ahead[path]))
        for n, path in enumerate(looks)
        if flow.feeds.get(path) or (knows_ahead and flow.fed.get(path))
    }
