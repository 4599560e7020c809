"""Expectations of the steps to come, from traces: how many partners each tensor will have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Optional

from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.trace import Origin
from padiff_compare.join.calls import JoinedCalls
from padiff_rpc.v1.records import CallEvent
from padiff_rpc.v1.words import Side


class Expectations:
    """What the traces say of the steps to come: how many partners each tensor, and its gradient, has."""

    def __init__(self, joined: JoinedCalls) -> None:
        self._traces = joined.traces
        origins = {side: dict(joined.recorded[side].origins()) for side in SIDES}
        slots = [slots for pair in joined.pairs for slots in pair.slots.pairs]
        # By whether gradients are meant.
        self._partners: Mapping[bool, Mapping[Side, Counter[Origin]]] = {
            gradient: {side: Counter(dict.fromkeys(origins[side].values(), 0)) for side in SIDES}
            for gradient in (False, True)
        }
        for gradient, pairs in (
            (False, {one.tensors for one in slots}),
            (True, {one.gradient_numbers for one in slots}),
        ):
            for pair in pairs:
                for side in SIDES:
                    self._partners[gradient][side][origins[side][pair.of(side)]] += 1

    def partners(self, side: Side, origin: Origin, *, gradient: bool) -> Optional[int]:
        """Returns how many pairs hold what was first seen there, or its gradient; None: no trace knows it."""
        return self._partners[gradient][side].get(origin)

    def knows(self, side: Side, event: CallEvent) -> bool:
        """Whether the trace has this call."""
        return self._traces[side].has(event)
