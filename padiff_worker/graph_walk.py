"""A walk over a framework's graph of operations, from a loss towards its leaves."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any


def walk_graph(
    start: Any, inputs: Callable[[Any], Iterable[Any]], identity: Callable[[Any], Hashable] = id
) -> Iterator[Any]:
    """Yields each node that `start` depends on once, itself first.

    `inputs` gives the nodes that a node passes gradients to; `identity` tells two nodes apart.
    """
    seen = {identity(start): start}  # the nodes too: an id is only theirs while they live
    waiting = [start]
    while waiting:
        node = waiting.pop()
        yield node
        for below in inputs(node):
            if identity(below) not in seen:
                seen[identity(below)] = below
                waiting.append(below)
