"""A walk over a framework's graph of operations, from a loss or other tensors towards its leaves."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any


def walk_graph(
    starts: Iterable[Any], inputs: Callable[[Any], Iterable[Any]], identity: Callable[[Any], Hashable] = id
) -> Iterator[Any]:
    """Yields each node that the `starts` depend on once, these first.

    `inputs` gives the nodes that a node passes gradients to; `identity` tells two nodes apart.
    """
    seen: dict[Hashable, Any] = {}  # the nodes too: an id is only theirs while they live
    waiting = list(starts)
    while waiting:
        node = waiting.pop()
        if identity(node) in seen:
            continue
        seen[identity(node)] = node
        yield node
        waiting += inputs(node)
