"""Pairs the layers with weights along the order of execution; they are what all else hangs on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from padiff_compare.alignment.evidence import DOUBT, Blocks, PairingEvidence, loose_shapes, share
from padiff_compare.alignment.pairing import Match, Pairing
from padiff_compare.alignment.plan import LOW_CONFIDENCE
from padiff_compare.alignment.sequence import WIDEST, align_sequences
from padiff_compare.alignment.tree import Node
from padiff_rpc.v1.records import Reason
from padiff_rpc.v1.words import Cause, PairedBy

# Each further round finds what runs in another order: a branch, a tower.
_ROUNDS = 8
_WIDTH_OF_REST = 96
# Names that agree this far are no coincidence.
_ALIKE = 0.3


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
            match = doubted(match, Cause.DOUBTED) if pair.margin < DOUBT else match
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
    if same_kind and reference.signature == candidate.signature:
        confidence, reason = (1.0, None) if same_path else (0.9, Reason(cause=Cause.SAME_ORDER))
    elif same_kind and reference.main_shape == candidate.main_shape:
        confidence, reason = 0.7, Reason(cause=Cause.SOME_SHAPES)
    elif same_kind:
        confidence, reason = 0.4, Reason(cause=Cause.OTHER_SHAPES)
    elif not (reference.kind and candidate.kind) and share(reference, candidate) == 1:
        confidence, reason = 0.6, Reason(cause=Cause.OTHER_CLASS)
    elif not (reference.kind and candidate.kind):
        confidence, reason = 0.5, Reason(cause=Cause.OTHER_CLASS_MOST_SHAPES)
    else:
        confidence, reason = 0.4, other_kind(reference, candidate)
    return Match.by_path_or(PairedBy.ORDER_AND_TYPE, reference, candidate, confidence, reason)


def other_kind(reference: Node, candidate: Node) -> Reason:
    """Returns the reason of a pair of two kinds."""
    return Reason(cause=Cause.OTHER_KIND, names=(reference.layer.class_name, candidate.layer.class_name))


def doubted(match: Match, why: Cause) -> Match:
    """Returns the pair with low confidence."""
    return Match(
        reference=match.reference,
        candidate=match.candidate,
        how=match.how,
        confidence=min(match.confidence, 0.45),
        reason=Reason(cause=why),
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
        reason=match.reason if match.confidence < 0.9 else Reason(cause=Cause.OTHER_ORDER),
    )
