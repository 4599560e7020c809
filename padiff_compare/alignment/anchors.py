"""Pairs the layers with weights along the order of execution; they are what all else hangs on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from padiff_compare.alignment.evidence import DOUBT, Blocks, PairingEvidence, loose_shapes, share
from padiff_compare.alignment.pairing import Match, Pairing
from padiff_compare.alignment.plan import LOW_CONFIDENCE
from padiff_compare.alignment.sequence import WIDEST, align_sequences
from padiff_compare.alignment.tree import Node
from padiff_rpc.v1.words import PairedBy

# Each further round finds what runs in another order: a branch, a tower.
_ROUNDS = 8
_WIDTH_OF_REST = 96
# Names that agree this far are no coincidence.
_ALIKE = 0.3
DOUBTED = "another pairing fits as well"
OUT_OF_ORDER = "equal type and weight shapes, executed in another order"


def pair_anchors(pairing: Pairing, left: Sequence[Node], right: Sequence[Node], blocks: Blocks) -> None:
    """Pairs layers with weights: the best order-preserving alignment, then the best of what is left.

    What would pair by its order alone, for its kind or weights differ, does so last: another branch may have
    the layer that it is.
    """
    unlike: list[Match] = []
    _pair_in_rounds(pairing, left, right, blocks, unlike)
    for match in unlike:
        if pairing.of(0, match.reference) is None and pairing.of(1, match.candidate) is None:
            pairing.add(match)


def _pair_in_rounds(
    pairing: Pairing, left: Sequence[Node], right: Sequence[Node], blocks: Blocks, unlike: list[Match]
) -> None:
    for round_ in range(_ROUNDS):
        if round_:
            left, right = pairing.unpaired(0, left), pairing.unpaired(1, right)
        left, right = _with_chances(pairing, left, right)
        if not left or not right:
            return
        evidence = PairingEvidence(left, right, pairing.held_back, blocks)
        evidence.bind(pairing)
        widest = _WIDTH_OF_REST if round_ else WIDEST
        found = align_sequences(len(left), len(right), evidence.weighted, widest=widest)
        for pair in found:
            if pairing.of(0, left[pair.left]) is not None:
                continue
            match = weighted_match(left[pair.left], right[pair.right])
            is_unlike = match.confidence < LOW_CONFIDENCE
            if round_:
                likeness = float(evidence.likeness(pair.left, [pair.right])[0])
                match = _out_of_order(match, likeness)
                if match.confidence < LOW_CONFIDENCE:
                    continue
            match = doubted(match, DOUBTED) if pair.margin < DOUBT else match
            if is_unlike:
                unlike.append(match)
            else:
                pairing.add(match)
        if round_ and not found:
            return


def _with_chances(
    pairing: Pairing, left: Sequence[Node], right: Sequence[Node]
) -> tuple[list[Node], list[Node]]:
    """Returns the layers that have a partner, or whose weights anything on the other side might have."""
    looks = [{look for node in nodes for look in _looks(node)} for nodes in (left, right)]
    kept = [
        [
            node
            for node in nodes
            if pairing.of(side, node) is not None or not looks[1 - side].isdisjoint(_looks(node))
        ]
        for side, nodes in enumerate((left, right))
    ]
    return kept[0], kept[1]


def _looks(node: Node) -> tuple[Hashable, ...]:
    return (
        loose_shapes(node.shapes),
        (node.type_name, node.signature),
        (node.type_name, node.main_shape),
        ("largest", loose_shapes([node.main_shape])),
    )


def weighted_match(reference: Node, candidate: Node) -> Match:
    """Returns the pair, as sure as kinds, weight shapes and paths make it."""
    same_path = reference.path == candidate.path
    same_kind = reference.type_name == candidate.type_name
    confidence, reason = 0.9, "" if same_path else "equal order and type; the paths differ"
    if same_kind and reference.signature == candidate.signature:
        confidence = 1.0 if same_path else 0.9
    elif same_kind and reference.main_shape == candidate.main_shape:
        confidence, reason = 0.7, "only some of their weights agree in shape"
    elif same_kind:
        confidence, reason = 0.4, "their weights differ in shape"
    elif not (reference.kind and candidate.kind) and share(reference, candidate) == 1:
        confidence, reason = 0.6, "their classes differ; only weight shapes agree"
    elif not (reference.kind and candidate.kind):
        confidence, reason = 0.5, "their classes differ; most of their weights agree in shape"
    else:
        confidence, reason = 0.4, kinds_differ(reference, candidate)
    return Match(
        reference=reference,
        candidate=candidate,
        how=PairedBy.SAME_PATH if same_path else PairedBy.ORDER_AND_TYPE,
        confidence=confidence,
        reason=reason,
    )


def kinds_differ(reference: Node, candidate: Node) -> str:
    """Returns the reason of a pair of two kinds."""
    return f"a {reference.layer.class_name} against a {candidate.layer.class_name}"


def doubted(match: Match, why: str) -> Match:
    """Returns the pair with low confidence."""
    return Match(
        reference=match.reference,
        candidate=match.candidate,
        how=match.how,
        confidence=min(match.confidence, 0.45),
        reason=why,
    )


def _out_of_order(match: Match, likeness: float) -> Match:
    confidence = match.confidence if match.how is PairedBy.SAME_PATH else min(match.confidence, 0.7)
    if likeness < _ALIKE and match.how is not PairedBy.SAME_PATH:
        confidence = min(confidence, 0.6)
    return Match(
        reference=match.reference,
        candidate=match.candidate,
        how=match.how,
        confidence=confidence,
        reason=match.reason if match.confidence < 0.9 else OUT_OF_ORDER,
    )
