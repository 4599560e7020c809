"""Batches of sequences that one side alone keeps packed: what both sides have of them.

The other side's tensor has its items along the first axis, and their elements along the second, or the other
way round; behind the end of a sequence it has whatever the model left there.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Optional

import numpy as np

from padiff_compare.alignment.slots import Beginnings, Meeting, SlotPair
from padiff_compare.layout_rules import IDENTITY, Rule, Shape, Step, axes, chain
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.tensors import Array
from padiff_rpc.v1.records import LayoutStep, Reason, Slot, TensorSpec
from padiff_rpc.v1.words import Cause, LayoutChange, Side


@record
class TimeFirst:
    """The way in which a packed batch, and one whose steps lie along the first axis, are the same."""

    def rule(self, shape: Shape) -> Rule:
        """Returns the rule that exchanges the first two axes."""
        return axes((1, 0, *range(2, len(shape))))

    def values(self, reference: TensorSpec, candidate: TensorSpec) -> Meeting:
        """Returns what is applied to the values of each side before they are compared."""
        return Meeting(reference=self.rule(reference.shape))

    def gradients(self, reference: TensorSpec, candidate: TensorSpec) -> Meeting:
        """Returns what is applied to the gradients of each side before they are compared."""
        return self.values(reference, candidate)

    def reasons(self, reference: Shape, candidate: Shape) -> tuple[Reason, ...]:
        """Returns what a row says of it."""
        return (Reason(cause=Cause.AXES, numbers=(1.0, 0.0, *map(float, range(2, len(reference))))),)


def packed_side(reference: Slot, candidate: Slot) -> Optional[Side]:
    """Returns the side that alone keeps a batch packed; None where none does, or both."""
    if bool(reference.lengths) is bool(candidate.lengths):
        return None
    return Side.REFERENCE if reference.lengths else Side.CANDIDATE


def with_common_part(pair: SlotPair) -> SlotPair:
    """Returns the pair as it is compared: as far as both sides have the sequences.

    Which way round the other side's tensor lies is told by the pair's layout, if it has any, or else by the
    shapes; where these fit both ways, its items lie along the first axis. Where neither fits, the whole is
    compared, and differs.
    """
    side = packed_side(pair.reference, pair.candidate)
    if side is None:
        return pair
    is_reference = side is Side.REFERENCE
    packed, other = (pair.reference, pair.candidate) if is_reference else (pair.candidate, pair.reference)
    shape = other.spec.shape
    turned = TimeFirst()
    turn = turned.rule(shape)
    told = pair.values == Meeting(reference=turn)
    if not told and pair.values != Meeting():
        return pair
    ways = [turn] if told else [IDENTITY, turn]
    way = next((one for one in ways if _fits(packed, one.shape_or_none(shape))), None)
    if way is None:
        return pair
    part = _beginnings(packed.lengths)
    if is_reference:
        given = chain(_long_as(way.shape(shape), packed.spec.shape), way)
        meeting = Meeting(reference=part, candidate=chain(way, part), given=given)
    else:
        given = chain(way, _long_as(packed.spec.shape, way.shape(shape)))
        meeting = Meeting(reference=chain(way, part), candidate=part, given=given)
    notes = [Reason(cause=Cause.PACKED_SEQUENCES, side=side)]
    if way is turn and not told:
        notes += turned.reasons(shape, shape)
    return dataclasses.replace(
        pair,
        values=meeting,
        gradients=meeting,
        part=Beginnings(lengths=packed.lengths, time_first=way is turn) if is_reference else None,
        notes=(*pair.notes, *notes),
    )


def _fits(packed: Slot, other: Optional[Shape]) -> bool:
    """Whether a tensor of that shape has all elements of the packed batch."""
    own = packed.spec.shape
    if other is None or min(len(other), len(own)) < 2:
        return False
    return other[1] >= own[1] and other[::2] == own[::2]


def _long_as(wanted: Shape, own: Shape) -> Rule:
    return _second_axis_of(wanted[1]) if wanted[1] != own[1] else IDENTITY


@lru_cache(maxsize=256)
def _beginnings(lengths: Shape) -> Rule:
    """Returns the rule that takes so many elements along the second axis of each item of the first."""
    told = LayoutStep(change=LayoutChange.BEGINNINGS, numbers=lengths)

    def shapes_of(shapes: list[Shape]) -> list[Shape]:
        for shape in shapes:
            if len(shape) < 2 or shape[0] != len(lengths) or shape[1] < max(lengths, default=0):
                raise InvalidRequestError(f"rule {told}: does not fit the shape {list(shape)}")
        return [(sum(lengths), *shape[2:]) for shape in shapes]

    def apply(arrays: list[Array]) -> list[Array]:
        return [np.concatenate([item[:length] for item, length in zip(array, lengths)]) for array in arrays]

    return Rule(steps=(Step(told=told, apply=apply, shapes=shapes_of),))


@lru_cache(maxsize=256)
def _second_axis_of(length: int) -> Rule:
    """Returns the rule that gives the second axis a length: zeros follow, or the last go."""
    told = LayoutStep(change=LayoutChange.LENGTH, numbers=(length,))

    def shapes_of(shapes: list[Shape]) -> list[Shape]:
        for shape in shapes:
            if len(shape) < 2:
                raise InvalidRequestError(f"rule {told}: the shape {list(shape)} has no second axis")
        return [(shape[0], length, *shape[2:]) for shape in shapes]

    def apply(arrays: list[Array]) -> list[Array]:
        made = [
            np.zeros(shape, array.dtype) for shape, array in zip(shapes_of([a.shape for a in arrays]), arrays)
        ]
        for array, longer in zip(arrays, made):
            longer[:, : array.shape[1]] = array[:, :length]
        return made

    return Rule(steps=(Step(told=told, apply=apply, shapes=shapes_of),))
