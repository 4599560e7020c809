"""The plan of lockstep: which tensor of the reference belongs in which place of the candidate's calls."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Optional

from padiff_compare.alignment.slots import Meeting, SlotPair
from padiff_compare.capture.trace import Origin, TensorKey
from padiff_compare.join.calls import JoinedCalls
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc.records import record
from padiff_rpc.v1.records import OverridePlace, OverrideTicket, TensorSpec
from padiff_rpc.v1.words import CallMoment, Side

# Whether the candidate keeps its own value of a tensor, and its own gradient.
Keeps = Callable[[SlotPair], tuple[bool, bool]]


@record
class LockstepPlan:
    """What lockstep will override, as the traces have it.

    Attributes:
        places: in the candidate's order of execution; parameters behind all calls.
        specs: of the candidate's tensors in these places.
        meetings: how values and gradients are brought from the reference's layout to these places.
        labels: what the reference shows -> its number in `places`.
        gradients: the numbers, likewise, of what the places get their gradients from.
    """

    places: tuple[OverridePlace, ...]
    specs: tuple[TensorSpec, ...]
    meetings: tuple[tuple[Meeting, Optional[Meeting]], ...]
    labels: Mapping[TensorKey, int]
    gradients: tuple[int, ...]

    def label(self, ticket: OverrideTicket) -> int:
        """Returns the number of what the reference has of an override."""
        return self.gradients[ticket.place] if ticket.gradient else self.places[ticket.place].tensor


def plan_overrides(
    joined: JoinedCalls, chance: Optional[Keeps], *, in_lockstep: bool
) -> Optional[LockstepPlan]:
    """Returns what a pass overrides; None for nothing.

    Lockstep overrides all values and gradients. Whatever the pass, what differs between the sides by `chance`
    alone is overridden, so that the comparison goes on behind it.
    """
    if in_lockstep:
        return plan_lockstep(joined)
    return plan_lockstep(joined, chance) if chance is not None else None


def plan_lockstep(joined: JoinedCalls, keeps: Optional[Keeps] = None) -> LockstepPlan:
    """Returns the places, every compared slot of a paired call among them unless it `keeps` all its own.

    A tensor that has its override keeps it in later places, so only the first of them is pushed; where
    another tensor of the reference belongs later, that one is pushed too.
    """
    partner = _partners(joined, keeps)
    # Tensors whose calls' own gradients are compared: their totals need not agree.
    parted = {slots.tensors for pair in joined.pairs for slots in pair.slots.pairs if slots.has_own_gradient}
    places, specs, meetings, gradients = [], [], [], []
    has, first = dict[int, int](), dict[int, int]()
    for event in joined.recorded[Side.CANDIDATE].events:
        for slot in event.slots:
            found = partner.get(Origin(event.path, event.call, event.moment, slot.name))
            if found is None:
                continue
            slots, (keeps_value, keeps_gradient) = found
            label = slots.reference.tensor
            # Of several that are one tensor on the reference, the first has its whole gradient.
            is_share = not slots.has_own_gradient and (
                slots.tensors in parted or first.setdefault(label, slot.tensor) != slot.tensor
            )
            places.append(
                OverridePlace(
                    moment=event.moment,
                    path=event.path,
                    call=event.call,
                    slot=slot.name,
                    tensor=label,
                    pushed=has.get(slot.tensor) != label,
                    keeps_value=keeps_value,
                    keeps_gradient=keeps_gradient or is_share,
                    own_gradient=bool(slot.gradient),
                    lengths=slots.part.lengths if slots.part is not None else (),
                    time_first=slots.part is not None and slots.part.time_first,
                )
            )
            gradients.append(slots.gradient_numbers.reference)
            specs.append(slot.spec)
            meetings.append((slots.values, slots.gradients))
            has[slot.tensor] = label
    return LockstepPlan(
        places=tuple(places),
        specs=tuple(specs),
        meetings=tuple(meetings),
        labels={origin: number for number, origin in joined.recorded[Side.REFERENCE].origins()},
        gradients=tuple(gradients),
    )


def with_parameters(plan: LockstepPlan, pairs: Sequence[WeightPair]) -> LockstepPlan:
    """Returns the plan of a pass whose optimizer steps with the reference's gradients of these parameters."""
    labels = dict(plan.labels)
    # Above all of the tensors' own, of which some are missing where layers are left out.
    unused = itertools.count(max(labels.values(), default=0) + 1)
    for pair in pairs:
        if pair.reference_name not in labels:
            labels[pair.reference_name] = next(unused)
    numbers = tuple(labels[pair.reference_name] for pair in pairs)
    places = (
        OverridePlace(
            moment=CallMoment.EXIT,
            path=pair.candidate.path,
            call=0,
            slot=pair.candidate.weight.name,
            tensor=number,
            keeps_value=True,
            parameter=True,
        )
        for pair, number in zip(pairs, numbers)
    )
    meetings = ((Meeting(), Meeting(reference=pair.rule)) for pair in pairs)
    return dataclasses.replace(
        plan,
        places=(*plan.places, *places),
        specs=(*plan.specs, *(pair.candidate.weight.spec for pair in pairs)),
        meetings=(*plan.meetings, *meetings),
        labels=labels,
        gradients=(*plan.gradients, *numbers),
    )


def _partners(
    joined: JoinedCalls, keeps: Optional[Keeps]
) -> dict[Origin, tuple[SlotPair, tuple[bool, bool]]]:
    """Returns the pairs by the candidate's places, and whether it keeps its value and its gradient there."""
    partner: dict[Origin, tuple[SlotPair, tuple[bool, bool]]] = {}
    for pair in joined.pairs:
        event = pair.candidate.event
        for slots in pair.slots.pairs:
            at = Origin(event.path, event.call, event.moment, slots.candidate.name)
            keeps_value, keeps_gradient = (False, False) if keeps is None else keeps(slots)
            kept = (
                keeps_value or _keeps_its_own(slots.values),
                keeps_gradient or _keeps_its_own(slots.gradients),
            )
            if all(kept):
                continue
            if slots.candidate_at is None:
                partner[at] = slots, kept
            else:
                # A place that stands for another has an override of its own where it is paired.
                partner.setdefault(slots.candidate_at, (slots, kept))
    return partner


def _keeps_its_own(meeting: Optional[Meeting]) -> bool:
    return meeting is None or meeting.sent is None
