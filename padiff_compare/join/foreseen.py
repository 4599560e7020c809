"""Foresight of the steps to come, from traces: the partners of each tensor, and gradients of a call's own.

A tensor that a layer returned has one total gradient, whatever takes it. One that code between the layers
made need not have: code may go on with the tensor that a layer took on one side, and make its value anew on
the other (a dense block that concatenates what it has so far, or all of it each time); two layers may take
one tensor here and two equal ones there. What one call sends back is the same on both sides all the same.
A gradient that such code loses shows in the tensors that the code was given.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Optional

from padiff_compare.alignment.slots import SlotPair
from padiff_compare.capture.sides import SIDES, other
from padiff_compare.capture.trace import Origin, Trace
from padiff_compare.join.calls import CallPair, JoinedCalls, join_calls
from padiff_rpc.v1.records import CallEvent, CallInput
from padiff_rpc.v1.words import CallMoment, Side

# A call, and a tensor that it takes.
_Taken = tuple[str, int, int]


def with_own_gradients(joined: JoinedCalls) -> JoinedCalls:
    """Returns the calls as steps will show them, where such inputs have numbers of their gradients' own."""
    taken = _taken(joined)
    if not any(taken.values()):
        return joined
    traces = {side: Trace(events=tuple(_numbered(joined.traces[side], taken[side]))) for side in SIDES}
    return join_calls(joined.plan, traces)


def own_inputs(trace: Trace) -> tuple[CallInput, ...]:
    """Returns the inputs that have such a number."""
    return tuple(
        CallInput(path=event.path, call=event.call, slot=slot.name)
        for event in trace.events
        for slot in event.slots
        if slot.gradient
    )


def inputs_of_several_takers(calls: Iterable[CallEvent]) -> tuple[CallInput, ...]:
    """Returns the inputs of a pass that may need such a number, whatever the pass is compared with."""
    return tuple(
        CallInput(path=event.path, call=event.call, slot=slot.name)
        for event in calls
        if event.moment is CallMoment.ENTRY and event.path != "" and not event.replay
        for slot in event.slots
        if slot.takers > 1
    )


def _taken(joined: JoinedCalls) -> Mapping[Side, set[_Taken]]:
    """Returns what calls take whose own gradients are to be seen.

    A tensor that nothing else takes has no other gradient than its one taker's.
    """
    inputs = list(_inputs(joined))
    partners: Mapping[Side, defaultdict[int, set[int]]] = {side: defaultdict(set) for side in SIDES}
    for _, slots in inputs:
        for side in SIDES:
            partners[side][slots.tensors.of(side)].add(slots.tensors.of(other(side)))
    found: Mapping[Side, set[_Taken]] = {side: set() for side in SIDES}
    for call, slots in inputs:
        if not any(_is_made_in_code(joined.traces[side], slots.tensors.of(side)) for side in SIDES):
            continue
        takers = {Side.REFERENCE: slots.reference.takers, Side.CANDIDATE: slots.candidate.takers}
        are_alike = len(set(takers.values())) == 1 and all(
            len(partners[side][slots.tensors.of(side)]) == 1 for side in SIDES
        )
        if are_alike or 0 in takers.values():
            continue
        for side in SIDES:
            if takers[side] > 1:
                found[side].add((*call.seen(side).name, slots.tensors.of(side)))
    return found


def _inputs(joined: JoinedCalls) -> Iterator[tuple[CallPair, SlotPair]]:
    for call in joined.pairs:
        if call.moment is CallMoment.ENTRY and call.layer.candidate != "":
            for slots in call.slots.pairs:
                if slots.gradients is not None and slots.candidate_at is None:
                    yield call, slots


def _is_made_in_code(trace: Trace, tensor: int) -> bool:
    """Whether a tensor was first seen as a call went in, and was not given to the model."""
    event = trace.first(tensor).at.event
    return event.moment is CallMoment.ENTRY and event.path != ""


def _numbered(trace: Trace, taken: set[_Taken]) -> Iterator[CallEvent]:
    next_number = 1 + max((slot.tensor for event in trace.events for slot in event.slots), default=0)
    for event in trace.events:
        numbers = dict[int, int]()
        for slot in event.slots if event.moment is CallMoment.ENTRY else ():
            if (event.path, event.call, slot.tensor) in taken:
                numbers.setdefault(slot.tensor, next_number + len(numbers))
        next_number += len(numbers)
        slots = (dataclasses.replace(slot, gradient=numbers.get(slot.tensor, 0)) for slot in event.slots)
        yield dataclasses.replace(event, slots=tuple(slots)) if numbers else event


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
