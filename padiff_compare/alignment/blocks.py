"""Blocks that repeat: what lies in the third of twelve on one side pairs with the third on the other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

from padiff_compare.alignment.evidence import Blocks
from padiff_compare.alignment.flow import Flow
from padiff_compare.alignment.tree import Node

_Content = frozenset[tuple[Hashable, int]]


def corresponding_blocks(
    flows: tuple[Flow, Flow], left: Sequence[Node], right: Sequence[Node], tops: tuple[Node, Node]
) -> Blocks:
    """Returns the innermost corresponding block of each layer with weights, by first paths.

    Containers correspond where both sides have equally many with the same content, and each works on
    what was made after the one before it: then they run in one order. Branches beside each other may not.
    """
    sides = tuple(_by_content(nodes, top) for nodes, top in zip((left, right), tops))
    number = 0
    found: tuple[dict[str, int], dict[str, int]] = ({}, {})
    sizes: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for content, ours in sides[0].items():
        theirs = sides[1].get(content, [])
        if len(ours) != len(theirs) or not all(
            flow.is_sequential(group) for flow, group in zip(flows, (ours, theirs))
        ):
            continue
        size = sum(count for _, count in content)
        for pair in zip(ours, theirs):
            number += 1
            for side, block in enumerate(pair):
                for node in block.below():
                    path = node.layer.path
                    if node.shapes and sizes[side].get(path, size + 1) > size:
                        found[side][path], sizes[side][path] = number, size
    return found


def _by_content(nodes: Sequence[Node], top: Node) -> dict[_Content, list[Node]]:
    """Returns the containers of more than one layer, in order of execution, by what they hold.

    Of nested ones with the same content the innermost that is called.
    """
    content: defaultdict[int, Counter[Hashable]] = defaultdict(Counter)
    containers: dict[int, Node] = {}
    for node in nodes:
        for around in node.ancestors():
            if around is top:
                break
            containers[id(around)] = around
            content[id(around)][node.type_name, node.signature] += 1
    found: defaultdict[_Content, list[Node]] = defaultdict(list)
    for around in sorted(containers.values(), key=lambda node: node.order, reverse=True):
        held = content[id(around)]
        if sum(held.values()) < 2 or around.shapes:
            continue
        same = found[frozenset(held.items())]
        if same and any(one is around for one in same[-1].ancestors()):
            continue
        same.append(around)
    return {held: blocks[::-1] for held, blocks in found.items()}
