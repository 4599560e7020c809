"""Calls of the two sides, paired one by one as their events come in."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, Optional

from padiff_rpc.records import record
from padiff_rpc.v1.records import CallEvent, Slot
from padiff_rpc.v1.words import CallMoment, Side
from padiff_server.alignment.correspondences import paired_by
from padiff_server.alignment.plan import PairedLayer, Plan
from padiff_server.alignment.slots import SlotPairing, pair_returned, pair_slots
from padiff_server.capture.trace import CallName, Origin, SeenCall
from padiff_server.sides import SIDES, other


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
        return dataclasses.replace(rest, pairs=(*known.pairs, *rest.pairs))

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
