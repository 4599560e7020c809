"""Takers of the tensors of a pass: how many operations of the framework's graph each goes into."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from padiff_rpc.v1.records import CallEvent
from padiff_rpc.v1.words import CallMoment
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.calls import Call


class Takers:
    """Notes tensors while a pass runs, and counts their takers at its end. It keeps the pass's graph."""

    def __init__(self, adapter: FrameworkAdapter) -> None:
        self._adapter = adapter
        self._places: dict[int, Hashable] = {}
        # Of the calls that have not ended: their inputs, and what those were when the call began.
        self._taken: defaultdict[int, list[tuple[int, Any, Hashable]]] = defaultdict(list)
        self._changed: set[int] = set()
        self._returned: list[Any] = []

    def note(self, call: Call, moment: CallMoment, number: int, tensor: Any) -> None:
        """Takes a tensor of a call, and the number that it has there."""
        place = self._adapter.graph_place(tensor)
        if place is None:
            return
        self._places.setdefault(number, place)
        if moment is CallMoment.ENTRY:
            self._taken[call.index].append((number, tensor, self._adapter.identity(tensor)))

    def left(self, call: Call) -> None:
        """Says that a call ended."""
        for number, tensor, identity in self._taken.pop(call.index, ()):
            if self._adapter.identity(tensor) != identity:
                self._changed.add(number)

    def returned(self, tensor: Any) -> None:
        """Takes a tensor that the model returned."""
        self._returned.append(tensor)

    def counted_in(self, calls: Iterable[CallEvent]) -> list[CallEvent]:
        """Returns the calls of the pass, with the takers of each tensor.

        Operations that no output depends on take nothing. What a call changed in place is left out, since no
        other tensor could be handed to that call.
        """
        edges = Counter(self._adapter.graph_edges(self._returned))
        takers = {
            number: edges[place] for number, place in self._places.items() if number not in self._changed
        }
        return [_counted(event, takers) for event in calls]


def _counted(event: CallEvent, takers: Mapping[int, int]) -> CallEvent:
    if takers.keys().isdisjoint(slot.tensor for slot in event.slots):
        return event
    slots = tuple(dataclasses.replace(slot, takers=takers.get(slot.tensor, 0)) for slot in event.slots)
    return dataclasses.replace(event, slots=slots)
