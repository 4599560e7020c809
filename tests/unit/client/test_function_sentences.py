"""What findings say, in one sentence and with the lines of both sides."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from padiff_client import function_sentences
from padiff_rpc.v1.records import (
    ArgumentDifference,
    FunctionArgument,
    FunctionCall,
    FunctionFinding,
    Place,
    SourceLine,
)
from padiff_rpc.v1.words import FindingKind, Phase, Side


def line(file: str, number: int, text: str = "") -> SourceLine:
    return SourceLine(file=f"/home/me/{file}", line=number, text=text)


def call(function: str, source: Optional[SourceLine], operation: str = "", **arguments: str) -> FunctionCall:
    return FunctionCall(
        number=1,
        operation=operation or function,
        function=function,
        source=source,
        layer_path="attn",
        layer_call=0,
        group=1,
        arguments=tuple(FunctionArgument(name=name, text=text) for name, text in arguments.items()),
    )


def found(kind: FindingKind, **given: Any) -> FunctionFinding:
    places = {side: Place(path="attn", slot="0") for side in ("reference", "candidate")}
    return FunctionFinding(kind=kind, step=0, phase=Phase.FORWARD, **{**places, **given})


PORT, MODEL = line("port.py", 20, "w = F.softmax(s, axis=-2)"), line("model.py", 56, "w = s.softmax(-1)")
OURS, THEIRS = call("softmax", PORT, axis="-2"), call("softmax", MODEL, axis="-1")


@pytest.mark.parametrize(
    ("finding", "sentence"),
    [
        (
            found(
                FindingKind.FUNCTION,
                candidate_call=OURS,
                reference_call=THEIRS,
                differing=(ArgumentDifference(name="axis", candidate="-2", reference="-1"),),
            ),
            "`softmax(axis=-2)` at port.py:20 against `softmax(axis=-1)` at model.py:56: equal inputs, "
            "different output (arguments: axis -2 against -1)",
        ),
        (
            found(
                FindingKind.MISSING,
                reference_call=call("__mul__", MODEL, "multiply", other="5.66"),
                candidate_call=call("embedding", PORT),
            ),
            "the reference multiplies by 5.66 (model.py:56); the candidate hands on what `embedding()` at "
            "port.py:20 made",
        ),
        (
            found(FindingKind.EXTRA, candidate_call=call("layer_norm", PORT)),
            "the candidate calls `layer_norm()` at port.py:20; the reference hands on its own input of attn",
        ),
        (
            found(
                FindingKind.OTHER_TENSOR,
                candidate_call=call("keys", PORT),
                reference_call=call("values", MODEL),
            ),
            "another tensor: the candidate takes what `keys()` at port.py:20 made, the reference what "
            "`values()` at model.py:56 made",
        ),
        (
            found(FindingKind.LAYOUT, candidate_call=call("flip", PORT)),
            "`flip()` at port.py:20 in the candidate, and nothing in the reference: the same elements in "
            "another order",
        ),
        (
            found(FindingKind.REGION, candidate_lines=(PORT, line("port.py", 21)), reference_lines=(MODEL,)),
            "between equal tensors and those that differ, the candidate runs port.py:20, port.py:21, the "
            "reference model.py:56",
        ),
    ],
)
def test_each_kind_has_its_sentence(finding: FunctionFinding, sentence: str) -> None:
    assert function_sentences.sentence(finding) == sentence


def test_the_lines_of_both_sides_stand_below_and_what_takes_them() -> None:
    finding = found(
        FindingKind.FUNCTION,
        candidate_call=OURS,
        reference_call=THEIRS,
        candidate_user=call("matmul", line("port.py", 21, "out = w @ v")),
        reference=Place(path="attn", slot="0", source=line("model.py", 60, "return self.o(w)")),
    )
    assert function_sentences.block(finding)[1:] == [
        "  candidate  /home/me/port.py:20: w = F.softmax(s, axis=-2)",
        "             used by /home/me/port.py:21: out = w @ v",
        "  reference  /home/me/model.py:56: w = s.softmax(-1)",
        "             used by /home/me/model.py:60: return self.o(w)",
    ]
    assert function_sentences.node(finding, Side.CANDIDATE) == "`softmax(axis=-2)` at port.py:20"


def test_what_a_model_names_cannot_move_the_terminal() -> None:
    evil = line("port\x1b[2J.py", 3)
    finding = found(FindingKind.EXTRA, candidate_call=call("f\x1b[31m", evil))
    assert "\x1b" not in function_sentences.sentence(finding)
    assert not any("\x1b" in text for text in function_sentences.block(finding))
