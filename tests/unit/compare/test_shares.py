"""A gradient of what is one tensor on one side and two on the other is judged where all of it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Optional

import pytest

from padiff_compare.alignment.slots import SlotPair
from padiff_compare.lockstep.charging import Shares
from padiff_rpc.v1.records import Reason, Slot, TensorSpec
from padiff_rpc.v1.words import Cause, DType

SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(2,))


def call(index: int, *pairs: tuple[int, int]) -> Any:
    """A paired call that shows these tensors, of the reference and of the candidate."""
    slots = [
        SlotPair(
            reference=Slot(name="0", tensor=one, spec=SPEC), candidate=Slot(name="0", tensor=other, spec=SPEC)
        )
        for one, other in pairs
    ]
    event = SimpleNamespace(moment="entry", path="drop", call=0)
    return SimpleNamespace(
        candidate=SimpleNamespace(index=index, event=event), slots=SimpleNamespace(pairs=slots)
    )


def elsewhere(calls: list[Any], pair: int, *, measured: bool = True) -> Optional[Reason]:
    gradients = SimpleNamespace(measured=lambda *_: object() if measured else None)
    return Shares(calls).elsewhere(calls[pair].slots.pairs[0], gradients)


COPY_ON_THE_CANDIDATE = [call(0, (1, 1)), call(1, (1, 2))]
COPY_ON_THE_REFERENCE = [call(0, (1, 1)), call(1, (2, 1))]


@pytest.mark.parametrize("calls", [COPY_ON_THE_CANDIDATE, COPY_ON_THE_REFERENCE])
def test_the_second_of_two_is_judged_at_the_first(calls: list[Any]) -> None:
    assert elsewhere(calls, 1) == Reason(cause=Cause.SHARED_TENSOR, names=("entry", "drop#0"))
    assert elsewhere(calls, 0) is None


@pytest.mark.parametrize("calls", [COPY_ON_THE_CANDIDATE, COPY_ON_THE_REFERENCE])
def test_the_second_is_judged_itself_where_the_first_was_not_measured(calls: list[Any]) -> None:
    assert elsewhere(calls, 1, measured=False) is None


def test_one_tensor_on_both_sides_has_to_agree_wherever_it_shows() -> None:
    calls = [call(0, (1, 1)), call(1, (1, 1)), call(2, (2, 2))]
    assert [elsewhere(calls, index) for index in range(3)] == [None, None, None]
