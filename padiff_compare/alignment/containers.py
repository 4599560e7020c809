"""Pairs layers that hold others, by what they hold: wrappers and re-nesting are looked through."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Optional

from padiff_compare.alignment.pairing import Match, Pairing
from padiff_compare.alignment.path_words import class_words, part_words
from padiff_compare.alignment.slots import pair_slots
from padiff_compare.alignment.tree import Node
from padiff_rpc.records import record
from padiff_rpc.v1.records import Reason
from padiff_rpc.v1.words import CallMoment, Cause, PairedBy

# Two containers that share less than this of what they hold are not the same one.
_LEAST_SHARE = 0.5


@record
class _Candidates:
    """Containers of one side that hold exactly the same pairs: nested wrappers, outermost first."""

    nodes: tuple[Node, ...]
    held: frozenset[str]


def pair_containers(pairing: Pairing, tops: tuple[Node, Node]) -> None:
    """Pairs the containers below two paired layers that hold each other's partners.

    Where the trace shows that two containers begin or end at different tensors (one includes an
    activation that the other leaves to its caller), they are not paired: their outputs differ rightly.
    """
    chains = tuple(_chains(pairing, side, top) for side, top in enumerate(tops))
    by_content = {chain.held: chain for chain in chains[1]}
    used: set[frozenset[str]] = set()
    for chain in chains[0]:
        same = by_content.get(chain.held)
        if same is not None:
            used.add(chain.held)
            _pair_chains(pairing, chain.nodes, same.nodes, 1.0)
    _pair_similar(
        pairing,
        [chain for chain in chains[0] if chain.held not in used],
        [chain for chain in chains[1] if chain.held not in used],
    )


def _chains(pairing: Pairing, side: int, top: Node) -> list[_Candidates]:
    """Returns the containers below `top` by the pairs that they hold; weights decide where there are any."""
    weighted: defaultdict[int, set[str]] = defaultdict(set)
    free: defaultdict[int, set[str]] = defaultdict(set)
    nodes = list(top.below())
    for node in nodes:
        match = pairing.of(side, node)
        is_unit = pairing.is_unit(side, node)
        if match is None or not (node.is_part or is_unit):
            continue
        # Of two norms one may have no weights.
        is_weighted = match.reference.shapes or match.candidate.shapes
        held = weighted if is_weighted or is_unit else free
        for around in node.ancestors():
            if around is top:
                break
            held[id(around)].add(match.reference.layer.path)
    by_held: defaultdict[frozenset[str], list[Node]] = defaultdict(list)
    for node in nodes:
        if node.children and node is not top and (not node.shapes or pairing.of(side, node) is None):
            content = weighted.get(id(node)) or free.get(id(node))
            if content:
                by_held[frozenset(content)].append(node)
    return [_Candidates(nodes=tuple(found), held=held) for held, found in by_held.items()]


def _pair_similar(pairing: Pairing, left: Sequence[_Candidates], right: Sequence[_Candidates]) -> None:
    """Pairs what shares most, where a few of the layers inside have gone elsewhere."""
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for n, chain in enumerate(right):
        for path in chain.held:
            holders[path].append(n)
    shares = []
    for m, chain in enumerate(left):
        common = Counter(n for path in chain.held for n in holders.get(path, ()))
        for n, count in common.items():
            share = count / len(chain.held | right[n].held)
            if share >= _LEAST_SHARE:
                shares.append((-share, m, n))
    taken: tuple[set[int], set[int]] = (set(), set())
    for minus, m, n in sorted(shares):
        if m not in taken[0] and n not in taken[1]:
            taken[0].add(m)
            taken[1].add(n)
            _pair_chains(pairing, left[m].nodes, right[n].nodes, -minus)


def _pair_chains(pairing: Pairing, left: Sequence[Node], right: Sequence[Node], share: float) -> None:
    """Pairs wrappers of the same content, in order, as well as names and tensors allow."""
    ours = [node for node in left if pairing.of(0, node) is None]
    theirs = [node for node in right if pairing.of(1, node) is None]
    ranked = sorted(
        (
            (-rank, abs(m - n), m, n)
            for m, one in enumerate(ours)
            for n, other in enumerate(theirs)
            for rank in [_rank(pairing, one, other)]
            if rank is not None
        ),
    )
    chosen: list[tuple[int, int]] = []
    for _, _, m, n in ranked:
        if all((m < i) == (n < j) and m != i and n != j for i, j in chosen):
            chosen.append((m, n))
            pairing.add(_match(ours[m], theirs[n], share))


def _match(reference: Node, candidate: Node, share: float) -> Match:
    same_path = reference.path == candidate.path
    reason = None if same_path else Reason(cause=Cause.SAME_CONTENT)
    if share < 1:
        reason = Reason(cause=Cause.MOST_CONTENT)
    confidence = 1.0 if same_path and share == 1 else round(0.9 * share, 2)
    return Match.by_path_or(PairedBy.CONTENT, reference, candidate, confidence, reason)


def _rank(pairing: Pairing, reference: Node, candidate: Node) -> Optional[float]:
    """Returns how well two containers of the same content fit; None where tensors speak against it."""
    agreement = 0
    if not reference.calls or not candidate.calls:
        agreement = -(reference.is_called != candidate.is_called)
    elif not reference.may_be_called_as_often(candidate):
        return None
    else:
        found = _boundary(pairing, reference, candidate)
        if found is None:
            return None
        agreement = found
    last = [set(part_words(node.path.rpartition(".")[2])) for node in (reference, candidate)]
    classes = [class_words(node.layer.class_name) for node in (reference, candidate)]
    return (
        2.0 * (reference.path == candidate.path)
        + agreement
        + 0.5 * bool(last[0] & last[1])
        + 0.5 * bool(classes[0] & classes[1])
        + 0.25 * (reference.type_name == candidate.type_name)
    )


def _boundary(pairing: Pairing, reference: Node, candidate: Node) -> Optional[int]:
    """Returns how many tensors at both containers' edges are known to correspond; None if some do not."""
    agreement = 0
    # By path and class: what their own code does to a tensor is a fault to show there.
    namesakes = reference.path == candidate.path and (
        reference.layer.class_name == candidate.layer.class_name
    )
    for moment, ours, theirs in (
        (CallMoment.ENTRY, reference.inputs, candidate.inputs),
        (CallMoment.EXIT, reference.outputs, candidate.outputs),
    ):
        slots = pair_slots(moment, ours, theirs)
        for pair in slots.pairs[:1]:
            same_shape = pair.reference.spec.shape == pair.candidate.spec.shape
            known = (
                _uses(pairing, 0, pair.reference.tensor),
                _uses(pairing, 1, pair.candidate.tensor),
            )
            if known[0] & known[1]:
                agreement += 1
            elif all(known) or (any(known) and same_shape and not namesakes):
                return None
    return agreement


def _uses(pairing: Pairing, side: int, tensor: int) -> set[tuple[str, CallMoment]]:
    """Returns where paired layers take or return the tensor, in the reference's paths."""
    return {
        (match.reference.layer.path, moment)
        for path, moment in pairing.trees[side].uses(tensor)
        for match in [pairing.of(side, pairing.trees[side].nodes[path])]
        if match is not None
        and (pairing.trees[side].nodes[path].is_part or pairing.is_unit(side, match.side(side)))
    }


def smallest_around(nodes: Iterable[Node]) -> Optional[Node]:
    """Returns the innermost container of all the nodes; a node with children counts as around itself."""
    common: Optional[list[Node]] = None
    for node in nodes:
        around = [node, *node.ancestors()] if node.children else list(node.ancestors())
        if common is None:
            common = around
        else:
            kept = {id(one) for one in around}
            common = [one for one in common if id(one) in kept]
    return common[0] if common else None
