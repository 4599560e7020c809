"""The pairs found so far, and the two ways of finding more in a pair of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Optional

from padiff_rpc.records import record
from padiff_server.likeness import Level, Likeness, likeness
from padiff_server.plan import ORDER_AND_TYPE, PINNED, SAME_PATH
from padiff_server.sequence import Positions, align_between
from padiff_server.tree import LayerTree, Node

# What a pair adds to an order-preserving alignment. No number of pairs of a lower rank outweighs one of
# a higher rank in any real model; an equal name only breaks ties.
_RANK = {Level.EXACT: 10**24, Level.CLOSE: 10**20, Level.PARTIAL: 10**16, Level.SAME_KIND: 10**12}
_WITHOUT_WEIGHTS, _NAME_ALONE, _SAME_NAME = 10**8, 10**4, 1

_BY_ORDER = "equal order and type; the paths differ"
_BY_SHAPES = "equal type and weight shapes; order and paths differ"


@record
class Match:
    reference: Node
    candidate: Node
    how: str
    confidence: float
    reason: str = ""


@dataclass
class Rows:
    """Layers of both sides that may pair with each other, in execution order, below `tops`."""

    left: list[Node]
    right: list[Node]
    tops: tuple[Node, Node]

    def same_name(self, reference: Node, candidate: Node) -> bool:
        return reference.name_under(self.tops[0]) == candidate.name_under(self.tops[1])


@record
class _Entry:
    node: Node
    name: str
    held_back: bool


# Whether a pair that the alignment proposes is taken: (likeness, reference, candidate).
Accept = Callable[[Likeness, Node, Node], bool]


class Matches:
    """At most one pair for each layer; a layer that is shared by several parents counts once.

    `held_back` are first paths of layers, by side, that may have no counterpart at all: they pair by
    name, or with what all others left.
    """

    def __init__(
        self, reference: LayerTree, candidate: LayerTree, held_back: tuple[frozenset[str], frozenset[str]]
    ) -> None:
        self.reference = reference
        self.candidate = candidate
        self._held_back = held_back
        self._of_reference: dict[str, Match] = {}
        self._of_candidate: dict[str, Match] = {}
        # By looks, of which even a model of thousands of layers has few.
        self._known: dict[tuple[int, int], Likeness] = {}
        self._ranks: dict[tuple[int, int, bool], int] = {}

    def __iter__(self) -> Iterator[Match]:
        return iter(tuple(self._of_reference.values()))

    def of_reference(self, node: Node) -> Optional[Match]:
        return self._of_reference.get(node.layer.path)

    def of_candidate(self, node: Node) -> Optional[Match]:
        return self._of_candidate.get(node.layer.path)

    def is_held_back(self, reference: Optional[Node], candidate: Optional[Node] = None) -> bool:
        return (reference is not None and reference.layer.path in self._held_back[0]) or (
            candidate is not None and candidate.layer.path in self._held_back[1]
        )

    def like(self, reference: Node, candidate: Node) -> Likeness:
        """Returns `likeness` of the two, computed once for all that look the same."""
        key = (reference.look, candidate.look)
        if key not in self._known:
            self._known[key] = likeness(reference, candidate)
        return self._known[key]

    def add(self, match: Match) -> None:
        """Takes a match, unless either layer has a partner already."""
        if self.of_reference(match.reference) is None and self.of_candidate(match.candidate) is None:
            self._of_reference[match.reference.layer.path] = match
            self._of_candidate[match.candidate.layer.path] = match

    def pin(self, reference: Node, candidate: Node, how: str = PINNED) -> None:
        """Pairs two layers whatever they look like."""
        self.add(Match(reference=reference, candidate=candidate, how=how, confidence=1.0))

    def pair(self, reference: Node, candidate: Node, why: str, doubt: float = 0.0) -> None:
        """Pairs two layers as sure as they look alike, less `doubt` where the paths do not agree too.

        `why` becomes the reason where nothing else speaks against a pair of different paths.
        """
        like = self.like(reference, candidate)
        same_path = reference.path == candidate.path
        confidence = 1.0 if same_path and like.level is Level.EXACT else like.confidence - doubt
        self.add(
            Match(
                reference=reference,
                candidate=candidate,
                how=SAME_PATH if same_path else ORDER_AND_TYPE,
                confidence=round(max(confidence, 0.1), 2),
                reason=like.reason or ("" if same_path else why),
            )
        )

    def pair_in_order(
        self, rows: Rows, accept: Accept, *, held_back: bool = False, doubt: float = 0.0
    ) -> None:
        """Pairs along the best order-preserving alignment of what has no partner between pairs.

        The alignment weighs all that looks alike, so that a layer with a fault keeps its place; only
        what `accept` takes is paired.
        """

        left = [self._entry(node, rows.tops[0], self._held_back[0]) for node in rows.left]
        right = [self._entry(node, rows.tops[1], self._held_back[1]) for node in rows.right]

        def score(one: _Entry, other: _Entry) -> int:
            if self.of_reference(one.node) is not None or self.of_candidate(other.node) is not None:
                return 0
            named = one.name == other.name
            if (one.held_back or other.held_back) and not (held_back or named):
                return 0
            return self._rank(one.node, other.node, named)

        for i, j in align_between(left, right, self._anchors(rows), score):
            reference, candidate = rows.left[i], rows.right[j]
            if accept(self.like(reference, candidate), reference, candidate):
                self.pair(reference, candidate, _BY_ORDER, doubt)

    def pair_in_any_order(
        self, rows: Rows, *, containers_only: bool = False, held_back: bool = False, doubt: float = 0.1
    ) -> None:
        """Pairs what holds weights and is exactly alike, though it is executed in another order."""
        for reference in rows.left:
            if not reference.content or (containers_only and not reference.children):
                continue
            for candidate in rows.right:
                if self.of_reference(reference) is not None:
                    break
                if self.of_candidate(candidate) is not None:
                    continue
                if self.is_held_back(reference, candidate) and not held_back:
                    continue
                if self.like(reference, candidate).level is Level.EXACT:
                    self.pair(reference, candidate, _BY_SHAPES, doubt)

    def _rank(self, reference: Node, candidate: Node, named: bool) -> int:
        key = (reference.look, candidate.look, named)
        if key not in self._ranks:
            self._ranks[key] = _rank(self.like(reference, candidate), reference, candidate, named)
        return self._ranks[key]

    @staticmethod
    def _entry(node: Node, top: Node, held_back: frozenset[str]) -> _Entry:
        return _Entry(node=node, name=node.name_under(top), held_back=node.layer.path in held_back)

    def _anchors(self, rows: Rows) -> list[Positions]:
        columns: dict[str, int] = {}
        for j, node in enumerate(rows.right):
            columns.setdefault(node.layer.path, j)
        anchors = []
        for i, node in enumerate(rows.left):
            match = self.of_reference(node)
            if match is not None and match.candidate.layer.path in columns:
                # A layer that is shared stands for its first place alone.
                anchors.append((i, columns.pop(match.candidate.layer.path)))
        return anchors


def _rank(like: Likeness, reference: Node, candidate: Node, named: bool) -> int:
    if like.level is Level.IMPOSSIBLE or (like.level is Level.UNLIKE and not named):
        return 0
    rank = _RANK.get(like.level, _NAME_ALONE)
    if not reference.content and not candidate.content:
        rank = min(rank, _WITHOUT_WEIGHTS)
    return rank + (_SAME_NAME if named else 0)
