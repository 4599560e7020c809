"""Slots paired: which input (or output) of a reference call corresponds to which of the candidate's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Optional

from padiff_compare.alignment.path_words import path_words
from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.trace import Origin, Traces
from padiff_compare.layout_rules import IDENTITY, Rule
from padiff_rpc.records import record
from padiff_rpc.v1.records import Reason, Slot
from padiff_rpc.v1.words import CallMoment, Side


@record
class Meeting:
    """What is applied to each side's tensor before the two are compared.

    In lockstep, what the reference's rule makes is given to the candidate, or what `given` makes, if any. A
    candidate's tensor that has a rule, and is given nothing, stays as it is.
    """

    reference: Rule = IDENTITY
    candidate: Rule = IDENTITY
    given: Optional[Rule] = None

    @property
    def sent(self) -> Optional[Rule]:
        """What makes of the reference's tensor the candidate's in lockstep; None: it keeps its own."""
        if self.given is not None or self.candidate != IDENTITY:
            return self.given
        return self.reference


@record
class Beginnings:
    """The part of a candidate's batch of sequences that the reference has: `lengths` of the batch's items.

    Its items lie along its first axis and their elements along the second, or the other way round.
    """

    lengths: tuple[int, ...] = ()
    time_first: bool = False


@record
class SlotPair:
    """Two slots that hold the same values.

    Attributes:
        values, gradients: how they are compared; None where their gradients are not equal.
        part: which of the candidate's elements the reference has; None for all.
        candidate_at: the place whose tensor stands for the candidate's slot, where that is another.
        notes: what a reader should know of the pair.
    """

    reference: Slot
    candidate: Slot
    values: Meeting = Meeting()
    gradients: Optional[Meeting] = Meeting()
    part: Optional[Beginnings] = None
    candidate_at: Optional[Origin] = None
    notes: tuple[Reason, ...] = ()

    @property
    def tensors(self) -> TensorPair[int]:
        """The numbers of the two tensors."""
        return tensors_of(self.reference, self.candidate)

    @property
    def gradient_numbers(self) -> TensorPair[int]:
        """What their gradients go by: the tensors' numbers, or those of their calls' own gradients."""
        ours, theirs = self.reference, self.candidate
        return TensorPair(reference=ours.gradient or ours.tensor, candidate=theirs.gradient or theirs.tensor)

    @property
    def has_own_gradient(self) -> bool:
        """Whether a side has the gradient that the call alone sends back."""
        return self.gradient_numbers != self.tensors

    @property
    def is_moved(self) -> bool:
        """Whether one side has its values, or its gradient, otherwise laid out, or but some of them."""
        meetings = (self.values, self.gradients or Meeting())
        return self.part is not None or any(one != Meeting() for one in meetings)


@record
class SlotPairing:
    """All slots of one moment of a paired call; what is left over is a difference of structure."""

    pairs: tuple[SlotPair, ...]
    only_reference: tuple[Slot, ...] = ()
    only_candidate: tuple[Slot, ...] = ()


def tensors_of(reference: Slot, candidate: Slot) -> TensorPair[int]:
    """Returns the numbers of what two slots show."""
    return TensorPair(reference=reference.tensor, candidate=candidate.tensor)


def pair_slots(moment: CallMoment, reference: Sequence[Slot], candidate: Sequence[Slot]) -> SlotPairing:
    """Returns the pairing, pairs in the reference's order.

    Equal names pair whatever their order and shape; of equal shape and dtype, names that share a word
    ("attention_mask", "mask"). The rest pairs by order, equal shape and dtype first, then equal shape: a
    positional input with a keyword one, a tuple's element with a dict's.

    What then shares no shape still pairs, so that a wrong shape is seen as one: the first input where one
    side is positional, and outputs where both sides have equally many left (more on one side is a
    difference of structure). Other inputs are two optional arguments, or one that each side prepares its
    own way (a mask, spread over heads or not); what they do wrong shows in the outputs.
    """
    by_name = {slot.name: slot for slot in candidate}
    partner = {slot.name: by_name[slot.name] for slot in reference if slot.name in by_name}
    left = [slot for slot in reference if slot.name not in partner]
    right = [slot for slot in candidate if slot.name not in partner]
    left, right = _pair_by_words(left, right, partner)
    left, right = _pair_in_order(left, right, partner, lambda one, other: one.spec == other.spec)
    left, right = _pair_in_order(left, right, partner, lambda one, other: one.spec.shape == other.spec.shape)
    if moment is CallMoment.ENTRY:
        if left and right and left[0] is reference[0] and right[0] is candidate[0]:
            first = _pair_in_order(left[:1], right[:1], partner, _either_positional)
            left, right = first[0] + left[1:], first[1] + right[1:]
    elif len(left) == len(right):
        left, right = _pair_in_order(left, right, partner, lambda one, other: True)
    return SlotPairing(
        pairs=tuple(
            SlotPair(reference=slot, candidate=partner[slot.name])
            for slot in reference
            if slot.name in partner
        ),
        only_reference=tuple(left),
        only_candidate=tuple(right),
    )


def pair_returned(reference: Sequence[Slot], candidate: Sequence[Slot]) -> SlotPairing:
    """Returns the pairing of what two inner layers return.

    Where one side returns more, a tensor that a side returns twice counts once: Paddle's cells return
    (h, (h, c)) where Torch's return (h, c). Its second slot pairs with what its first pairs with, behind
    all others.
    """
    if len(reference) == len(candidate):
        return pair_slots(CallMoment.EXIT, reference, candidate)
    pairing = pair_slots(CallMoment.EXIT, _firsts(reference), _firsts(candidate))
    first = {pair.tensors: pair for pair in pairing.pairs}
    again = [
        SlotPair(reference=ours, candidate=theirs)
        for tensors, pair in first.items()
        for ours in _slots_of(tensors.reference, reference)
        for theirs in _slots_of(tensors.candidate, candidate)
        if (ours.name == pair.reference.name) is not (theirs.name == pair.candidate.name)
    ]
    return dataclasses.replace(pairing, pairs=(*pairing.pairs, *again))


def loss_slots(
    traces: Traces, recorded: Mapping[Side, Sequence[str]] = MappingProxyType({})
) -> dict[Side, tuple[str, ...]]:
    """Returns each side's root output slots, partners at the same position.

    The default loss projects the n-th of them by the n-th fixed tensor, so a tuple and a mapping of the
    same outputs have the same loss. Outputs without a partner come last. Without traces: empty.

    `recorded`: the order of sides that were recorded, which stands; the other side follows it.
    """
    side = next(iter(recorded), None)
    reference, candidate = (traces[side].returned for side in SIDES)
    if side is not None and not reference:
        return dict.fromkeys(SIDES, tuple(recorded[side]))  # by name, for want of calls that tell more
    pairing = pair_slots(CallMoment.EXIT, reference, candidate)
    pairs = [(pair.reference.name, pair.candidate.name) for pair in pairing.pairs]
    if side is not None:
        order = {name: place for place, name in enumerate(recorded[side])}
        pairs.sort(key=lambda names: order.get(names[SIDES.index(side)], len(order)))
    found = {
        Side.REFERENCE: (*(ours for ours, _ in pairs), *(slot.name for slot in pairing.only_reference)),
        Side.CANDIDATE: (*(theirs for _, theirs in pairs), *(slot.name for slot in pairing.only_candidate)),
    }
    return {**found, **{one: tuple(names) for one, names in recorded.items()}}


def _firsts(slots: Sequence[Slot]) -> list[Slot]:
    found: dict[int, Slot] = {}
    for slot in slots:
        found.setdefault(slot.tensor, slot)
    return list(found.values())


def _slots_of(tensor: int, slots: Sequence[Slot]) -> list[Slot]:
    return [slot for slot in slots if slot.tensor == tensor]


def _pair_in_order(
    left: list[Slot], right: list[Slot], partner: dict[str, Slot], alike: Callable[[Slot, Slot], bool]
) -> tuple[list[Slot], list[Slot]]:
    """Adds each left slot's first free match to `partner`; returns what both sides have left."""
    unpaired, free = [], list(right)
    for slot in left:
        found = next((other for other in free if alike(slot, other)), None)
        if found is None:
            unpaired.append(slot)
        else:
            partner[slot.name] = found
            free.remove(found)
    return unpaired, free


def _pair_by_words(
    left: list[Slot], right: list[Slot], partner: dict[str, Slot]
) -> tuple[list[Slot], list[Slot]]:
    """Adds pairs of equal specs whose names share words to `partner`, those that share most first."""
    words = [[set(path_words(slot.name)) for slot in slots] for slots in (left, right)]
    shared = sorted(
        (-len(words[0][i] & words[1][j]) / len(words[0][i] | words[1][j]), i, j)
        for i, one in enumerate(left)
        for j, other in enumerate(right)
        if one.spec == other.spec and words[0][i] & words[1][j]
    )
    taken: tuple[set[int], set[int]] = (set(), set())
    for _, i, j in shared:
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            partner[left[i].name] = right[j]
    return (
        [slot for i, slot in enumerate(left) if i not in taken[0]],
        [slot for j, slot in enumerate(right) if j not in taken[1]],
    )


def _either_positional(one: Slot, other: Slot) -> bool:
    return any(slot.name.partition(".")[0].isdigit() for slot in (one, other))
