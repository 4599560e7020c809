"""Pairs the layers without weights in the gaps between the anchors, and what else those leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from padiff_compare.alignment.anchors import doubted, other_kind, weighted_match
from padiff_compare.alignment.evidence import DOUBT, PairingEvidence, share
from padiff_compare.alignment.kinds import is_composite, is_norm
from padiff_compare.alignment.pairing import Match, Pairing
from padiff_compare.alignment.plan import LOW_CONFIDENCE
from padiff_compare.alignment.sequence import Aligned, align_sequences, longest_chain
from padiff_compare.alignment.tree import Node
from padiff_rpc.v1.records import Reason
from padiff_rpc.v1.words import Cause, PairedBy

# Of the anchors in order: the gap that each layer lies in, by position; -1 in none.
Gaps = tuple[list[int], list[int]]


def pair_free(pairing: Pairing, left: Sequence[Node], right: Sequence[Node]) -> None:
    """Pairs layers without weights. `left`, `right`: all layers that compute, in order of execution.

    And norms of which one has a weight and a bias, and the other has not.
    """
    for divide in (_taken, _behind, _before, anchored_gaps):
        gaps = divide(pairing, left, right)
        _pair(
            pairing,
            [(node, gap) for node, gap in zip(left, gaps[0]) if _is_free(node)],
            [(node, gap) for node, gap in zip(right, gaps[1]) if _is_free(node)],
        )


def pair_misfits(pairing: Pairing, left: Sequence[Node], right: Sequence[Node]) -> bool:
    """Pairs layers of one kind, or users' own, whose weights differ in shape, where nothing else is left.

    Returns whether there are any.

    A head with the wrong number of classes then is one bad pair, and no riddle.
    """
    found = False
    gaps = anchored_gaps(pairing, left, right)
    lone: tuple[dict[int, list[Node]], dict[int, list[Node]]] = ({}, {})
    for side, nodes in enumerate((left, right)):
        for node, gap in zip(nodes, gaps[side]):
            if node.shapes and pairing.of(side, node) is None:
                lone[side].setdefault(gap, []).append(node)
    for gap, ours in lone[0].items():
        theirs = lone[1].get(gap, [])
        if len(ours) != len(theirs):
            named = {node.path: node for node in theirs}
            pairs = [(node, named[node.path]) for node in ours if node.path in named]
        else:
            pairs = list(zip(ours, theirs))
        for reference, candidate in pairs:
            if _is_misfit(reference, candidate):
                found |= pairing.add(weighted_match(reference, candidate))
    return found


def _is_misfit(reference: Node, candidate: Node) -> bool:
    """Whether two layers are of one kind, or users' own with half of their weights alike in shape."""
    is_custom = not (reference.kind and candidate.kind)
    is_alike = reference.type_name == candidate.type_name or (
        is_custom and share(reference, candidate) >= 0.5
    )
    return is_alike and reference.is_called == candidate.is_called


def _is_free(node: Node) -> bool:
    return not node.shapes or is_norm(node.kind)


def _pair(pairing: Pairing, left: Sequence[tuple[Node, int]], right: Sequence[tuple[Node, int]]) -> None:
    ours = [(node, gap) for node, gap in left if gap >= 0 and pairing.of(0, node) is None]
    theirs = [(node, gap) for node, gap in right if gap >= 0 and pairing.of(1, node) is None]
    ours.sort(key=lambda one: one[1])
    theirs.sort(key=lambda one: one[1])
    for pair in aligned_in_gaps(pairing, ours, theirs):
        match = free_match(ours[pair.left][0], theirs[pair.right][0])
        if pair.margin < DOUBT:
            match = doubted(match, Cause.DOUBTED)
        pairing.add(match)


def aligned_in_gaps(
    pairing: Pairing, ours: Sequence[tuple[Node, int]], theirs: Sequence[tuple[Node, int]]
) -> list[Aligned]:
    """Returns the best pairs, by their places, of which both lie in gaps of one number.

    Both sequences are sorted by these numbers.
    """
    if not ours or not theirs:
        return []
    evidence = PairingEvidence([node for node, _ in ours], [node for node, _ in theirs], pairing.held_back)
    rows = np.array([gap for _, gap in ours])
    columns = np.array([gap for _, gap in theirs])

    def score(row: int, start: int, stop: int) -> NDArray[np.int32]:
        scores = np.where(columns[start:stop] == rows[row], evidence.free(row, start, stop), 0)
        return scores.astype(np.int32)

    return align_sequences(len(ours), len(theirs), score, _centres(rows, columns))


def _centres(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> list[int]:
    """Returns where to look for each row: as far into the gap's columns as it is into the gap's rows."""
    row_starts, row_ends = np.searchsorted(rows, rows, "left"), np.searchsorted(rows, rows, "right")
    starts, ends = np.searchsorted(columns, rows, "left"), np.searchsorted(columns, rows, "right")
    into = (np.arange(len(rows)) - row_starts) / (row_ends - row_starts)
    return [int(n) for n in np.minimum(starts + into * (ends - starts), len(columns) - 1)]


def free_match(reference: Node, candidate: Node) -> Match:
    """Returns the pair of two layers without weights, as sure as kinds and paths make it."""
    same_path = reference.path == candidate.path
    if reference.type_name == candidate.type_name:
        confidence, reason = (1.0, None) if same_path else (0.7, Reason(cause=Cause.SAME_PLACE))
    else:
        confidence, reason = 0.5, other_kind(reference, candidate)
    return Match.by_path_or(PairedBy.ORDER_AND_TYPE, reference, candidate, confidence, reason)


def _taken(pairing: Pairing, left: Sequence[Node], right: Sequence[Node]) -> Gaps:
    """Divides by the pair that takes a layer's result, straight or by way of others without weights.

    Of several the first in the reference's order: branches may run in any.
    """
    places = {node.layer.path: n for n, node in enumerate(left)}
    found: Gaps = ([-1] * len(left), [-1] * len(right))
    for side, nodes in enumerate((left, right)):
        takers: dict[int, int] = {}
        for n, node in reversed(list(enumerate(nodes))):
            match = pairing.of(side, node)
            if match is not None and bounds(node, match):
                gap = places.get(match.reference.layer.path, -1)
            else:
                gap = min((takers[one.tensor] for one in node.outputs if one.tensor in takers), default=-1)
            found[side][n] = gap
            if gap >= 0:
                takers.update((one.tensor, min(gap, takers.get(one.tensor, gap))) for one in node.inputs)
    return found


def _behind(pairing: Pairing, left: Sequence[Node], right: Sequence[Node]) -> Gaps:
    """Divides by the last pair before a layer, whatever order the pairs run in."""
    return _divided(pairing, left, right)


def _before(pairing: Pairing, left: Sequence[Node], right: Sequence[Node]) -> Gaps:
    """Divides by the next pair behind a layer."""
    gaps = _divided(pairing, left[::-1], right[::-1])
    return gaps[0][::-1], gaps[1][::-1]


def anchored_gaps(pairing: Pairing, left: Sequence[Node], right: Sequence[Node]) -> Gaps:
    """Divides by the pairs that keep order on both sides."""
    position = {node.layer.path: n for n, node in enumerate(right)}
    pairs = []
    for n, node in enumerate(left):
        partner = pairing.partner(0, node)
        match = pairing.of(0, node)
        if (
            match is not None
            and partner is not None
            and partner.layer.path in position
            and bounds(node, match)
        ):
            pairs.append((n, position[partner.layer.path]))
    chain = longest_chain(pairs)
    found: Gaps = ([], [])
    for side, nodes in enumerate((left, right)):
        edges, gap = {pair[side] for pair in chain}, 0
        for n in range(len(nodes)):
            gap += n in edges
            found[side].append(gap)
    return found


def _divided(pairing: Pairing, left: Sequence[Node], right: Sequence[Node]) -> Gaps:
    numbers: dict[str, int] = {}
    found: Gaps = ([], [])
    for side, nodes in enumerate((left, right)):
        gap = 0
        for node in nodes:
            match = pairing.of(side, node)
            if match is not None and bounds(node, match):
                gap = numbers.setdefault(match.reference.layer.path, len(numbers) + 1)
            found[side].append(gap)
    return found


def bounds(node: Node, match: Match) -> bool:
    """Whether a pair divides what lies before it from what lies behind."""
    is_weighted = bool(node.shapes) or is_composite(node.kind)
    return match.how is PairedBy.PINNED or (
        is_weighted and node.is_called and match.confidence >= LOW_CONFIDENCE
    )
