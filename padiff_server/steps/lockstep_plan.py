"""Which tensor of the reference belongs in which place of the candidate's calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from padiff_rpc.records import record
from padiff_rpc.types import CallEvent, OverridePlace, TensorSpec
from padiff_rpc.words import CallMoment, Side
from padiff_server.alignment.plan import Plan
from padiff_server.sides import SIDES
from padiff_server.steps.calls import CallPairs, Origin

# A place as an event names it.
_Place = tuple[CallMoment, str, int, str]


@record
class LockstepPlan:
    """What lockstep will override, as the traces have it.

    Attributes:
        places: in the candidate's order of execution.
        specs: of the candidate's tensors in these places.
        labels: where a tensor of the reference is first seen -> its number in `places`.
    """

    places: tuple[OverridePlace, ...]
    specs: tuple[TensorSpec, ...]
    labels: Mapping[Origin, int]


def plan_lockstep(plan: Plan, traces: Mapping[Side, Iterable[CallEvent]]) -> LockstepPlan:
    """Returns the places, every compared slot of a paired call among them.

    A tensor that has its override keeps it in later places, so only the first of them is pushed; where
    another tensor of the reference belongs later, that one is pushed too.
    """
    events = {side: _recorded(plan, side, traces[side]) for side in SIDES}
    pairs = CallPairs(plan)
    for side in SIDES:
        for event in events[side]:
            pairs.add(side, event)
    partner: dict[_Place, int] = {}
    for pair in pairs.pairs:
        event = pair.candidate.event
        for slots in pair.slots.pairs:
            place = (event.moment, event.path, event.call, slots.candidate.name)
            partner[place] = slots.reference.tensor
    places, specs, has = [], [], dict[int, int]()
    for event in events[Side.CANDIDATE]:
        for slot in event.slots:
            label = partner.get((event.moment, event.path, event.call, slot.name))
            if label is None:
                continue
            places.append(
                OverridePlace(
                    moment=event.moment,
                    path=event.path,
                    call=event.call,
                    slot=slot.name,
                    tensor=label,
                    pushed=has.get(slot.tensor) != label,
                )
            )
            specs.append(slot.spec)
            has[slot.tensor] = label
    return LockstepPlan(
        places=tuple(places),
        specs=tuple(specs),
        labels=_labels(events[Side.REFERENCE]),
    )


def _recorded(plan: Plan, side: Side, trace: Iterable[CallEvent]) -> list[CallEvent]:
    skipped = frozenset(plan.skip_paths(side))
    return [event for event in trace if not event.replay and event.path not in skipped]


def _labels(events: Iterable[CallEvent]) -> dict[Origin, int]:
    labels: dict[Origin, int] = {}
    seen: set[int] = set()
    for event in events:
        for slot in event.slots:
            if slot.tensor not in seen:
                seen.add(slot.tensor)
                labels[Origin(event.path, event.call, event.moment, slot.name)] = slot.tensor
    return labels
