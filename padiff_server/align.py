"""Pairs the layers of two models: pins, then equal paths, then order and type within paired parents."""

from __future__ import annotations

from padiff_rpc.options import LayerMap
from padiff_rpc.words import Side
from padiff_server.layer_choice import Ignored, ignored_layers, pinned_nodes
from padiff_server.leftovers import pair_leftovers
from padiff_server.level import pair_levels
from padiff_server.matches import Match, Matches
from padiff_server.plan import IGNORED, INSIDE_PINNED, PINNED, ROOT, PairedLayer, Plan, SideTrace
from padiff_server.tree import LayerTree, Node


def align(reference: SideTrace, candidate: SideTrace, layer_map: LayerMap) -> Plan:
    """Returns the plan: which layers are compared, and what has no partner.

    Never stops over a layer without partner. Raises InvalidRequestError for a path of the layer map
    that no layer has, naming the field and the nearest paths, and for a layer pinned twice.
    """
    trees = LayerTree(reference), LayerTree(candidate)
    pins = pinned_nodes(layer_map, *trees)
    ignored = (
        ignored_layers(layer_map, trees[0], Side.REFERENCE),
        ignored_layers(layer_map, trees[1], Side.CANDIDATE),
    )
    matches = Matches(*trees, (ignored[0].held_back, ignored[1].held_back))
    for pin in pins:
        matches.pin(*pin)
    matches.pin(trees[0].root, trees[1].root, how=ROOT)
    for inside in [*reversed(pins), (trees[0].root, trees[1].root)]:
        pair_levels(matches, *inside)
        pair_leftovers(matches, *inside)
    return _plan(trees, matches, pins, ignored)


def _plan(
    trees: tuple[LayerTree, LayerTree],
    matches: Matches,
    pins: list[tuple[Node, Node]],
    ignored: tuple[Ignored, Ignored],
) -> Plan:
    inside = tuple(_inside(tree, [pin[side] for pin in pins]) for side, tree in enumerate(trees))
    first = tuple(_first_paths(tree) for tree in trees)
    found = {match.reference.layer.path: _paired(match, inside, ignored) for match in matches}
    taken = (set(found), {pair.candidate for pair in found.values()})
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
        only_reference=only[0],
        only_candidate=only[1],
        ignored_reference=tuple(path for path in first[0] if path in ignored[0].reasons),
        ignored_candidate=tuple(path for path in first[1] if path in ignored[1].reasons),
        inside_reference=tuple(path for path in first[0] if path in inside[0]),
        inside_candidate=tuple(path for path in first[1] if path in inside[1]),
        reference_aliases=_aliases(trees[0]),
        candidate_aliases=_aliases(trees[1]),
        notes=(*ignored[0].notes, *ignored[1].notes),
    )


def _paired(match: Match, inside: tuple[set[str], ...], ignored: tuple[Ignored, Ignored]) -> PairedLayer:
    paths = (match.reference.layer.path, match.candidate.layer.path)
    how, compared, reason = match.how, True, match.reason
    fields = [ignored[side].reasons[paths[side]] for side in (0, 1) if paths[side] in ignored[side].reasons]
    if fields:
        how, compared, reason = IGNORED, False, f"ignored by {' and '.join(fields)}"
    elif match.how != PINNED and (paths[0] in inside[0] or paths[1] in inside[1]):
        how, compared, reason = INSIDE_PINNED, False, "inside a pinned pair, which is compared as one unit"
    return PairedLayer(
        reference=paths[0],
        candidate=paths[1],
        how=how,
        confidence=match.confidence,
        compared=compared,
        reason=reason,
    )


def _inside(tree: LayerTree, pinned: list[Node]) -> set[str]:
    """Returns the layers all of whose places are below pinned ones, pins left out."""
    below = {id(node) for pin in pinned for child in pin.children for node in child.below()}
    outside = {node.layer.path for node in tree.nodes.values() if id(node) not in below}
    inside = {node.layer.path for node in tree.nodes.values()} - outside
    return inside - {node.layer.path for node in pinned}


def _first_paths(tree: LayerTree) -> list[str]:
    return [layer.path for layer in tree.layers]


def _aliases(tree: LayerTree) -> tuple[tuple[str, str], ...]:
    return tuple((path, node.layer.path) for path, node in tree.nodes.items() if path != node.layer.path)
