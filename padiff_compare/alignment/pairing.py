"""The pairs of layers found so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional

from padiff_compare.alignment.tree import LayerTree, Node
from padiff_rpc.records import record
from padiff_rpc.v1.records import Reason
from padiff_rpc.v1.words import PairedBy

Paths = tuple[frozenset[str], frozenset[str]]


@record
class Match:
    """A pair of layers, by their first places; see `PairedLayer` for the rest."""

    reference: Node
    candidate: Node
    how: PairedBy
    confidence: float
    reason: Optional[Reason] = None

    @staticmethod
    def by_path_or(
        how: PairedBy, reference: Node, candidate: Node, confidence: float, reason: Optional[Reason] = None
    ) -> Match:
        """Returns a pair of two layers that have one path, or that something else brought together."""
        how = PairedBy.SAME_PATH if reference.path == candidate.path else how
        return Match(reference=reference, candidate=candidate, how=how, confidence=confidence, reason=reason)

    def side(self, side: int) -> Node:
        """Returns the reference's layer for 0, the candidate's for 1."""
        return self.candidate if side else self.reference


class Pairing:
    """At most one pair for each layer; a shared layer counts once, under its first path.

    Attributes:
        trees: the two sides.
        held_back: first paths of layers that may have no counterpart at all, and so pair last, by side.
        alone: first paths of layers that shall have no partner, by side.
        units: reference paths of pairs that are compared as one unit.
    """

    def __init__(
        self, trees: tuple[LayerTree, LayerTree], held_back: Paths, alone: Paths = (frozenset(), frozenset())
    ) -> None:
        self.trees = trees
        self.held_back = held_back
        self.alone = alone
        self.units: set[str] = set()
        self._matches: tuple[dict[str, Match], dict[str, Match]] = ({}, {})

    def __iter__(self) -> Iterator[Match]:
        return iter(tuple(self._matches[0].values()))

    def of(self, side: int, node: Node) -> Optional[Match]:
        """Returns the pair of a layer of that side, 0 for the reference's."""
        return self._matches[side].get(node.layer.path)

    def partner(self, side: int, node: Node) -> Optional[Node]:
        """Returns the other side's layer of the pair."""
        match = self.of(side, node)
        return match.side(1 - side) if match is not None else None

    def is_unit(self, side: int, node: Node) -> bool:
        """Whether the layer is in a pair that is compared as one unit."""
        match = self.of(side, node)
        return match is not None and match.reference.layer.path in self.units

    def add(self, match: Match) -> bool:
        """Takes a pair unless either layer has a partner, or shall have none; returns whether it did."""
        paths = match.reference.layer.path, match.candidate.layer.path
        if paths[0] in self.alone[0] or paths[1] in self.alone[1]:
            return False
        if paths[0] in self._matches[0] or paths[1] in self._matches[1]:
            return False
        self._matches[0][paths[0]] = self._matches[1][paths[1]] = match
        return True

    def remove(self, match: Match) -> None:
        """Parts a pair."""
        del self._matches[0][match.reference.layer.path]
        del self._matches[1][match.candidate.layer.path]

    def unpaired(self, side: int, nodes: Sequence[Node]) -> list[Node]:
        """Returns those of `nodes` that have no partner."""
        return [node for node in nodes if self.of(side, node) is None]
