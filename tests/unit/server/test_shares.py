"""A gradient of what is one tensor on one side and two on the other is judged where all of it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from padiff_client.sentences import reason
from padiff_rpc.v1.records import Row, Slot, TensorSpec
from padiff_rpc.v1.words import CaptureKind, DType, Phase, Verdict
from padiff_server.alignment.slots import SlotPair
from padiff_server.steps.shares import Shares

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


def verdict(calls: list[Any], pair: int, *, measured: bool = True, was: Verdict = Verdict.MISMATCH) -> Row:
    row = Row(step=0, phase=Phase.BACKWARD, kind=CaptureKind.INPUT_GRADIENT, order=0, verdict=was)
    gradients = SimpleNamespace(measured=lambda *_: object() if measured else None)
    slots = calls[pair].slots.pairs[0]
    return Shares(calls).settled(row, slots, gradients)


COPY_ON_THE_CANDIDATE = [call(0, (1, 1)), call(1, (1, 2))]
COPY_ON_THE_REFERENCE = [call(0, (1, 1)), call(1, (2, 1))]


@pytest.mark.parametrize("calls", [COPY_ON_THE_CANDIDATE, COPY_ON_THE_REFERENCE])
def test_the_second_of_two_need_not_agree_and_the_first_has_to(calls: list[Any]) -> None:
    second = verdict(calls, 1)
    assert (second.verdict, second.counts) == (Verdict.NOT_COMPARED, False)
    assert "its whole gradient is judged at the entry of drop#0" in reason(second)
    assert verdict(calls, 0).verdict is Verdict.MISMATCH


@pytest.mark.parametrize("calls", [COPY_ON_THE_CANDIDATE, COPY_ON_THE_REFERENCE])
def test_the_second_counts_where_it_agrees_or_the_first_was_not_measured(calls: list[Any]) -> None:
    assert verdict(calls, 1, was=Verdict.MATCH).verdict is Verdict.MATCH
    assert verdict(calls, 1, measured=False).verdict is Verdict.MISMATCH


def test_one_tensor_on_both_sides_has_to_agree_wherever_it_shows() -> None:
    calls = [call(0, (1, 1)), call(1, (1, 1)), call(2, (2, 2))]
    assert {verdict(calls, index).verdict for index in range(3)} == {Verdict.MISMATCH}
