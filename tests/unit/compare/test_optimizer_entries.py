"""State of one optimizer paired with that of another, through the weights' layout rules."""

from __future__ import annotations

import pytest

from padiff_compare.layout_rules import IDENTITY, STACK
from padiff_compare.weights.optimizer_entries import match
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair
from padiff_rpc.v1.records import DescribeOptimizerResponse, OptimizerEntry, TensorSpec, Weight
from padiff_rpc.v1.words import DType, Side, WeightKind


def owned(path):
    weight = Weight(name="w", kind=WeightKind.PARAMETER, spec=TensorSpec(dtype=DType.FLOAT32, shape=(2, 2)))
    return OwnedWeight(path=path, weight=weight)


def pair(references, candidate, rule=IDENTITY):
    return WeightPair(
        kind=WeightKind.PARAMETER,
        references=tuple(map(owned, references)),
        candidate=owned(candidate),
        rule=rule,
    )


def described(*entries):
    """Returns an optimizer that keeps "state of parameter"."""
    state = tuple(
        OptimizerEntry(parameter=f"{parameter}.w", state=state)
        for state, parameter in (entry.split(" of ") for entry in entries)
    )
    return DescribeOptimizerResponse(class_name="m.Any", state=state)


def matched(pairs, reference, candidate):
    return match(pairs, {Side.REFERENCE: described(*reference), Side.CANDIDATE: described(*candidate)})


def test_states_pair_by_name_state_by_state_in_the_plans_order():
    pairs = [pair(["a"], "x"), pair(["b"], "y")]
    state = ["first of a", "second of a", "first of b", "second of b"]
    found = matched(pairs, state, ["second of y", "first of y", "first of x", "second of x"])
    assert [(one.state, one.candidate.parameter) for one in found.pairs] == [
        ("first", "x.w"),
        ("first", "y.w"),
        ("second", "x.w"),
        ("second", "y.w"),
    ]
    assert found.lone == ()


def test_a_packed_parameter_takes_the_state_of_all_its_parts():
    packed = pair(["q", "k"], "qk", STACK)
    found = matched([packed], ["m of q", "m of k"], ["m of qk"])
    [one] = found.pairs
    assert [entry.parameter for entry in one.references] == ["q.w", "k.w"]
    assert one.parameters.rule == STACK


def test_parts_of_one_parameter_each_take_its_state():
    parts = [pair(["qk"], "q", "part(1 of 2)"), pair(["qk"], "k", "part(2 of 2)")]
    found = matched(parts, ["m of qk"], ["m of q", "m of k"])
    assert [(one.references[0].parameter, one.candidate.parameter) for one in found.pairs] == [
        ("qk.w", "q.w"),
        ("qk.w", "k.w"),
    ]


@pytest.mark.parametrize("side", list(Side))
def test_state_that_one_side_keeps_of_a_parameter_is_lone(side):
    pairs = [pair(["a"], "x"), pair(["b"], "y")]
    full = {Side.REFERENCE: ["m of a", "m of b"], Side.CANDIDATE: ["m of x", "m of y"]}
    full[Side.REFERENCE if side is Side.CANDIDATE else Side.CANDIDATE].pop()
    found = matched(pairs, full[Side.REFERENCE], full[Side.CANDIDATE])
    [lone] = found.lone
    assert lone.side is side
    assert [entry.parameter for entry in lone.entries] == ["b.w" if side is Side.REFERENCE else "y.w"]


def test_a_count_of_steps_is_never_lone():
    pairs = [pair(["a"], "x"), pair(["b"], "y")]
    found = matched(pairs, ["step of a", "step of b"], ["step of x"])
    assert [one.state for one in found.pairs] == ["step"]
    assert found.lone == ()


def test_what_one_class_does_not_keep_is_unknown_and_not_lone():
    found = matched([pair(["a"], "x")], ["m of a", "v of a"], ["m of x", "n of x"])
    assert [one.state for one in found.pairs] == ["m"]
    assert found.unknown == {Side.REFERENCE: ("v",), Side.CANDIDATE: ("n",)}
    assert found.lone == ()
