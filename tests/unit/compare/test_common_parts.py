"""Sequences that one side keeps packed: which of their elements meet, and what lockstep gives of them."""

from __future__ import annotations

from typing import Optional

import numpy as np
import pytest

from padiff_compare.alignment.common_parts import TimeFirst, with_common_part
from padiff_compare.alignment.correspondences import paired_in
from padiff_compare.alignment.layouts import Layout
from padiff_compare.alignment.slots import Beginnings, Meeting, SlotPair
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Slot
from padiff_rpc.v1.words import Cause, Side

LENGTHS = (2, 1, 4)
VALUES = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)
WITHIN = np.arange(4) < np.array(LENGTHS)[:, None]
PACKED = np.where(WITHIN[..., None], VALUES, np.float32(0))


def slot(array: np.ndarray, lengths: tuple[int, ...] = ()) -> Slot:
    return Slot(name="0", tensor=1, spec=HostTensor.from_array(array).spec, lengths=lengths)


def pair(other: np.ndarray, side: Side, lengths: tuple[int, ...] = LENGTHS) -> SlotPair:
    """Returns the slots of a packed batch of `side` and the other side's tensor."""
    ours, theirs = (slot(PACKED, lengths), slot(other))[:: 1 if side is Side.REFERENCE else -1]
    return with_common_part(SlotPair(reference=ours, candidate=theirs))


def longer(array: np.ndarray) -> np.ndarray:
    """Returns it with steps behind its last."""
    return np.concatenate([array, np.full_like(array[:, :2], 9)], axis=1)


OTHERS = {
    "as long": (VALUES, False),
    "longer": (longer(VALUES), False),
    "time first": (VALUES.swapaxes(0, 1).copy(), True),
    "longer, time first": (longer(VALUES).swapaxes(0, 1).copy(), True),
}


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("case", OTHERS)
def test_what_both_have_meets_and_lockstep_gives_it(case: str, side: Side) -> None:
    other, is_turned = OTHERS[case]
    made = pair(other, side)
    tensors = [HostTensor.from_array(one) for one in (PACKED, other)][:: 1 if side is Side.REFERENCE else -1]
    for meeting in (made.values, made.gradients):
        assert meeting is not None
        assert meeting.reference.apply(tensors[0]).array.tolist() == VALUES[WITHIN].tolist()
        assert meeting.candidate.apply(tensors[1]).array.tolist() == VALUES[WITHIN].tolist()
        assert meeting.sent is not None
        given = meeting.sent.apply(tensors[0])
        assert given.spec == tensors[1].spec
        own = given.array.swapaxes(0, 1) if is_turned and side is Side.REFERENCE else given.array
        assert own[:, :4][WITHIN].tolist() == VALUES[WITHIN].tolist()
    expected = Beginnings(lengths=LENGTHS, time_first=is_turned) if side is Side.REFERENCE else None
    assert made.part == expected
    causes = [Cause.PACKED_SEQUENCES, Cause.AXES] if is_turned else [Cause.PACKED_SEQUENCES]
    assert [one.cause for one in made.notes] == causes
    assert made.notes[0].side is side


@pytest.mark.parametrize("turned", [False, True])
def test_where_both_ways_fit_the_layout_tells(turned: bool) -> None:
    square, lengths = np.zeros((4, 4, 5), np.float32), (3, 3, 2, 1)
    packed, way = slot(square[:, :3], lengths), TimeFirst() if turned else None
    made = paired_in(way, packed, slot(square))
    assert made.part == Beginnings(lengths=lengths, time_first=turned)
    assert Cause.AXES in [one.cause for one in made.notes] or not turned


@pytest.mark.parametrize(
    ("other", "lengths"),
    [
        (VALUES[:, :3], LENGTHS),
        (VALUES[:2], LENGTHS),
        (VALUES[..., :4], LENGTHS),
        (VALUES[0], LENGTHS),
        (np.zeros(3, np.float32), LENGTHS),
        (VALUES, ()),
    ],
    ids=["a step less", "an item less", "a feature less", "one item", "one axis", "none is packed"],
)
def test_what_does_not_fit_is_compared_as_it_is(other: np.ndarray, lengths: tuple[int, ...]) -> None:
    made = pair(other, Side.REFERENCE, lengths)
    assert (made.values, made.part, made.notes) == (Meeting(), None, ())


def test_a_packed_batch_without_a_second_axis_is_compared_as_it_is() -> None:
    told = SlotPair(reference=slot(np.zeros((), np.float32), (0,)), candidate=slot(PACKED))
    assert with_common_part(told) == told


@pytest.mark.parametrize("lengths", [LENGTHS, (2, 2, 4)])
def test_two_packed_batches_meet_whole_whatever_their_lengths(lengths: tuple[int, ...]) -> None:
    ours, theirs = slot(PACKED, LENGTHS), slot(PACKED, lengths)
    given = SlotPair(reference=ours, candidate=theirs)
    assert with_common_part(given) is given


def test_another_layout_than_time_first_is_left_alone() -> None:
    other = slot(VALUES.reshape(3, 20))
    way: Optional[Layout] = Layout()
    made = paired_in(way, slot(PACKED, LENGTHS), other)
    assert made.part is None
    assert made.values == Layout().values(slot(PACKED).spec, other.spec)
