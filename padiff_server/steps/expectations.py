"""Expectations of the steps to come, from traces: how many partners each tensor will have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Optional

from padiff_rpc.v1.records import CallEvent
from padiff_rpc.v1.words import Side
from padiff_server.capture.trace import Origin
from padiff_server.sides import SIDES
from padiff_server.steps.calls import JoinedCalls


class Expectations:
    """What the traces say of the steps to come: each tensor's number of partners."""

    def __init__(self, joined: JoinedCalls) -> None:
        self._traces = joined.traces
        origins = {side: dict(joined.recorded[side].origins()) for side in SIDES}
        self._partners: Mapping[Side, Counter[Origin]] = {
            side: Counter(dict.fromkeys(origins[side].values(), 0)) for side in SIDES
        }
        for tensors in {slots.tensors for pair in joined.pairs for slots in pair.slots.pairs}:
            for side in SIDES:
                self._partners[side][origins[side][tensors.of(side)]] += 1

    def partners(self, side: Side, origin: Origin) -> Optional[int]:
        """Returns how many pairs the tensor first seen there is in; None when no trace knows it."""
        return self._partners[side].get(origin)

    def knows(self, side: Side, event: CallEvent) -> bool:
        """Whether the trace has this call."""
        return self._traces[side].has(event)
