from __future__ import annotations

from padiff_worker.graph_walk import walk_graph


def test_a_node_that_several_lead_to_is_visited_once() -> None:
    """As in a chain of residual blocks, which has more ways through it than anyone can go."""
    blocks = 200
    visited = list(walk_graph([blocks], lambda node: (node - 1, node - 1) if node else ()))
    assert visited == list(range(blocks, -1, -1))
    skips = list(walk_graph([blocks], lambda node: range(max(node - 3, 0), node)))
    assert sorted(skips) == list(range(blocks + 1))
