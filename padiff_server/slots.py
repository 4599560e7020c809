"""Which input (or output) of a reference call corresponds to which of the candidate's call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from padiff_rpc.records import record
from padiff_rpc.types import Slot
from padiff_rpc.words import CallMoment


@record
class SlotPair:
    reference: Slot
    candidate: Slot


@record
class SlotPairing:
    """All slots of one moment of a paired call; what is left over is a difference of structure."""

    pairs: tuple[SlotPair, ...]
    only_reference: tuple[Slot, ...] = ()
    only_candidate: tuple[Slot, ...] = ()


def pair_slots(moment: CallMoment, reference: Sequence[Slot], candidate: Sequence[Slot]) -> SlotPairing:
    """Returns the pairing, pairs in the reference's order.

    Equal names pair whatever their order. The rest pairs by order, equal shape and dtype first, then
    equal shape: a positional input with a keyword one, a tuple's element with a dict's. Slots that
    share no shape pair by order as well, so that a wrong shape is seen as one.

    An output is never paired with one whose key the other side has under another position: names that
    both sides give are final.
    """
    del moment  # Inputs and outputs follow the same rules today.
    by_name = {slot.name: slot for slot in candidate}
    partner = {slot.name: by_name[slot.name] for slot in reference if slot.name in by_name}
    left = [slot for slot in reference if slot.name not in partner]
    right = [slot for slot in candidate if slot.name not in partner]
    for alike in (_same_spec, _same_shape, _anything):
        left, right = _pair_in_order(left, right, alike, partner)
    return SlotPairing(
        pairs=tuple(
            SlotPair(reference=slot, candidate=partner[slot.name])
            for slot in reference
            if slot.name in partner
        ),
        only_reference=tuple(left),
        only_candidate=tuple(right),
    )


def _pair_in_order(
    left: list[Slot], right: list[Slot], alike: Callable[[Slot, Slot], bool], partner: dict[str, Slot]
) -> tuple[list[Slot], list[Slot]]:
    unpaired, free = [], list(right)
    for slot in left:
        found = next((other for other in free if alike(slot, other)), None)
        if found is None:
            unpaired.append(slot)
        else:
            partner[slot.name] = found
            free.remove(found)
    return unpaired, free


def _same_spec(one: Slot, other: Slot) -> bool:
    return one.spec == other.spec


def _same_shape(one: Slot, other: Slot) -> bool:
    return one.spec.shape == other.spec.shape


def _anything(one: Slot, other: Slot) -> bool:
    return True
