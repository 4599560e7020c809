"""Pairs the layers of two models."""

from __future__ import annotations

from padiff_rpc.options import LayerMap
from padiff_server.plan import Plan, SideTrace


def align(reference: SideTrace, candidate: SideTrace, layer_map: LayerMap) -> Plan:
    """Returns the plan. Raises InvalidRequestError for paths that no layer has."""
    raise NotImplementedError
