"""Correspondences: slots of paired calls that hold the same values though name and order pair others."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Optional, Protocol

from padiff_compare.alignment.common_parts import with_common_part
from padiff_compare.alignment.slots import Meeting, SlotPair, SlotPairing
from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.trace import Origin
from padiff_compare.layout_rules import Shape
from padiff_rpc.records import record
from padiff_rpc.v1.records import Reason, Slot, TensorSpec
from padiff_rpc.v1.words import CallMoment, Cause, Side

# A paired call's entry or exit: the layer's path on the reference, the call's number, the moment.
Moment = tuple[str, int, CallMoment]
# The slots that both sides show so far at places that stand for others.
Shown = Mapping[tuple[Side, Origin], Slot]


class Conversion(Protocol):
    """How a tensor of one side lies against the other's: a layout, a spread, an activation between them."""

    def values(self, reference: TensorSpec, candidate: TensorSpec) -> Meeting:
        """Returns what is applied to the values of each side before they are compared."""

    def gradients(self, reference: TensorSpec, candidate: TensorSpec) -> Optional[Meeting]:
        """Returns what is applied to the gradients of each side; None where they do not meet."""

    def reasons(self, reference: Shape, candidate: Shape) -> tuple[Reason, ...]:
        """Returns what a row of tensors of these shapes says of it."""


Way = Optional[Conversion]


@record
class Correspondence:
    """Two slots of a paired call that hold the same values.

    Attributes:
        reference, candidate: the slots' names.
        way: how the candidate's tensor lies against the reference's, or what one side's layer does to it
            besides; None for the same.
        stand_ins: by side, another place whose tensor is taken in place of the call's own: the one behind
            the activation that the other side's layer applies itself.
    """

    reference: str
    candidate: str
    way: Way = None
    stand_ins: Mapping[Side, Origin] = dataclasses.field(default_factory=dict)


@record
class Correspondences:
    """All of them, by the calls that they belong to; of a layer that has any, all calls that were seen."""

    found: Mapping[Moment, tuple[Correspondence, ...]] = dataclasses.field(default_factory=dict)

    def at(self, path: str, call: int, moment: CallMoment) -> tuple[Correspondence, ...]:
        """Returns those of one call; a call that was not seen has those of the layer's first.

        A place that stands for another is that of one call, and holds for no other.
        """
        known = self.found.get((path, call, moment))
        if known is not None:
            return known
        first = self.found.get((path, 0, moment), ())
        return tuple(one for one in first if not one.stand_ins)

    def stand_ins(self) -> frozenset[tuple[Side, Origin]]:
        """Returns all places that stand for others."""
        return frozenset(
            place for several in self.found.values() for one in several for place in one.stand_ins.items()
        )


def paired_by(
    given: Sequence[Correspondence], reference: Sequence[Slot], candidate: Sequence[Slot], shown: Shown
) -> Optional[tuple[SlotPairing, list[Slot], list[Slot]]]:
    """Returns the pairs that correspondences give, and what is left of both sides' slots.

    None while a place that stands for another is not shown yet.
    """
    left = {Side.REFERENCE: list(reference), Side.CANDIDATE: list(candidate)}
    pairs = []
    for one in given:
        own = {
            side: next((slot for slot in left[side] if slot.name == name), None)
            for side, name in ((Side.REFERENCE, one.reference), (Side.CANDIDATE, one.candidate))
        }
        if None in own.values():
            continue
        tensors = {}
        for side, slot in own.items():
            assert slot is not None
            stand_in = shown.get((side, one.stand_ins[side])) if side in one.stand_ins else slot
            if stand_in is None:
                return None
            tensors[side] = dataclasses.replace(stand_in, name=slot.name)
            left[side].remove(slot)
        pairs.append(_pair(one, *(tensors[side] for side in SIDES)))
    return SlotPairing(pairs=tuple(pairs)), left[Side.REFERENCE], left[Side.CANDIDATE]


def _pair(one: Correspondence, reference: Slot, candidate: Slot) -> SlotPair:
    elsewhere = [
        Reason(cause=Cause.SHOWN_ELSEWHERE, side=side, names=(_text(place),))
        for side, place in one.stand_ins.items()
    ]
    pair = paired_in(one.way, reference, candidate)
    at = one.stand_ins.get(Side.CANDIDATE)
    return dataclasses.replace(pair, candidate_at=at, notes=(*elsewhere, *pair.notes))


def paired_in(way: Way, reference: Slot, candidate: Slot) -> SlotPair:
    """Returns two slots paired in a way, as far as both have the same elements."""
    specs = reference.spec, candidate.spec
    if way is None:
        return with_common_part(SlotPair(reference=reference, candidate=candidate))
    pair = SlotPair(
        reference=reference,
        candidate=candidate,
        values=way.values(*specs),
        gradients=way.gradients(*specs),
        notes=way.reasons(*(spec.shape for spec in specs)),
    )
    return with_common_part(pair)


def _text(place: Origin) -> str:
    what = "input" if place.moment is CallMoment.ENTRY else "output"
    return f"{what} {place.slot} of {place.path or 'the root'}"
