"""What findings say, in one sentence and with the lines of both sides."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

import pytest

from padiff_client import function_sentences, layer_trees
from padiff_client.layer_trees import Leaf
from padiff_rpc.v1.records import (
    ArgumentDifference,
    FunctionArgument,
    FunctionCall,
    FunctionDetail,
    FunctionFinding,
    FunctionLeaf,
    FunctionLeaves,
    Place,
    PlanPair,
    SourceLine,
)
from padiff_rpc.v1.words import FindingKind, PairedBy, Phase, Side


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


def of_gradients(kind: FindingKind, **given: Any) -> FunctionFinding:
    return dataclasses.replace(found(kind, **given), phase=Phase.BACKWARD)


@pytest.mark.parametrize(
    ("finding", "sentence"),
    [
        (
            of_gradients(FindingKind.FUNCTION, candidate_call=OURS, reference_call=THEIRS),
            "`softmax(axis=-2)` at port.py:20 against `softmax(axis=-1)` at model.py:56: equal gradients "
            "come in, different ones go out",
        ),
        (
            of_gradients(
                FindingKind.FUNCTION,
                candidate_call=OURS,
                reference_call=THEIRS,
                without_gradient=Side.CANDIDATE,
            ),
            "`softmax(axis=-2)` at port.py:20 against `softmax(axis=-1)` at model.py:56: equal gradients "
            "come in, and the candidate passes none on",
        ),
        (
            of_gradients(
                FindingKind.EXTRA, candidate_call=call("detach", PORT), without_gradient=Side.CANDIDATE
            ),
            "the candidate's gradient ends at `detach()` at port.py:20; the reference passes it on",
        ),
        (
            of_gradients(FindingKind.MISSING, reference_call=call("register_hook", MODEL)),
            "the reference changes the gradient in `register_hook()` at model.py:56; the candidate has no "
            "such call",
        ),
        (
            of_gradients(
                FindingKind.FUNCTION,
                candidate_call=call("__lt__", PORT, "less_than"),
                reference_call=call("__gt__", MODEL, "greater_than"),
                candidate_user=call("where", line("port.py", 22)),
                of_values=True,
            ),
            "`less_than()` at port.py:20 against `greater_than()` at model.py:56: equal inputs, different "
            "output, which gradients alone show, in `where()` at port.py:22",
        ),
        (
            of_gradients(FindingKind.EXTRA, candidate_call=call("register_hook", PORT), mark="hidden"),
            "the candidate changes the gradient in `register_hook()` at port.py:20; the reference has no "
            'such call (mark "hidden")',
        ),
        (
            of_gradients(FindingKind.REGION, candidate_lines=(PORT,)),
            "equal gradients come in, and different ones go out, where the candidate runs port.py:20, the "
            "reference nothing of its own",
        ),
    ],
)
def test_what_is_found_in_backward_is_said_of_gradients(finding: FunctionFinding, sentence: str) -> None:
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
    (leaf,) = function_sentences.leaves(finding, None, Side.CANDIDATE)
    assert leaf == Leaf(layer="attn", text="`softmax(axis=-2)` at port.py:20", is_here=True)


def tree(leaves: list[Leaf]) -> list[str]:
    """Returns the candidate's tree of a model of two layers, the second of them in a list."""
    paths = ("", "attn", "mlps", "mlps.0", "unused")
    places = [Place(path=path, class_name="" if path else "Net") for path in paths]
    plan = [PlanPair(how=PairedBy.CONTENT, candidate=place) for place in places]
    return layer_trees.excerpt(plan, None, Place(path="attn"), (), leaves).splitlines()


def test_in_the_tree_functions_stand_under_their_layer_as_they_ran() -> None:
    first, mlp = call("scale", PORT), dataclasses.replace(call("mlps.0", PORT), is_layer=True, number=3)
    attention = dataclasses.replace(call("attn", PORT), is_layer=True, number=2)
    root = [dataclasses.replace(first, layer_path=""), attention, mlp]
    detail = FunctionDetail(
        step=0,
        tensors=2,
        paired=1,
        calls=(
            FunctionLeaves(candidate=tuple(FunctionLeaf(call=one) for one in root)),
            FunctionLeaves(candidate_path="attn", candidate=(FunctionLeaf(call=OURS),)),
            FunctionLeaves(candidate_path="attn", candidate_call=1, candidate=(FunctionLeaf(call=first),)),
        ),
    )
    softmax, scale = "`softmax(axis=-2)` at port.py:20", "`scale()` at port.py:20"
    whole = ["  candidate:", "  Net", f"  ├── {scale}"]
    finding = found(FindingKind.FUNCTION, candidate_call=OURS)
    assert tree(function_sentences.leaves(finding, detail, Side.CANDIDATE)) == [
        *whole,
        "  ├── attn",
        f"  │   └── {softmax}  <--- *** HERE ***",
        "  ├── mlps",
        "  └── unused",
    ]
    # Without a finding in it, the layer is marked; a finding in its second call has that call's functions.
    assert tree(function_sentences.leaves(None, detail, Side.CANDIDATE))[3:5] == [
        "  ├── attn  <--- *** HERE ***",
        f"  │   └── {softmax}",
    ]
    again = dataclasses.replace(finding, candidate_call=first, candidate=Place(path="attn", call=1, slot="0"))
    shown = tree(function_sentences.leaves(again, detail, Side.CANDIDATE))
    assert f"  │   └── {scale}  <--- *** HERE ***" in shown
    assert not any("softmax" in one for one in shown)


def test_how_many_functions_have_counterparts_is_a_line_a_step() -> None:
    one = FunctionDetail(step=0, tensors=430, paired=412)
    line = "412 of 430 tensors of the reference have a counterpart by value"
    assert function_sentences.paired([one]) == [line]
    other = dataclasses.replace(one, step=2, left_out=7)
    assert function_sentences.paired([one, other]) == [
        f"step 0: {line}",
        f"step 2: {line}; 7 calls are not listed",
    ]


def test_what_a_model_names_cannot_move_the_terminal() -> None:
    evil = line("port\x1b[2J.py", 3)
    finding = found(FindingKind.EXTRA, candidate_call=call("f\x1b[31m", evil))
    assert "\x1b" not in function_sentences.sentence(finding)
    assert not any("\x1b" in text for text in function_sentences.block(finding))
