from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any, Optional

from padiff_worker.structure import flatten_inputs, flatten_output, tensors_in, with_inputs, with_output


class Leaf:
    def __init__(self, name):
        self.name = name


class Bundle(namedtuple("Bundle", "leaf count")):
    """What one of its items stands for."""


def leaf_in(value):
    return value.leaf if isinstance(value, Bundle) else value if isinstance(value, Leaf) else None


def slots(value):
    named = flatten_output(value, leaf_in)
    # Without their names they are the same ones.
    assert tensors_in(value, leaf_in) == [leaf for _, leaf in named]
    return [(slot, leaf.name) for slot, leaf in named]


A, B, C = Leaf("a"), Leaf("b"), Leaf("c")


@dataclass
class Output:
    logits: Any
    extra: Optional[Any] = None


def test_a_lone_tensor_and_a_tuple_of_one_have_the_same_slot():
    assert slots(A) == slots((A,)) == [("0", "a")]


def test_nesting_is_named_from_the_outside_in():
    assert slots((A, {"x": [B, C]})) == [("0", "a"), ("1.x.0", "b"), ("1.x.1", "c")]


def test_dataclasses_mappings_and_named_tuples():
    assert slots(Output(logits=A)) == slots(OrderedDict(logits=A)) == [("logits", "a")]
    assert slots(namedtuple("Pair", "x y")(A, B)) == [("0", "a"), ("1", "b")]


def test_what_is_no_tensor_has_no_slot():
    assert slots(({"n": None}, 3, "text", A)) == [("3", "a")]
    assert slots(None) == []


def test_keys_that_would_share_a_slot_are_told_apart():
    assert slots({"a.b": A, "a": {"b": B}}) == [("a.b", "a"), ("a.b#1", "b")]
    assert slots({0: A, "0": B}) == [("0", "a"), ("0#1", "b")]


def test_what_a_call_takes_and_returns_is_asked_for_tensors_once_each():
    asked = []

    def asking(value):
        asked.append(value)
        return leaf_in(value)

    flatten_inputs((A, [B, 3], {"x": C}), {}, asking)
    assert asked == [A, B, C]
    asked.clear()
    flatten_output(A, asking)
    assert asked == [A]


def test_a_cycle_ends():
    knot = [A]
    knot.append(knot)
    assert slots(knot) == [("0", "a")]


def test_knots_within_knots_end_soon_and_keep_their_tensors():
    knot = {"a": A}
    knot["left"], knot["right"], knot["both"] = knot, [knot, B], (knot, [knot])
    assert slots(knot) == [("a", "a"), ("right.1", "b")]
    assert with_output(knot, {"right.1": C}, leaf_in)["right"][1] is C
    shared = [A]
    assert slots((shared, shared)) == [("0.0", "a"), ("1.0", "a")], "twice is not within itself"


def test_arguments_are_named_by_position_and_keyword():
    found = flatten_inputs((A, 3), {"mask": {"left": B}}, leaf_in)
    assert [(slot, leaf.name) for slot, leaf in found] == [("0", "a"), ("mask.left", "b")]


def test_another_tensor_goes_into_its_slot_and_nothing_given_is_changed():
    point = namedtuple("Point", "x y")
    given = {"list": [A, B], "point": point(A, B), "data": Output(logits=A), 0: A, "0": B}
    made = with_output(given, {"list.1": C, "point.0": C, "data.logits": C, "0#1": C}, leaf_in)
    assert made == {"list": [A, C], "point": point(C, B), "data": Output(logits=C), 0: A, "0": C}
    assert given["list"] == [A, B]
    assert given["data"] == Output(logits=A)
    assert made["point"].y is B


def test_a_lone_tensor_and_a_tuple_of_one_are_replaced_alike():
    assert with_output(A, {"0": C}, leaf_in) is C
    assert with_output((A,), {"0": C}, leaf_in) == (C,)


def test_mappings_keep_their_class():
    made = with_output(OrderedDict(a=A, b=B), {"b": C}, leaf_in)
    assert made == OrderedDict(a=A, b=C)
    assert type(made) is OrderedDict


def test_arguments_are_replaced_by_position_and_keyword():
    args, kwargs = with_inputs((A, 3, [B]), {"mask": B, "flag": True}, {"2.0": C, "mask": A}, leaf_in)
    assert args == (A, 3, [C])
    assert kwargs == {"mask": A, "flag": True}


def test_what_a_tensor_stands_for_has_its_slot_and_is_made_anew_around_another():
    given = (Bundle(A, 2), B)
    assert slots(given) == [("0", "a"), ("1", "b")]
    assert slots(Bundle(A, 2)) == [("0", "a")]
    assert with_output(given, {"0": C}, leaf_in) == (Bundle(C, 2), B)
    assert with_output(given, {}, leaf_in) is given
