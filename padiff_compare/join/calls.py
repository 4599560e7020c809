"""Calls of the two sides in one pass, paired: one by one as their events come in, and when it is over."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple, Optional

from padiff_compare.alignment.common_parts import with_common_part
from padiff_compare.alignment.correspondences import paired_by
from padiff_compare.alignment.plan import PairedLayer, Plan
from padiff_compare.alignment.slots import SlotPairing, pair_returned, pair_slots
from padiff_compare.capture.sides import SIDES, TensorPair, other
from padiff_compare.capture.trace import CallName, Origin, SeenCall, Trace, Traces
from padiff_rpc.records import record
from padiff_rpc.v1.records import CallEvent, RandomOperation, Slot
from padiff_rpc.v1.words import CallMoment, Side

Operations = Mapping[Side, tuple[RandomOperation, ...]]


@record
class CallPair:
    """Entry or exit of two calls that correspond to each other, and how their tensors do."""

    layer: PairedLayer
    moment: CallMoment
    reference: SeenCall
    candidate: SeenCall
    slots: SlotPairing

    def seen(self, side: Side) -> SeenCall:
        """Returns one side's event."""
        return self.reference if side is Side.REFERENCE else self.candidate

    @property
    def name(self) -> CallName:
        """The call's name, as the reference's layers and calls have it."""
        return self.layer.reference, self.reference.event.call

    @property
    def is_root_exit(self) -> bool:
        """Whether it shows what the whole model returns."""
        return self.layer.reference == "" and self.moment is CallMoment.EXIT


class HeldCalls(NamedTuple):
    """Two calls that correspond, one of whose tensors another place is still to show."""

    layer: PairedLayer
    reference: SeenCall
    candidate: SeenCall

    def seen(self, side: Side) -> SeenCall:
        """Returns one side's."""
        return self.reference if side is Side.REFERENCE else self.candidate


class _Moment(NamedTuple):
    reference_path: str
    call: int
    moment: CallMoment


class CallPairs:
    """Pairs entry with entry and exit with exit: same layer pair, same call number. Not thread-safe.

    Attributes:
        pairs: in the order in which they were completed.
        held: whose tensors other calls are still to show.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._skipped = {side: frozenset(plan.skip_paths(side)) for side in SIDES}
        self._waiting: Mapping[Side, dict[_Moment, SeenCall]] = {side: {} for side in SIDES}
        self._partnerless: Mapping[Side, list[SeenCall]] = {side: [] for side in SIDES}
        self._seen: Counter[Side] = Counter()
        # What other calls have shown of the tensors that stand for others.
        self._stand_ins = plan.correspondences.stand_ins()
        self._shown: dict[tuple[Side, Origin], Slot] = {}
        self.pairs: list[CallPair] = []
        self.held: list[HeldCalls] = []

    def add(self, side: Side, event: CallEvent) -> tuple[CallPair, ...]:
        """Takes an event; returns the pairs that it completes, one at most but for those that waited for it.

        Replays and skipped calls pair with nothing.
        """
        if event.replay or event.path in self._skipped[side]:
            return ()
        self._note_shown(side, event)
        seen = SeenCall(index=self._seen[side], event=event)
        self._seen[side] += 1
        found = self._plan.call_pair(side, event.path, event.call)
        if found is None or not found[0].compared:
            self._partnerless[side].append(seen)
            return self._completed()
        layer, number = found
        key = _Moment(layer.reference, number, event.moment)
        counterpart = self._waiting[other(side)].pop(key, None)
        if counterpart is None:
            self._waiting[side][key] = seen
        else:
            reference, candidate = (seen, counterpart) if side is Side.REFERENCE else (counterpart, seen)
            self.held.append(HeldCalls(layer, reference, candidate))
        return self._completed()

    def _note_shown(self, side: Side, event: CallEvent) -> None:
        for slot in event.slots if self._stand_ins else ():
            place = (side, Origin(event.path, event.call, event.moment, slot.name))
            if place in self._stand_ins:
                self._shown[place] = slot

    def _completed(self) -> tuple[CallPair, ...]:
        """Returns the held pairs all of whose tensors were shown."""
        found, held = [], []
        for waiting in self.held:
            layer, reference, candidate = waiting
            slots = self._slots(layer, reference.event, candidate.event)
            if slots is None:
                held.append(waiting)
            else:
                found.append(
                    CallPair(
                        layer=layer,
                        moment=reference.event.moment,
                        reference=reference,
                        candidate=candidate,
                        slots=slots,
                    )
                )
        self.held = held
        self.pairs += found
        return tuple(found)

    def _slots(self, layer: PairedLayer, reference: CallEvent, candidate: CallEvent) -> Optional[SlotPairing]:
        given = self._plan.correspondences.at(layer.reference, reference.call, reference.moment)
        made = paired_by(given, reference.slots, candidate.slots, self._shown)
        if made is None:
            return None
        known, ours, theirs = made
        if reference.moment is CallMoment.EXIT and layer.reference != "":
            rest = pair_returned(ours, theirs)
        else:
            # What the whole model takes and returns is the user's own, and has to have the same structure.
            rest = pair_slots(reference.moment, ours, theirs)
        return dataclasses.replace(rest, pairs=(*known.pairs, *map(with_common_part, rest.pairs)))

    def without_partner(self, side: Side) -> tuple[SeenCall, ...]:
        """Returns the entries of calls whose layers have no partner in the plan, in execution order."""
        lone = self._partnerless[side]
        return tuple(seen for seen in lone if seen.event.moment is CallMoment.ENTRY)

    def unpaired(self, side: Side) -> list[SeenCall]:
        """Returns one event of each call without a counterpart so far, in execution order.

        It is the call's entry; or its exit, where the other side entered the call and never left it.
        """
        waiting = self._waiting[side]
        entries = [*self._partnerless[side], *waiting.values()]
        lone = [seen for seen in entries if seen.event.moment is CallMoment.ENTRY]
        lone += [
            seen
            for key, seen in waiting.items()
            if key.moment is CallMoment.EXIT and key._replace(moment=CallMoment.ENTRY) not in waiting
        ]
        return sorted(lone, key=lambda seen: seen.index)


@record
class JoinedCalls:
    """One pass of both sides, when it is over.

    Attributes:
        pairs: in the order in which they were completed.
        held: pairs one of whose tensors another place was to show, and did not.
        partnerless: entries of calls whose layers have no partner in the plan, in order of execution.
        unpaired: one event of each call without a counterpart, in order of execution.
    """

    plan: Plan
    traces: Traces
    pairs: tuple[CallPair, ...]
    held: tuple[HeldCalls, ...]
    partnerless: Mapping[Side, tuple[SeenCall, ...]]
    unpaired: Mapping[Side, tuple[SeenCall, ...]]

    @classmethod
    def of_calls(cls, plan: Plan, traces: Traces, calls: CallPairs) -> JoinedCalls:
        """Returns the pass of these traces, all of whose events `calls` has paired."""
        return cls(
            plan=plan,
            traces=traces,
            pairs=tuple(calls.pairs),
            held=tuple(calls.held),
            partnerless={side: calls.without_partner(side) for side in SIDES},
            unpaired={side: tuple(calls.unpaired(side)) for side in SIDES},
        )

    @cached_property
    def recorded(self) -> Mapping[Side, Trace]:
        """The traces as steps show them, which leave out what is not compared on purpose."""
        return {side: self.traces[side].without(self.plan.skip_paths(side)) for side in SIDES}

    @cached_property
    def ordered(self) -> Mapping[Side, tuple[CallPair, ...]]:
        """The pairs in each side's order of execution."""
        return {
            Side.REFERENCE: tuple(sorted(self.pairs, key=lambda pair: pair.reference.index)),
            Side.CANDIDATE: tuple(sorted(self.pairs, key=lambda pair: pair.candidate.index)),
        }

    @cached_property
    def shown(self) -> Mapping[Side, Mapping[TensorPair[int], tuple[CallPair, ...]]]:
        """The calls that show each pair of tensors, in each side's order of execution."""
        found: Mapping[Side, defaultdict[TensorPair[int], list[CallPair]]] = {
            side: defaultdict(list) for side in SIDES
        }
        for side in SIDES:
            for call in self.ordered[side]:
                for slots in call.slots.pairs:
                    found[side][slots.tensors].append(call)
        return {side: {key: tuple(calls) for key, calls in found[side].items()} for side in SIDES}

    @cached_property
    def names(self) -> frozenset[CallName]:
        """The names of all pairs."""
        return frozenset(pair.name for pair in self.pairs)

    def parent(self, pair: CallPair) -> Optional[CallName]:
        """Returns the innermost paired call inside which the reference made this one; None for none."""
        parents = self.traces[Side.REFERENCE].parents(pair.reference.name)
        return next((name for name in parents if name in self.names), None)

    def call_around(self, side: Side, pair: CallPair) -> Optional[CallName]:
        """Returns the innermost paired call that `calls_around` a side's call, itself left out."""
        outer = self.calls_around(side, pair.seen(side).name)
        return next((name for name in outer if name in self.names and name != pair.name), None)

    def begun(self, operations: Operations) -> Operations:
        """Returns those of the operations that were made in calls which both sides began."""
        return {
            side: tuple(
                one
                for one in operations[side]
                if next(iter(self.calls_around(side, (one.path, one.call))), None) in self.names
            )
            for side in SIDES
        }

    def calls_around(self, side: Side, name: CallName) -> Iterable[CallName]:
        """Yields a call and those that it lies in, innermost first, by (reference path, call number).

        Calls of layers without a partner are left out. A call that the pass does not show counts as lying
        in the first calls of the layers around its layer.
        """
        names = [name, *self.traces[side].parents(name)]
        if len(names) == 1:
            above = name[0]
            while above:
                above = above.rpartition(".")[0]
                names.append((above, 0))
        for path, call in names:
            found = self.plan.call_pair(side, path, call)
            if found is not None:
                layer, number = found
                yield layer.reference, number


def join_calls(plan: Plan, traces: Traces) -> JoinedCalls:
    """Returns the calls of two traces as the plan pairs them."""
    calls = CallPairs(plan)
    for side in SIDES:
        for event in traces[side].events:
            calls.add(side, event)
    return JoinedCalls.of_calls(plan, traces, calls)
