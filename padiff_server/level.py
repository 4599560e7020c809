"""Pairs the children of two layers that are paired, level by level."""

from __future__ import annotations

from padiff_server.likeness import Level, Likeness
from padiff_server.matches import Matches, Rows
from padiff_server.tree import LayerTree, Node


def pair_levels(matches: Matches, reference: Node, candidate: Node) -> None:
    """Pairs what lies below two paired layers, as far as parents that are paired tell.

    Layers that have a partner already, pins among them, keep it and are not looked into.
    """
    waiting = [(reference, candidate)]
    while waiting:
        before = {match.reference.layer.path for match in matches}
        _pair_children(matches, *waiting.pop(0))
        waiting += [
            (match.reference, match.candidate)
            for match in matches
            if match.reference.layer.path not in before
        ]


def _pair_children(matches: Matches, reference: Node, candidate: Node) -> None:
    rows = Rows(left=list(reference.children), right=list(candidate.children), tops=(reference, candidate))

    def surely(like: Likeness, one: Node, other: Node) -> bool:
        if like.level is Level.EXACT:
            return True
        return like.level is Level.PARTIAL and like.share >= 0.5 and rows.same_name(one, other)

    def by_name_at_least(like: Likeness, one: Node, other: Node) -> bool:
        return like.level >= Level.CLOSE or rows.same_name(one, other)

    while rows.left and rows.right:
        _pair_by_name(matches, rows)
        matches.pair_in_order(rows, surely)
        matches.pair_in_any_order(rows, containers_only=True)
        if not _open_largest(matches, rows):
            break
    matches.pair_in_order(rows, by_name_at_least)
    matches.pair_in_any_order(rows)


def _pair_by_name(matches: Matches, rows: Rows) -> None:
    """Pairs equal names, except those that only count ("0", "1"), where the layers may be the same."""
    named = {node.name_under(rows.tops[1]): node for node in rows.right}
    for node in rows.left:
        name = node.name_under(rows.tops[0])
        other = named.get(name)
        if other is None or any(part.isdigit() for part in name.split(".")):
            continue
        if not node.content and node.calls is not None and other.calls is not None:
            continue  # Without weights, the order of execution is the better witness.
        if matches.like(node, other).level >= Level.PARTIAL:
            matches.pair(node, other, "equal name and type within paired layers; the paths differ")


def _open_largest(matches: Matches, rows: Rows) -> bool:
    """Puts their children in place of the largest containers that have no partner and no own weights."""
    loose = [node for node in rows.left if matches.of_reference(node) is None]
    loose = [node for node in loose if not matches.is_held_back(node)]
    other = [node for node in rows.right if matches.of_candidate(node) is None]
    loose += [node for node in other if not matches.is_held_back(None, node)]
    loose = [node for node in loose if node.children and not node.shapes]
    largest = max((node.size for node in loose), default=0)
    chosen = {id(node) for node in loose if node.size == largest}
    rows.left = _opened(matches.reference, rows.tops[0], rows.left, chosen)
    rows.right = _opened(matches.candidate, rows.tops[1], rows.right, chosen)
    return bool(chosen)


def _opened(tree: LayerTree, top: Node, nodes: list[Node], chosen: set[int]) -> list[Node]:
    opened = [inner for node in nodes for inner in (node.children if id(node) in chosen else (node,))]
    return tree.in_order(top, opened)
