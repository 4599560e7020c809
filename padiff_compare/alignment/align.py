"""Pairs the layers of two models: weights along the order of execution, then all else around them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from padiff_compare.alignment.anchors import pair_anchors
from padiff_compare.alignment.blocks import corresponding_blocks
from padiff_compare.alignment.containers import pair_containers
from padiff_compare.alignment.flow import Flow
from padiff_compare.alignment.gaps import pair_free, pair_misfits
from padiff_compare.alignment.layer_choice import Ignored, Pin, ignored_layers, pinned_nodes, unpaired_layers
from padiff_compare.alignment.opaque import opaque_pairs, with_units
from padiff_compare.alignment.pairing import Match, Pairing
from padiff_compare.alignment.plan import PairedCall, PairedLayer, Plan, SideTrace
from padiff_compare.alignment.reorder import reorder
from padiff_compare.alignment.shared import MatchedCall, pair_calls
from padiff_compare.alignment.tree import LayerTree, Node
from padiff_compare.alignment.units import insides, pair_composites, pair_units
from padiff_rpc.records import record
from padiff_rpc.v1.records import Reason, StatedPairing
from padiff_rpc.v1.words import Cause, PairedBy, Side


def align(reference: SideTrace, candidate: SideTrace, layer_map: StatedPairing) -> Plan:
    """Returns the plan: which layers are compared, and what has no partner.

    Never stops over a layer without partner. Where a model raised, what ran is paired with the beginning of
    the other side's pass; a pass that called no layer at all tells nothing, and is left out.

    Raises InvalidRequestError for a path of the layer map that no layer has, naming the field and the
    nearest paths, and for a layer pinned twice.
    """
    sides = (reference, candidate)
    is_opaque = any(layer.opaque for side in sides for layer in side.layers)
    if is_opaque or any(side.is_cut and not any(path for path, _ in side.trace.calls) for side in sides):
        reference, candidate = (SideTrace(layers=side.layers) for side in sides)
    found = _align(reference, candidate, layer_map, ())
    if not is_opaque:
        return found
    # By now it is known which layers stand against the opaque ones.
    return _align(reference, candidate, layer_map, opaque_pairs(found, reference.layers, candidate.layers))


def _align(
    reference: SideTrace, candidate: SideTrace, layer_map: StatedPairing, units: Sequence[tuple[str, str]]
) -> Plan:
    """Returns the plan; `units`: paths of layers that are compared as units, whatever they hold."""
    trees = LayerTree(reference), LayerTree(candidate)
    pins = with_units(pinned_nodes(layer_map, *trees), units, *trees)
    ignored = (
        ignored_layers(layer_map, trees[0], Side.REFERENCE),
        ignored_layers(layer_map, trees[1], Side.CANDIDATE),
    )
    alone = unpaired_layers(layer_map, *trees)
    pairing = Pairing(trees, (ignored[0].held_back, ignored[1].held_back), alone)
    for pin in pins:
        pairing.add(_certain(pin.reference, pin.candidate, PairedBy.PINNED))
    pairing.add(_certain(trees[0].root, trees[1].root, PairedBy.ROOT))
    flows = Flow(trees[0]), Flow(trees[1])
    closed = [pin for pin in pins if not pin.compare_inside]
    for region in _regions(pairing, closed):
        _align_region(pairing, flows, region)
    left_out = tuple(
        {*ignored[side].reasons, *alone[side], *_unit_insides(pairing, closed, side)} for side in (0, 1)
    )
    calls = pair_calls(pairing, (left_out[0], left_out[1]))
    return _plan(pairing, closed, ignored, tuple(map(_paired_call, calls)))


def _certain(reference: Node, candidate: Node, how: PairedBy) -> Match:
    return Match(reference=reference, candidate=candidate, how=how, confidence=1.0)


@record
class _Region:
    """Layers that pair among themselves: those inside a pinned pair, or all others.

    Attributes:
        tops: the pinned pair, or the roots.
        parts: by side and in order of execution, what computes, and pinned pairs that bound the rest.
    """

    tops: tuple[Node, Node]
    parts: tuple[list[Node], list[Node]]


def _regions(pairing: Pairing, closed: Sequence[Pin]) -> Iterator[_Region]:
    """Yields the insides of pinned pairs, innermost first, and last what lies in none."""
    tops = [(pin.reference, pin.candidate) for pin in reversed(closed)]
    if not any(top[0] is pairing.trees[0].root for top in tops):
        tops.append((pairing.trees[0].root, pairing.trees[1].root))
    sorted_parts = [_by_region(pairing, side, [top[side] for top in tops]) for side in (0, 1)]
    for n, top in enumerate(tops):
        yield _Region(tops=top, parts=(sorted_parts[0][n], sorted_parts[1][n]))


def _by_region(pairing: Pairing, side: int, tops: Sequence[Node]) -> list[list[Node]]:
    tree = pairing.trees[side]
    number = {top.layer.path: n for n, top in enumerate(tops)}
    places: defaultdict[str, list[Node]] = defaultdict(list)
    for node in tree.nodes.values():
        places[node.layer.path].append(node)
    found: list[list[Node]] = [[] for _ in tops]
    for path, nodes in places.items():
        first = tree.nodes[path]
        match = pairing.of(side, first)
        if path in pairing.alone[side] or not (
            first.is_part or (match is not None and match.how is PairedBy.PINNED)
        ):
            continue
        regions = {
            next(
                (number[around.layer.path] for around in node.ancestors() if around.layer.path in number), -1
            )
            for node in nodes
        }
        # A layer that is shared across regions belongs to none of the pinned ones.
        found[regions.pop() if len(regions) == 1 else -1].append(first)
    return [sorted(nodes, key=lambda node: node.order) for nodes in found]


def _align_region(pairing: Pairing, flows: tuple[Flow, Flow], region: _Region) -> None:
    weighted = _weighted(pairing, region.parts)
    pair_composites(pairing, *weighted)
    left, right = (_outside_units(pairing, side, nodes) for side, nodes in enumerate(region.parts))
    weighted = _weighted(pairing, (left, right))
    blocks = corresponding_blocks(flows, *weighted, region.tops)
    pair_anchors(pairing, *weighted, blocks)
    reorder(pairing, flows, *weighted, blocks)
    pair_free(pairing, left, right)
    pair_containers(pairing, region.tops)
    pair_units(pairing, left, right, region.tops)
    if pair_misfits(pairing, left, right):
        pair_free(pairing, left, right)
        pair_containers(pairing, region.tops)


def _weighted(pairing: Pairing, parts: tuple[list[Node], list[Node]]) -> tuple[list[Node], list[Node]]:
    left, right = (
        [node for node in nodes if node.shapes or pairing.of(side, node) is not None]
        for side, nodes in enumerate(parts)
    )
    return left, right


def _outside_units(pairing: Pairing, side: int, nodes: Sequence[Node]) -> list[Node]:
    """Returns the layers with each unit in place of all that it holds."""
    found: dict[str, Node] = {}
    for node in nodes:
        units = [one for one in (node, *node.ancestors()) if pairing.is_unit(side, one)]
        one = units[-1] if units else node
        found.setdefault(one.layer.path, one)
    return sorted(found.values(), key=lambda node: node.order)


def _paired_call(matched: MatchedCall) -> PairedCall:
    match = matched.match
    return PairedCall(
        layer=PairedLayer(
            reference=match.reference.layer.path,
            candidate=match.candidate.layer.path,
            how=PairedBy.CALLS,
            confidence=match.confidence,
            reason=Reason(cause=Cause.CALLED_AGAIN),
        ),
        reference_call=matched.reference_call,
        candidate_call=matched.candidate_call,
    )


def _pin_insides(pairing: Pairing, pins: Sequence[Pin], side: int) -> set[str]:
    return _inside(pairing.trees[side], [(pin.reference, pin.candidate)[side] for pin in pins])


def _unit_insides(pairing: Pairing, pins: Sequence[Pin], side: int) -> set[str]:
    """Returns first paths of what is compared by the pair around it alone."""
    return _pin_insides(pairing, pins, side) | insides(pairing, side)


def _plan(
    pairing: Pairing,
    pins: Sequence[Pin],
    ignored: tuple[Ignored, Ignored],
    calls: tuple[PairedCall, ...],
) -> Plan:
    trees = pairing.trees
    pinned = tuple(_pin_insides(pairing, pins, side) for side in (0, 1))
    inside = tuple(_unit_insides(pairing, pins, side) for side in (0, 1))
    first = tuple([layer.path for layer in tree.layers] for tree in trees)
    closed = frozenset(pin.reference.layer.path for pin in pins)
    found = {
        match.reference.layer.path: _paired(match, pairing, closed, pinned, ignored) for match in pairing
    }
    taken = (
        {*found, *(call.layer.reference for call in calls)},
        {pair.candidate for pair in (*found.values(), *(call.layer for call in calls))},
    )
    only = [
        tuple(
            path
            for path in first[side]
            if path not in taken[side] and path not in inside[side] and path not in ignored[side].reasons
        )
        for side in (0, 1)
    ]
    return Plan(
        layers=tuple(found[path] for path in first[0] if path in found),
        calls=calls,
        only_reference=only[0],
        only_candidate=only[1],
        ignored_reference=tuple(path for path in first[0] if path in ignored[0].reasons),
        ignored_candidate=tuple(path for path in first[1] if path in ignored[1].reasons),
        inside_reference=tuple(path for path in first[0] if path in inside[0]),
        inside_candidate=tuple(path for path in first[1] if path in inside[1]),
        behind_reference=_behind(pairing, 0, only[0]),
        behind_candidate=_behind(pairing, 1, only[1]),
        reference_aliases=_aliases(trees[0]),
        candidate_aliases=_aliases(trees[1]),
        notes=(*ignored[0].notes, *ignored[1].notes),
    )


def _behind(pairing: Pairing, side: int, paths: Sequence[str]) -> tuple[str, ...]:
    """Returns those of the paths that run behind all that both sides called, where a pass was cut short."""
    if not any(tree.is_cut for tree in pairing.trees):
        return ()
    last = max(
        match.side(side).order[0]
        for match in pairing
        if match.reference.entered is not None and match.candidate.entered is not None
    )
    return tuple(path for path in paths if pairing.trees[side].nodes[path].order[0] > last)


def _paired(
    match: Match,
    pairing: Pairing,
    closed: frozenset[str],
    pinned: tuple[set[str], ...],
    ignored: tuple[Ignored, Ignored],
) -> PairedLayer:
    paths = (match.reference.layer.path, match.candidate.layer.path)
    how, compared, reason = match.how, True, match.reason
    fields = [ignored[side].reasons[paths[side]] for side in (0, 1) if paths[side] in ignored[side].reasons]
    if fields:
        how, compared, reason = PairedBy.IGNORED, False, Reason(cause=Cause.IGNORED, names=tuple(fields))
    elif match.how is not PairedBy.PINNED and (paths[0] in pinned[0] or paths[1] in pinned[1]):
        how, compared, reason = PairedBy.INSIDE_PINNED, False, Reason(cause=Cause.INSIDE_PINNED)
    return PairedLayer(
        reference=paths[0],
        candidate=paths[1],
        how=how,
        confidence=match.confidence,
        compared=compared,
        reason=reason,
        unit=paths[0] in pairing.units or (paths[0] in closed and bool(match.reference.children)),
    )


def _inside(tree: LayerTree, pinned: list[Node]) -> set[str]:
    """Returns the layers all of whose places are below pinned ones, pins left out."""
    below = {id(node) for pin in pinned for child in pin.children for node in child.below()}
    outside = {node.layer.path for node in tree.nodes.values() if id(node) not in below}
    inside = {node.layer.path for node in tree.nodes.values()} - outside
    return inside - {node.layer.path for node in pinned}


def _aliases(tree: LayerTree) -> tuple[tuple[str, str], ...]:
    return tuple((path, node.layer.path) for path, node in tree.nodes.items() if path != node.layer.path)
