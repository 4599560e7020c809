"""Sentences of causes: each has one, and it says what its reason carries."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from padiff_client.hint_sentences import likeliest, of_phases, probably, sentence
from padiff_client.note_sentences import notes
from padiff_client.sentences import reason
from padiff_rpc.v1.records import (
    Coverage,
    Hint,
    LayoutRule,
    LayoutStep,
    Note,
    Place,
    PlanPair,
    Reason,
    ReportSummary,
    Row,
    TensorSpec,
)
from padiff_rpc.v1.words import (
    CaptureKind,
    Cause,
    DType,
    HintKind,
    LayoutChange,
    NoteKind,
    PairedBy,
    Pass,
    Phase,
    Side,
    Verdict,
)


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


def summary(*found: Note, plan: tuple[PlanPair, ...] = ()) -> ReportSummary:
    return ReportSummary(session="s", passed=True, coverage=Coverage(), notes=found, plan=plan)


TURNED = LayoutRule(steps=(LayoutStep(change=LayoutChange.TRANSPOSE),))
# What a reason or a note carries beyond two numbers and two names.
CARRIED: dict[Cause, dict[str, Any]] = {
    Cause.COMPUTED_HERE: {"names": ("weight", "weight norm", "fc")},
    Cause.UNEVEN: {"numbers": (0.0, 2.0, 1.0)},
}
NOTED: dict[NoteKind, dict[str, Any]] = {
    NoteKind.GRADIENTS_NOT_USED: {"numbers": (5.0, 3.0, 2.0)},
    NoteKind.ORDER_TAKEN: {"numbers": (1.0, 2.0, 2.0, 1e-8, 0.5, 0.0)},
    NoteKind.REJUDGED: {"numbers": (3.0, 2.0, 1.0)},
    NoteKind.SKETCHED: {"numbers": (0.0, 100.0, 4.0, 2e5, 3e9)},
}


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("side", Side)
def test_every_cause_has_a_sentence(cause: Cause, side: Side) -> None:
    carried = {"numbers": (1.0, 2.0), "names": ("first", "second"), **CARRIED.get(cause, {})}
    said = reason(row(Reason(cause=cause, side=side, **carried)))
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
    [note] = notes(summary(), [row(repeated)])
    assert said in note


@pytest.mark.parametrize("kind", NoteKind)
@pytest.mark.parametrize("side", Side)
def test_every_kind_of_note_has_a_sentence(kind: NoteKind, side: Side) -> None:
    carried = {"numbers": (1.0, 2.0), "names": ("first", "second"), **NOTED.get(kind, {})}
    reasons = (Reason(cause=Cause.UNEVEN, numbers=(0, 2, 1), names=("drop",)),)
    [said] = notes(summary(Note(kind=kind, side=side, reasons=reasons, **carried)), ())
    assert said
    assert "None" not in said
    assert "{" not in said


HINTED: dict[HintKind, dict[str, Any]] = {HintKind.FEW_INDICES: {"numbers": (1.0, 2.0, 8.0, 3.0)}}


@pytest.mark.parametrize("kind", HintKind)
@pytest.mark.parametrize("side", Side)
def test_every_kind_of_hint_has_a_sentence(kind: HintKind, side: Side) -> None:
    carried = {"numbers": (1.0, 2.0, 3.0), "names": ("first", "second", "third"), **HINTED.get(kind, {})}
    said = sentence(Hint(kind=kind, side=side, **carried))
    assert said
    assert "None" not in said
    assert "{" not in said


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (
            Hint(kind=HintKind.AXES, numbers=(0.0, 2.0, 3.0, 1.0)),
            "the axes are in the order 0, 2, 3, 1: channels last in the candidate",
        ),
        (
            Hint(kind=HintKind.PARTS, numbers=(0.0, 0.0, 2.0, 1.0)),
            "3 equal parts of axis 0 (query, key, value?) stand in the order 0, 2, 1",
        ),
        (
            Hint(kind=HintKind.FEW_INDICES, numbers=(1.0, 1.0, 8.0, 3.0)),
            "only index 3 of axis 1 differs, the other 7 agree",
        ),
        (
            Hint(kind=HintKind.SCALED, numbers=(0.25,), verified=True, before=0.75, after=1e-8),
            "a factor throughout: candidate = 0.25 * reference (checked: corrected, the difference falls "
            "from 0.75 to 1e-08)",
        ),
        (
            Hint(kind=HintKind.SWAPPED, names=("key.weight", "value.weight")),
            "the layer takes key.weight in place of value.weight",
        ),
        (
            Hint(kind=HintKind.TRANSPOSED, names=("fc.weight",)),
            "the layer takes fc.weight transposed",
        ),
        (
            Hint(kind=HintKind.ROUNDED, side=Side.CANDIDATE, names=("float16", "fc.weight")),
            "the values of fc.weight on the candidate are rounded to float16",
        ),
        (
            Hint(kind=HintKind.ACTIVATION, side=Side.CANDIDATE, names=("gelu", "silu")),
            "the candidate applies gelu in place of silu",
        ),
        (Hint(kind=HintKind.STATISTICS), "other statistics of the norm: one side may be in train mode"),
        (Hint(kind=HintKind.SETTING, names=("mode\x1b", "1", "2", "fc")), "mode\\x1b is 1 in the reference"),
    ],
)
def test_hints_read_as_sentences(hint: Hint, said: str) -> None:
    assert sentence(hint).startswith(said)


def test_hints_are_told_with_their_rows_the_likeliest_first() -> None:
    hints = Hint(kind=HintKind.SIGN), Hint(kind=HintKind.SCALED, numbers=(-1.0,))
    told = dataclasses.replace(row(counts=True), hints=hints)
    assert probably(told) == "the sign is the opposite; or a factor throughout: candidate = -1 * reference"
    assert likeliest(told) == "; probably: the sign is the opposite"
    unknown = dataclasses.replace(told, hints=(Hint(kind=HintKind.UNKNOWN),))
    assert (probably(unknown), likeliest(unknown), likeliest(row())) == ("unknown", "", "")
    later = dataclasses.replace(told, phase=Phase.BACKWARD)
    [line] = of_phases([told, told, later])
    assert line.startswith("backward of step 0: ")


def test_what_would_make_a_weight_fit_follows_its_nearest() -> None:
    alone = Reason(cause=Cause.NO_WEIGHT, side=Side.CANDIDATE, names=("", "parameter"))
    turned = Reason(cause=Cause.FITS_TURNED, numbers=(2, 0, 1))
    nearest = Reason(cause=Cause.NEAREST, names=("y.t", "float32[5, 2, 3]"), because=(turned,))
    assert reason(row(alone, nearest)) == (
        "the candidate's root has no parameter for it; nearest: 'y.t' float32[5, 2, 3], which it would fit "
        "as axes(2, 0, 1)"
    )


def test_a_verdict_that_rests_on_doubtful_pairs_names_the_first_of_them() -> None:
    doubted = tuple(
        PlanPair(
            how=PairedBy.ORDER_AND_TYPE,
            reference=Place(path=f"b{n}"),
            candidate=Place(path=f"y{n}"),
            confidence=0.45,
            reasons=(Reason(cause=Cause.DOUBTED),),
        )
        for n in range(4)
    )
    [said] = notes(summary(Note(kind=NoteKind.LOW_CONFIDENCE), plan=doubted), ())
    assert said.startswith(
        "the verdict rests on 4 low-confidence pairs: b0 ~ y0 (0.45: another pairing fits as well), b1 ~ y1 "
    )
    assert said.endswith(" and 1 more; pin what belongs together in the layer map")


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (
            Note(kind=NoteKind.GRADIENTS_NOT_USED, numbers=(4, 3, 1)),
            "accumulate: 4 steps are no multiple of 3, so the gradients of the last step were compared and "
            "not used",
        ),
        (
            Note(
                kind=NoteKind.VALUES_KEPT,
                pass_kind=Pass.LOCKSTEP,
                names=("", "entry", "0", "a", "exit", "0"),
                numbers=(0, 0),
                reasons=(Reason(cause=Cause.MESSAGE, names=("the shapes differ",)),),
            ),
            "lockstep: values not overridden at the root#0 (entry 0), a#0 (exit 0): the shapes differ",
        ),
        (
            Note(kind=NoteKind.HIDDEN_BUFFERS, names=("a", "b"), numbers=(0.25, math.nan)),
            "buffer differs before any copy: 'a' (by up to 0.25), 'b' (in its shape); the reference's "
            "values are used now, so a fault in how the candidate makes it is hidden",
        ),
        (
            Note(kind=NoteKind.NEUTRAL_NORMS, side=Side.REFERENCE, names=("n.weight",), numbers=(1,)),
            "norms: 'n.weight' of the reference hold 1 or 0, and the candidate's norms are made without "
            "them, which computes the same; the reference alone trains it",
        ),
        (
            Note(kind=NoteKind.ORDER_TAKEN, names=("w",), rule=TURNED, numbers=(2, 2, 2, 1e-7, 0.5, 0)),
            "orientation: 'w' and 1 more may be stored either way round; both were tried, and transposed is "
            "taken: relative L2 1e-07, the other way 0.5",
        ),
        (
            Note(kind=NoteKind.TIED_ALONE, side=Side.CANDIDATE, names=("emb", "emb", "dec")),
            "tied on the candidate alone: its 'emb' is 'emb' and 'dec' on the reference, which part in "
            "training",
        ),
    ],
)
def test_notes_read_as_sentences(note: Note, said: str) -> None:
    assert notes(summary(note), ()) == (said,)


@pytest.mark.parametrize(
    ("order", "said"),
    [((1, 0, 2), "axes 0 and 1 exchanged"), ((0, 2, 3, 1), "axes in the order 0, 2, 3, 1")],
)
def test_a_layout_is_said_of_its_rows_and_once_of_the_whole(order: tuple[int, ...], said: str) -> None:
    turned = Reason(cause=Cause.AXES, numbers=order)
    assert reason(row(turned)) == said
    [note] = notes(summary(), [row(turned, path=f"fc{n}") for n in range(6)])
    assert note.startswith("axes: the candidate holds the same values in another layout")
    assert note.endswith(
        f"{said}: output 0 of fc0, output 0 of fc1, output 0 of fc2, output 0 of fc3 and 2 more"
    )


@pytest.mark.parametrize("side", list(Side))
def test_packed_sequences_are_said_of_their_rows_and_once_of_the_whole(side: Side) -> None:
    packed = Reason(cause=Cause.PACKED_SEQUENCES, side=side)
    said = f"the {side} keeps the sequences packed, so the padding behind their ends is not compared"
    assert reason(row(packed)) == said
    [note] = notes(summary(), [row(packed, path="lstm"), row(packed, path="gru")])
    assert note == f"sequences: {said}: output 0 of lstm, output 0 of gru"
    turned = Reason(cause=Cause.AXES, numbers=(1, 0))
    words = [one.partition(":")[0] for one in notes(summary(), [row(packed, turned)])]
    assert words == ["axes", "sequences"]
