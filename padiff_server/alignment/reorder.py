"""Re-decides, by names and by what surrounds them, layers that look alike and merely run in another order.

The order of execution pairs query with key where one side computes the key first. Here every layer says
which of the like layers near its partner suits it best; where those wishes form a closed exchange, they
are granted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from padiff_rpc.records import record
from padiff_server.alignment.anchors import DOUBTED, doubted, weighted_match
from padiff_server.alignment.evidence import Blocks, Evidence
from padiff_server.alignment.flow import Flow
from padiff_server.alignment.pairing import Match, Pairing
from padiff_server.alignment.plan import PINNED
from padiff_server.alignment.tree import Node

# So many like layers to either side are looked at, and chains of tensors are followed so far.
_NEAR, _DEPTH = 12, 3
_SURROUNDINGS, _FOLLOWS, _NUMBER, _CLEARLY = 0.5, 0.8, 0.3, 0.1
_ROUNDS = 6
_BY_NAMES = "equal type, weight shapes and names or surroundings, executed in another order"
_CONFIRMED = "equal type and weight shapes; of several like it, names or surroundings tell it"
_CONTRADICTION = "their names and the order of execution contradict each other"


@record
class _Wish:
    """A like layer that suits better; `is_worded`: by more than numbers in paths."""

    column: int
    is_worded: bool


def reorder(
    pairing: Pairing,
    flows: tuple[Flow, Flow],
    left: Sequence[Node],
    right: Sequence[Node],
    blocks: Blocks,
) -> None:
    """Exchanges partners among layers of equal looks. `left`, `right`: those with weights, in order."""
    evidence = Evidence(left, right, pairing.held_back, blocks)
    likes = _Likes(pairing, evidence, flows)
    for _ in range(_ROUNDS):
        current = _current(pairing, evidence)
        wishes = {row: wish for row in current for wish in [likes.wish(pairing, row, current)] if wish}
        exchanges = _closed(wishes, current)
        for exchange in exchanges:
            moves = {row: (current[row], column) for row, column in exchange.items()}
            _exchange(pairing, flows, evidence, moves)
        if not exchanges or _current(pairing, evidence) == current:
            break
    for row, column in _current(pairing, evidence).items():
        match = pairing.of(0, left[row])
        if match is None or match.reason not in (DOUBTED, _CONTRADICTION):
            continue
        if (
            likes.is_clear(row, column)
            if match.reason == DOUBTED
            else _follows(pairing, flows, left[row], right[column])
        ):
            pairing.remove(match)
            pairing.add(_told(weighted_match(left[row], right[column]), 0.7, _CONFIRMED))


def _current(pairing: Pairing, evidence: Evidence) -> dict[int, int]:
    """Returns the pairs of layers that look alike, by their places in the sequences."""
    columns = {node.layer.path: n for n, node in enumerate(evidence.sides[1])}
    found = {}
    for row, node in enumerate(evidence.sides[0]):
        match = pairing.of(0, node)
        column = columns.get(match.candidate.layer.path) if match is not None else None
        if match is None or column is None or match.how == PINNED:
            continue
        if evidence.look(0, row) == evidence.look(1, column):
            found[row] = column
    return found


class _Likes:
    """How well each layer suits those like it on the other side, order left aside."""

    def __init__(self, pairing: Pairing, evidence: Evidence, flows: tuple[Flow, Flow]) -> None:
        self._evidence = evidence
        self._flows = flows
        self._alike: defaultdict[Hashable, list[int]] = defaultdict(list)
        for column, node in enumerate(evidence.sides[1]):
            match = pairing.of(1, node)
            if match is None or match.how != PINNED:
                self._alike[evidence.look(1, column)].append(column)
        self._surroundings = [
            _surroundings(evidence, side, flows[side], evidence.sides[side]) for side in (0, 1)
        ]

    def wish(self, pairing: Pairing, row: int, current: Mapping[int, int]) -> Optional[_Wish]:
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
        return _Wish(column=near[chosen], is_worded=bool(worded[chosen] > worded[here] + _CLEARLY))

    def is_clear(self, row: int, column: int) -> bool:
        """Whether names and surroundings alone, without numbers or other pairs, speak for this partner."""
        near, here = self._near(row, column)
        worded = self._worded(None, row, near)
        others = [float(worded[n]) for n in range(len(near)) if n != here]
        return float(worded[here]) > max(others, default=0.0) + _CLEARLY

    def _near(self, row: int, column: int) -> tuple[list[int], int]:
        alike = self._alike[self._evidence.look(0, row)]
        place = bisect_left(alike, column)
        near = alike[max(place - _NEAR, 0) : place + _NEAR + 1]
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


def _surroundings(evidence: Evidence, side: int, flow: Flow, nodes: Sequence[Node]) -> dict[int, int]:
    """Returns, for layers whose tensors the trace connects, a hash of what feeds them and what they feed."""
    looks = {node.layer.path: evidence.look(side, n) for n, node in enumerate(nodes)}

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

    behind, ahead = spread(flow.feeds, flow.fans), spread(flow.fed, {})
    return {
        n: hash((behind[path], ahead[path]))
        for n, path in enumerate(looks)
        if flow.feeds.get(path) or flow.fed.get(path)
    }


def _closed(wishes: dict[int, _Wish], current: dict[int, int]) -> list[dict[int, int]]:
    """Returns exchanges (row -> new column) in which everyone who gives a partner up gets another.

    The last one may take what is left without a wish of its own, if the others' wishes rest on words.
    """
    holders = {column: row for row, column in current.items()}
    wanted: defaultdict[int, list[int]] = defaultdict(list)
    for row, wish in wishes.items():
        wanted[wish.column].append(row)
    clear = {row: wish for row, wish in wishes.items() if len(wanted[wish.column]) == 1}
    done: set[int] = set()
    found = []
    # A chain begins with a row whose partner nobody wants; what is left over then is a cycle.
    for first in sorted(clear, key=lambda row: (len(wanted[current[row]]), row)):
        if first in done:
            continue
        chain = [first]
        while True:
            following = holders.get(clear[chain[-1]].column)
            if following is None or following == first or following not in clear or following in chain:
                break
            chain.append(following)
        done.update(chain)
        exchange = {row: clear[row].column for row in chain}
        is_worded = all(clear[row].is_worded for row in chain)
        if following == first or (following is None and is_worded):
            found.append(exchange)
        elif following is not None and following not in wishes and is_worded:
            found.append({**exchange, following: current[first]})
    return found


def _exchange(
    pairing: Pairing, flows: tuple[Flow, Flow], evidence: Evidence, moves: dict[int, tuple[int, int]]
) -> None:
    left, right = evidence.sides
    references = [left[row] for row in moves]
    candidates = [right[old] for old, _ in moves.values()]
    is_traced = references[0].calls is not None
    sure = (
        not is_traced
        or flows[0].is_independent(references)
        or flows[1].is_independent(candidates)
        or all(_follows(pairing, flows, left[row], right[new]) for row, (_, new) in moves.items())
    )
    if not sure and not _contradicts(evidence, moves):
        return
    for row, (old, _) in moves.items():
        match = pairing.of(0, left[row])
        if match is not None and match.candidate is right[old]:
            pairing.remove(match)
    for row, (_, new) in moves.items():
        match = weighted_match(left[row], right[new])
        pairing.add(_told(match, 0.7, _BY_NAMES) if sure else doubted(match, _CONTRADICTION))


def _follows(pairing: Pairing, flows: tuple[Flow, Flow], reference: Node, candidate: Node) -> bool:
    """Whether both work on the results of one pair."""
    sources = {
        pairing.partner(0, pairing.trees[0].nodes[path])
        for path in flows[0].feeds.get(reference.layer.path, ())
    }
    theirs = {pairing.trees[1].nodes[path] for path in flows[1].feeds.get(candidate.layer.path, ())}
    return bool(sources & theirs)


def _contradicts(evidence: Evidence, moves: dict[int, tuple[int, int]]) -> bool:
    """Whether names speak loudly enough to be heard against layers that work on each other's results."""
    left, right = evidence.sides
    if all(left[row].path == right[new].path for row, (_, new) in moves.items()):
        return True
    gains = [evidence.likeness(row, [new, old]) for row, (old, new) in moves.items()]
    return sum(float(gain[0] - gain[1]) for gain in gains) > 0.2 * len(gains)


def _told(match: Match, confidence: float, reason: str) -> Match:
    return Match(
        reference=match.reference,
        candidate=match.candidate,
        how=match.how,
        confidence=max(confidence, 0.9) if match.reference.path == match.candidate.path else confidence,
        reason=reason,
    )
