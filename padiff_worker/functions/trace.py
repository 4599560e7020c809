"""One trace while it is made: the functions, layers and boundaries of one selected call."""

from __future__ import annotations

import dataclasses
from typing import Optional

from padiff_rpc.v1.records import (
    FunctionBoundary,
    FunctionCall,
    FunctionSelection,
    FunctionTrace,
    Reason,
    SourceLine,
)
from padiff_rpc.v1.words import CallMoment, Cause
from padiff_worker.calls import Call
from padiff_worker.functions.tensors import SeenTensors
from padiff_worker.structure import NamedTensors

# One message holds a trace: this many calls and three times as many tensors take about 12 MiB.
MOST_CALLS = 5_000
_TENSORS_A_CALL = 3
# Of all traces of a step, which wait in memory till it ends.
_MOST_OF_A_STEP = 20_000


class Room:
    """How many calls the traces of one step may take in.

    Attributes:
        most, left: in all; still.
    """

    def __init__(self, most: int = _MOST_OF_A_STEP) -> None:
        self.most = self.left = most


class OpenTrace:
    """Collects what a selected call does, up to the limit of calls.

    Attributes:
        selection: the call whose trace it is.
        seen: its tensors.
        is_cut: something is left out, since the limit was reached.
        returned: the line on which the call's own code returned, once it has.
    """

    def __init__(self, selection: FunctionSelection, seen: SeenTensors, room: Room) -> None:
        self.selection = selection
        self.seen = seen
        self._room = room
        self.is_cut = False
        self.returned: Optional[SourceLine] = None
        self._calls: list[FunctionCall] = []
        self._boundaries: dict[tuple[str, int, CallMoment, str], FunctionBoundary] = {}
        self._groups = 0

    @property
    def next_call(self) -> int:
        """The number of the call that ends next."""
        return len(self._calls) + 1

    @property
    def group(self) -> int:
        """The group of the call before."""
        return self._groups

    def new_group(self) -> int:
        """Returns a group of its own for what one line called."""
        self._groups += 1
        return self._groups

    def has_room(self) -> bool:
        """Whether another call is taken in; if not, the trace is cut short from here on."""
        most_tensors = _TENSORS_A_CALL * MOST_CALLS
        if not self._room.left or len(self._calls) >= MOST_CALLS or len(self.seen) >= most_tensors:
            self.is_cut = True
        return not self.is_cut

    def add(self, call: FunctionCall) -> None:
        """Takes in the call of the next number."""
        self._calls.append(call)
        self._room.left -= 1

    def bound(
        self, call: Call, moment: CallMoment, tensors: NamedTensors, producer: int = 0
    ) -> dict[str, int]:
        """Notes a call's own tensors at its entry or exit; returns their numbers by slot.

        `producer`: the call of the trace that the layer's stands as, at its exit.
        """
        if self.is_cut:
            return {}
        numbers = {slot: self.seen.of(tensor, producer) for slot, tensor in tensors}
        for slot, number in numbers.items():
            self._boundaries[call.path, call.number, moment, slot] = FunctionBoundary(
                path=call.path, call=call.number, moment=moment, slot=slot, tensor=number
            )
        return numbers

    def settle(self, call: Call, moment: CallMoment, tensors: NamedTensors) -> dict[str, int]:
        """Notes what stands in these slots from here on; returns the numbers by slot."""
        numbers = {}
        for slot, tensor in tensors:
            place = (call.path, call.number, moment, slot)
            bound = self._boundaries.get(place)
            if bound is None or self.is_cut:
                continue
            numbers[slot] = number = self.seen.overridden(bound.tensor, tensor)
            if number != bound.tensor:
                self._boundaries[place] = dataclasses.replace(bound, replaced_by=number)
        return numbers

    def closed(self) -> FunctionTrace:
        """Returns the trace as it travels."""
        taken = len(self._calls) if self._room.left else self._room.most
        cut = Reason(cause=Cause.FUNCTIONS_CUT_SHORT, numbers=(float(taken),))
        return FunctionTrace(
            path=self.selection.path,
            call=self.selection.call,
            calls=tuple(self._calls),
            tensors=self.seen.records(),
            boundaries=tuple(self._boundaries.values()),
            returned=self.returned,
            cut_short=cut if self.is_cut else None,
        )
