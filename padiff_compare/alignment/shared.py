"""Pairs single calls, where one side calls one layer again and again and the other a layer each time."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator

from padiff_compare.alignment.gaps import aligned_in_gaps, bounds, free_match
from padiff_compare.alignment.pairing import Match, Pairing
from padiff_compare.alignment.tree import Node
from padiff_rpc.records import record

# (first path, call number)
_Call = tuple[str, int]


@record
class MatchedCall:
    """A call of each side that do the same; their layers are no pair, or were called before as one."""

    match: Match
    reference_call: int
    candidate_call: int


@record
class _Free:
    """A call without a counterpart: the layer as it shows it, and numbers of the paired calls around it.

    `gaps`: the one before, and the next.
    """

    node: Node
    call: int
    gaps: tuple[int, int]


def pair_calls(
    pairing: Pairing,
    left_out: tuple[Collection[str], Collection[str]],
) -> Iterator[MatchedCall]:
    """Yields the pairs of calls, by what is called behind which paired call, and then before which.

    `left_out`: first paths of layers whose calls shall not pair, by side. Layers that hold others are
    compared by those. Of layers with weights both have to hold the same ones.
    """
    numbers: dict[_Call, int] = {}
    free = tuple(_free_calls(pairing, side, left_out[side], numbers) for side in (0, 1))
    for way in (0, 1):
        for several in free:
            several.sort(key=lambda one: one.gaps[way])
        ours, theirs = ([(one.node, one.gaps[way]) for one in several] for several in free)
        found = [(free[0][pair.left], free[1][pair.right]) for pair in aligned_in_gaps(pairing, ours, theirs)]
        for reference, candidate in found:
            if _hold_the_same(pairing, reference.node, candidate.node):
                free[0].remove(reference)
                free[1].remove(candidate)
                yield MatchedCall(
                    match=free_match(reference.node, candidate.node),
                    reference_call=reference.call,
                    candidate_call=candidate.call,
                )


def _free_calls(
    pairing: Pairing,
    side: int,
    left_out: Collection[str],
    numbers: dict[_Call, int],
) -> list[_Free]:
    tree = pairing.trees[side]
    found: list[_Free] = []
    gaps = [0]
    before: list[int] = []
    for call in tree.trace.calls.values():
        event = call.entry.event
        if event.path in left_out:
            continue
        node = tree.nodes[event.path]
        match = pairing.of(side, node)
        if match is not None and _has_counterpart(match, side, event.call):
            if bounds(node, match):
                gaps.append(numbers.setdefault((match.reference.layer.path, event.call), len(numbers) + 1))
        elif not node.children:
            returned = call.exit.event.slots if call.exit is not None else ()
            shown = dataclasses.replace(node, shapes=(), calls=1, inputs=event.slots, outputs=returned)
            found.append(_Free(node=shown, call=event.call, gaps=(gaps[-1], 0)))
            before.append(len(gaps))
    gaps.append(0)
    return [
        dataclasses.replace(one, gaps=(one.gaps[0], gaps[following])) for one, following in zip(found, before)
    ]


def _has_counterpart(match: Match, side: int, call: int) -> bool:
    calls = match.side(1 - side).calls
    return calls is None or call < calls


def _hold_the_same(pairing: Pairing, reference: Node, candidate: Node) -> bool:
    """Whether the weights of two layers, if they have any, are those of one pair of layers."""
    owners = [
        {
            weight.tied_to.rpartition(".")[0] if weight.tied_to else node.layer.path
            for weight in node.layer.weights
        }
        for node in (reference, candidate)
    ]
    if not any(owners):
        return True
    if [len(names) for names in owners] != [1, 1]:
        return False
    match = pairing.of(0, pairing.trees[0].nodes[owners[0].pop()])
    return match is not None and match.candidate.layer.path == owners[1].pop()
