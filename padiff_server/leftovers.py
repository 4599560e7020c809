"""Pairs what the levels left: layers at other depths, and containers by what they hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Optional

from padiff_server.likeness import Level, Likeness
from padiff_server.matches import Match, Matches, Rows
from padiff_server.plan import ORDER_AND_TYPE, PINNED, SAME_PATH
from padiff_server.tree import LayerTree, Node

Partner = Callable[[Node], Optional[Node]]


def pair_leftovers(matches: Matches, reference: Node, candidate: Node) -> None:
    """Pairs what is left below two paired layers whatever its depth, not looking into pins."""

    def candidate_of(node: Node) -> Optional[Match]:
        return matches.of_reference(node)

    def reference_of(node: Node) -> Optional[Match]:
        return matches.of_candidate(node)

    rows = Rows(
        left=_computing(matches.reference, reference, candidate_of),
        right=_computing(matches.candidate, candidate, reference_of),
        tops=(reference, candidate),
    )
    matches.pair_in_order(rows, _alike, doubt=0.2)
    matches.pair_in_any_order(rows, doubt=0.3)
    matches.pair_in_order(rows, _same_kind, held_back=True, doubt=0.2)
    matches.pair_in_any_order(rows, held_back=True, doubt=0.3)
    _pair_containers(matches, reference, candidate)


def _alike(like: Likeness, reference: Node, candidate: Node) -> bool:
    if like.level is Level.EXACT and not reference.content:
        # Without weights, only a trace makes the place between two pairs mean something.
        return reference.calls is not None and candidate.calls is not None
    return like.level >= Level.CLOSE


def _same_kind(like: Likeness, reference: Node, candidate: Node) -> bool:
    return like.level is Level.SAME_KIND or _alike(like, reference, candidate)


def _computing(tree: LayerTree, top: Node, match_of: Callable[[Node], Optional[Match]]) -> list[Node]:
    """Returns the layers below `top` that hold weights or have no children, in execution order."""
    found: list[Node] = []
    waiting = list(reversed(top.children))
    while waiting:
        node = waiting.pop()
        if node.shapes or not node.children:
            found.append(node)
        match = match_of(node)
        if match is None or match.how != PINNED:
            waiting += reversed(node.children)
    return tree.in_order(top, found)


def _pair_containers(matches: Matches, reference: Node, candidate: Node) -> None:
    """Pairs containers of which each is the smallest that holds the other's partners."""

    def candidate_of(node: Node) -> Optional[Node]:
        match = matches.of_reference(node)
        return match.candidate if match else None

    def reference_of(node: Node) -> Optional[Node]:
        match = matches.of_candidate(node)
        return match.reference if match else None

    for node in reversed(list(reference.below())):
        other = _smallest_around(_partners(node, candidate_of)) if _is_loose(node, candidate_of) else None
        if other is None or not _is_loose(other, reference_of) or candidate not in _ancestors(other):
            continue
        if _smallest_around(_partners(other, reference_of)) is node:
            matches.add(
                Match(
                    reference=node,
                    candidate=other,
                    how=SAME_PATH if node.path == other.path else ORDER_AND_TYPE,
                    confidence=0.5,
                    reason="each holds the other's partners; the rest of what they hold differs",
                )
            )


def _is_loose(node: Node, partner: Partner) -> bool:
    return bool(node.children) and not node.shapes and partner(node) is None


def _partners(node: Node, partner: Partner) -> list[Node]:
    """Returns the partners of the layers with weights in `node`; none where most have no partner."""
    inner = [partner(inner) for inner in node.below() if inner.shapes]
    found = [other for other in inner if other is not None]
    return found if 2 * len(found) >= len(inner) else []


def _smallest_around(nodes: Sequence[Node]) -> Optional[Node]:
    common = _ancestors(nodes[0]) if nodes else []
    for node in nodes[1:]:
        above = _ancestors(node)
        common = [ancestor for ancestor in common if ancestor in above]
    return common[0] if common else None


def _ancestors(node: Node) -> list[Node]:
    """Returns the layers around `node`, innermost first."""
    above = []
    parent = node.parent
    while parent is not None:
        above.append(parent)
        parent = parent.parent
    return above
