"""Sentences of causes: each has one, and it says what its reason carries."""

from __future__ import annotations

import pytest

from padiff_client.sentences import layouts, reason
from padiff_rpc.v1.records import Place, Reason, Row, TensorSpec
from padiff_rpc.v1.words import CaptureKind, Cause, DType, Phase, Side, Verdict


def row(*reasons: Reason, path: str = "fc", counts: bool = False) -> Row:
    place = Place(path=path, slot="0", spec=TensorSpec(dtype=DType.FLOAT32, shape=(2,)))
    return Row(
        step=0,
        phase=Phase.FORWARD,
        kind=CaptureKind.OUTPUT,
        order=0,
        verdict=Verdict.NOT_COMPARED,
        reference=place,
        candidate=place,
        reasons=reasons,
        counts=counts,
    )


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("side", Side)
def test_every_cause_has_a_sentence(cause: Cause, side: Side) -> None:
    one = Reason(cause=cause, side=side, numbers=(1.0, 2.0), names=("first", "second"))
    said = reason(row(one))
    assert said
    assert "None" not in said
    assert "{" not in said


def test_several_reasons_are_one_line() -> None:
    lacking = Reason(cause=Cause.NO_GRADIENT, side=Side.CANDIDATE)
    frozen = Reason(cause=Cause.FROZEN, side=Side.CANDIDATE)
    assert reason(row(lacking, frozen)) == (
        "no gradient on the candidate, and the reference's is not zero; it is frozen on the candidate"
    )
    assert reason(row()) == ""


def test_what_chance_decides_has_a_remedy_where_it_is_missed() -> None:
    one = Reason(cause=Cause.RANDOM, names=("dropout",))
    assert reason(row(one)) == "random: dropout (not shared)"
    assert reason(row(one, counts=True)).endswith("; randomness='shared' or 'off' compares it")


@pytest.mark.parametrize(
    ("axes", "said"),
    [((0,), "repeated along axis 0 by the candidate"), ((1, 2), "repeated along axes 1, 2 by the candidate")],
)
def test_a_repetition_is_said_of_its_rows_and_once_of_the_whole(axes: tuple[int, ...], said: str) -> None:
    repeated = Reason(cause=Cause.REPEATED, side=Side.CANDIDATE, numbers=axes)
    assert reason(row(repeated)) == said
    [note] = layouts([row(repeated)])
    assert said in note


@pytest.mark.parametrize(
    ("order", "said"),
    [((1, 0, 2), "axes 0 and 1 exchanged"), ((0, 2, 3, 1), "axes in the order 0, 2, 3, 1")],
)
def test_a_layout_is_said_of_its_rows_and_once_of_the_whole(order: tuple[int, ...], said: str) -> None:
    turned = Reason(cause=Cause.AXES, numbers=order)
    assert reason(row(turned)) == said
    [note] = layouts([row(turned, path=f"fc{n}") for n in range(6)])
    assert note.startswith("axes: the candidate holds the same values in another layout")
    assert note.endswith(
        f"{said}: output 0 of fc0, output 0 of fc1, output 0 of fc2, output 0 of fc3 and 2 more"
    )
