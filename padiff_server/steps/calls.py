"""Calls of the two sides, paired one by one as their events come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional

from padiff_rpc.records import record
from padiff_rpc.types import CallEvent, SourceLine
from padiff_rpc.words import CallMoment, Side
from padiff_server.alignment.plan import PairedLayer, Plan
from padiff_server.alignment.slots import SlotPairing, pair_returned, pair_slots
from padiff_server.sides import SIDES, other


@record
class SeenCall:
    """One side's event; `index` counts that side's events from 0, in execution order."""

    index: int
    event: CallEvent


@record
class CallPair:
    """Entry or exit of two calls that correspond to each other, and how their tensors do."""

    layer: PairedLayer
    moment: CallMoment
    reference: SeenCall
    candidate: SeenCall
    slots: SlotPairing


class _Moment(NamedTuple):
    reference_path: str
    call: int
    moment: CallMoment


class CallPairs:
    """Pairs entry with entry and exit with exit: same layer pair, same call number. Not thread-safe.

    Attributes:
        pairs: in the order in which they were completed.
        sources: (side, path, call) -> the line of user code that made the call.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._skipped = {side: frozenset(plan.skip_paths(side)) for side in SIDES}
        self._waiting: Mapping[Side, dict[_Moment, SeenCall]] = {side: {} for side in SIDES}
        self._partnerless: Mapping[Side, list[SeenCall]] = {side: [] for side in SIDES}
        self._seen: Counter[Side] = Counter()
        self.pairs: list[CallPair] = []
        self.sources: dict[tuple[Side, str, int], SourceLine] = {}

    def add(self, side: Side, event: CallEvent) -> Optional[CallPair]:
        """Takes an event; returns the pair that it completes. Replays and skipped calls pair with nothing."""
        if event.replay or event.path in self._skipped[side]:
            return None
        seen = SeenCall(index=self._seen[side], event=event)
        self._seen[side] += 1
        if event.source is not None:
            self.sources[side, event.path, event.call] = event.source
        layer = self._layer(side, event.path)
        if layer is None:
            self._partnerless[side].append(seen)
            return None
        key = _Moment(layer.reference, event.call, event.moment)
        counterpart = self._waiting[other(side)].pop(key, None)
        if counterpart is None:
            self._waiting[side][key] = seen
            return None
        reference, candidate = (seen, counterpart) if side is Side.REFERENCE else (counterpart, seen)
        pair = CallPair(
            layer=layer,
            moment=event.moment,
            reference=reference,
            candidate=candidate,
            slots=_slots(layer, reference.event, candidate.event),
        )
        self.pairs.append(pair)
        return pair

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

    def _layer(self, side: Side, path: str) -> Optional[PairedLayer]:
        find = self._plan.candidate_of if side is Side.REFERENCE else self._plan.reference_of
        layer = find(path)
        return layer if layer is not None and layer.compared else None


def _slots(layer: PairedLayer, reference: CallEvent, candidate: CallEvent) -> SlotPairing:
    if reference.moment is CallMoment.EXIT and layer.reference != "":
        return pair_returned(reference.slots, candidate.slots)
    # What the whole model takes and returns is the user's own, and has to have the same structure.
    return pair_slots(reference.moment, reference.slots, candidate.slots)


class Origin(NamedTuple):
    """Where a tensor was first seen, which names it in every step alike."""

    path: str
    call: int
    moment: CallMoment
    slot: str


class Expectations:
    """What the traces say of the steps to come: each tensor's number of partners."""

    def __init__(self, plan: Plan, traces: Mapping[Side, Iterable[CallEvent]]) -> None:
        self._partners: Mapping[Side, Counter[Origin]] = {side: Counter() for side in SIDES}
        self._calls: set[tuple[Side, str, int, CallMoment]] = set()
        pairs = CallPairs(plan)
        origins: Mapping[Side, dict[int, Origin]] = {side: {} for side in SIDES}
        for side in SIDES:
            skipped = frozenset(plan.skip_paths(side))
            for event in traces[side]:
                pairs.add(side, event)
                self._calls.add((side, event.path, event.call, event.moment))
                if event.path not in skipped and not event.replay:
                    self._note_origins(origins[side], event)
            self._partners[side].update(dict.fromkeys(origins[side].values(), 0))
        tensor_pairs = {
            (slots.reference.tensor, slots.candidate.tensor)
            for pair in pairs.pairs
            for slots in pair.slots.pairs
        }
        for reference, candidate in tensor_pairs:
            self._partners[Side.REFERENCE][origins[Side.REFERENCE][reference]] += 1
            self._partners[Side.CANDIDATE][origins[Side.CANDIDATE][candidate]] += 1

    @staticmethod
    def _note_origins(origins: dict[int, Origin], event: CallEvent) -> None:
        for slot in event.slots:
            origins.setdefault(slot.tensor, Origin(event.path, event.call, event.moment, slot.name))

    def partners(self, side: Side, origin: Origin) -> Optional[int]:
        """Returns how many pairs the tensor first seen there is in; None when no trace knows it."""
        return self._partners[side].get(origin)

    def knows(self, side: Side, event: CallEvent) -> bool:
        """Whether the trace has this call."""
        return (side, event.path, event.call, event.moment) in self._calls
