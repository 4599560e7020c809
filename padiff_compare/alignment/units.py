"""Blocks whose insides cannot pair, since one side computes in one layer what the other has several for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Optional

from padiff_compare.alignment.anchors import doubted, weighted_match
from padiff_compare.alignment.containers import smallest_around
from padiff_compare.alignment.evidence import DOUBT, PairingEvidence
from padiff_compare.alignment.gaps import anchored_gaps
from padiff_compare.alignment.kinds import is_composite
from padiff_compare.alignment.pairing import Match, Pairing
from padiff_compare.alignment.plan import LOW_CONFIDENCE
from padiff_compare.alignment.sequence import align_sequences
from padiff_compare.alignment.tree import Node
from padiff_rpc.v1.records import Reason
from padiff_rpc.v1.words import Cause, PairedBy


def pair_composites(pairing: Pairing, left: Sequence[Node], right: Sequence[Node]) -> None:
    """Pairs attention with attention and LSTM with LSTM as units, where the frameworks' own differ inside."""
    if not _composites(left) or not _composites(right):
        return
    coarse = _coarse(left), _coarse(right)
    evidence = PairingEvidence(*coarse, pairing.held_back)
    evidence.bind(pairing)
    for pair in align_sequences(len(coarse[0]), len(coarse[1]), evidence.weighted):
        reference, candidate = coarse[0][pair.left], coarse[1][pair.right]
        if _is_composite(reference, candidate):
            match = weighted_match(reference, candidate)
            pairing.add(match if pair.margin >= DOUBT else doubted(match, Cause.DOUBTED))
            _make_unit(pairing, reference, candidate)


def _composites(nodes: Sequence[Node]) -> dict[int, Node]:
    return {id(one): one for node in nodes for one in (node, *node.ancestors()) if is_composite(one.kind)}


def _coarse(nodes: Sequence[Node]) -> list[Node]:
    """Returns the layers in order, with each composite in place of all that it holds."""
    found: dict[int, Node] = {}
    for node in nodes:
        outer = [one for one in (node, *node.ancestors()) if is_composite(one.kind)]
        one = outer[-1] if outer else node
        found.setdefault(id(one), one)
    return sorted(found.values(), key=lambda node: node.order)


def pair_units(
    pairing: Pairing, left: Sequence[Node], right: Sequence[Node], tops: tuple[Node, Node]
) -> None:
    """Finds blocks that do the same with other layers inside, and makes each pair of them one unit.

    `left`, `right`: all layers that compute, in order of execution, below `tops`.
    """
    for match in pairing:
        if _is_composite(match.reference, match.candidate):
            _make_unit(pairing, match.reference, match.candidate)
    gaps = anchored_gaps(pairing, left, right)
    lone: tuple[defaultdict[int, list[Node]], defaultdict[int, list[Node]]] = (
        defaultdict(list),
        defaultdict(list),
    )
    for side, nodes in enumerate((left, right)):
        for node, gap in zip(nodes, gaps[side]):
            if node.shapes and pairing.of(side, node) is None and not _in_unit(pairing, side, node):
                lone[side][gap].append(node)
    for gap, ours in lone[0].items():
        theirs = lone[1].get(gap)
        if theirs and not _pair_clusters(pairing, ours, theirs, tops):
            _pair_blocks(pairing, ours, theirs, tops)


def insides(pairing: Pairing, side: int) -> set[str]:
    """Returns first paths of what lies in units and has no pair of its own."""
    found = set()
    for match in pairing:
        if match.reference.layer.path in pairing.units:
            inside = match.side(side)
            found |= {
                node.layer.path
                for child in inside.children
                for node in child.below()
                if pairing.of(side, node) is None
            }
    return found


def _pair_clusters(
    pairing: Pairing, ours: Sequence[Node], theirs: Sequence[Node], tops: tuple[Node, Node]
) -> bool:
    """Pairs blocks that hold nothing but lone layers, one by one; returns whether they correspond."""
    clusters = _clusters(pairing, 0, ours, tops[0]), _clusters(pairing, 1, theirs, tops[1])
    if len(clusters[0]) != len(clusters[1]):
        return False
    pairs = list(zip(*clusters))
    if not all(
        _holds_as_much(*pair) and _returns_alike(*pair) and (pair[0].children or pair[1].children)
        for pair in pairs
    ):
        return False
    for reference, candidate in pairs:
        _make_unit(pairing, reference, candidate)
    return True


def _clusters(pairing: Pairing, side: int, lone: Iterable[Node], top: Node) -> list[Node]:
    """Returns the outermost layers around the lone ones in which nothing with weights has a partner."""
    found: dict[int, Node] = {}
    for node in lone:
        chosen = node
        for around in node.ancestors():
            if around is top or any(
                inner.is_part and inner.shapes and pairing.of(side, inner) is not None
                for inner in around.below()
            ):
                break
            if pairing.of(side, around) is not None:
                chosen = around
                break
            chosen = around
        found.setdefault(id(chosen), chosen)
    return list(found.values())


def _pair_blocks(
    pairing: Pairing, ours: Sequence[Node], theirs: Sequence[Node], tops: tuple[Node, Node]
) -> None:
    """Pairs the smallest blocks that hold the lone layers and each other's partners."""
    if sum(node.elements for node in ours) != sum(node.elements for node in theirs):
        return
    blocks = [smallest_around(ours), smallest_around(theirs)]
    for _ in range(64):
        if blocks[0] is None or blocks[1] is None:
            return
        wider: list[Optional[Node]] = list(blocks)
        for side in (0, 1):
            block = blocks[side]
            other = wider[1 - side]
            assert block is not None
            partners = [
                partner
                for node in block.below()
                for partner in [pairing.partner(side, node)]
                if partner is not None and node.is_part and node.shapes
            ]
            outside = [node for node in partners if other is not None and not _is_below(node, other)]
            if outside and other is not None:
                wider[1 - side] = smallest_around([other, *outside])
        if wider == blocks:
            break
        blocks = wider
    reference, candidate = blocks
    if reference is not None and candidate is not None:
        _make_unit(pairing, reference, candidate)


def _make_unit(pairing: Pairing, reference: Node, candidate: Node) -> None:
    """Makes two blocks one unit, if they can be a pair; doubtful and uncalled inner pairs part."""
    match = pairing.of(0, reference)
    if match is None and pairing.of(1, candidate) is None:
        if not reference.may_be_called_as_often(candidate) or not _returns_alike(reference, candidate):
            return
        match = Match.by_path_or(PairedBy.UNIT, reference, candidate, 0.8, Reason(cause=Cause.ONE_UNIT))
        pairing.add(match)
    if match is None or match.candidate is not candidate:
        return
    pairing.units.add(reference.layer.path)
    for inner in [node for child in reference.children for node in child.below()]:
        found = pairing.of(0, inner)
        if (
            found is not None
            and found.how is not PairedBy.ROOT
            and (
                _is_composite(reference, candidate)
                or found.reference.is_called != found.candidate.is_called
                or found.confidence < LOW_CONFIDENCE
            )
        ):
            pairing.remove(found)


def _is_composite(reference: Node, candidate: Node) -> bool:
    """Whether two frameworks built the two from different layers."""
    return (
        is_composite(reference.kind)
        and reference.kind == candidate.kind
        and reference.layer.framework != candidate.layer.framework
        and bool(reference.children or candidate.children)
    )


def _holds_as_much(reference: Node, candidate: Node) -> bool:
    elements = [sum(node.elements for node in top.below()) for top in (reference, candidate)]
    return elements[0] == elements[1]


def _returns_alike(reference: Node, candidate: Node) -> bool:
    """Whether the results could be the same, whatever the layout: a packed one is none of three."""
    if not (reference.has_returned and candidate.has_returned):
        return True
    shapes = [[sorted(slot.spec.shape) for slot in node.outputs[:1]] for node in (reference, candidate)]
    return shapes[0] == shapes[1]


def _in_unit(pairing: Pairing, side: int, node: Node) -> bool:
    return any(pairing.is_unit(side, around) for around in node.ancestors())


def _is_below(node: Node, top: Node) -> bool:
    return node is top or any(around is top for around in node.ancestors())
