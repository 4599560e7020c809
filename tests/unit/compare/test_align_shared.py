"""One layer called again and again against a layer for each call."""

from __future__ import annotations

import pytest

from padiff_compare.alignment.align import align
from padiff_rpc.v1.records import IgnoredLayers, StatedPairing

SHARED = (
    ".: m.Net\na: {0}.Linear weight(4,4)\nb: {0}.Linear weight(4,4)\nc: {0}.Linear weight(4,4)\nact: {0}.ReLU"
)
SEVERAL = SHARED.replace("act:", "act1:") + "\nact2: {0}.ReLU\nact3: {0}.ReLU"
SHARED_CALLS, SEVERAL_CALLS = "a act b act c act", "a act1 b act2 c act3"


def calls(plan):
    return {
        (one.layer.reference, one.reference_call): (one.layer.candidate, one.candidate_call)
        for one in plan.calls
    }


@pytest.mark.parametrize("is_turned", [False, True])
def test_each_call_pairs_with_the_layer_that_stands_in_its_place(side, is_turned):
    sides = side(SHARED.format("t"), SHARED_CALLS), side(SEVERAL.format("p"), SEVERAL_CALLS)
    plan = align(*(sides[::-1] if is_turned else sides), StatedPairing())
    found = {("act", n): (f"act{n + 1}", 0) for n in range(3)}
    assert calls(plan) == ({theirs: ours for ours, theirs in found.items()} if is_turned else found)
    assert plan.only_reference == plan.only_candidate == ()


def test_a_call_that_one_side_makes_as_a_function_stays_alone(side):
    candidate = SEVERAL.replace("\nact2: {0}.ReLU", "").format("p")
    plan = align(side(SHARED.format("t"), SHARED_CALLS), side(candidate, "a act1 b c act3"), StatedPairing())
    assert calls(plan) == {("act", 0): ("act1", 0), ("act", 2): ("act3", 0)}


def test_two_layers_of_another_number_of_calls_each_pair_by_place(side):
    reference = side(SHARED.format("t"), SHARED_CALLS)
    candidate = side(SEVERAL.format("p"), "a act1 b act1 c act2")
    assert calls(align(reference, candidate, StatedPairing())) == {
        ("act", 0): ("act1", 0),
        ("act", 1): ("act1", 1),
        ("act", 2): ("act2", 0),
    }


def test_what_lies_before_it_tells_where_what_lies_behind_it_runs_in_another_order(side):
    text = (
        ".: m.Net\na: {0}.Linear weight(4,4)\nwide: {0}.Linear weight(4,8)\n"
        "slim: {0}.Linear weight(4,6)\nend: {0}.Linear weight(3,4)"
    )
    reference = side(text.format("t") + "\npool: t.ReLU", calls="a pool wide slim pool end")
    turned = text.format("p").replace("4,8", "8,4").replace("4,6", "6,4").replace("3,4", "4,3")
    candidate = side(turned + "\npool1: p.ReLU\npool2: p.ReLU", calls="a pool1 slim wide pool2 end")
    assert calls(align(reference, candidate, StatedPairing())) == {
        ("pool", 0): ("pool1", 0),
        ("pool", 1): ("pool2", 0),
    }


def test_another_kind_does_not_stand_in(side):
    candidate = side(SEVERAL.format("p").replace("ReLU", "MaxPool2D"), SEVERAL_CALLS)
    assert calls(align(side(SHARED.format("t"), SHARED_CALLS), candidate, StatedPairing())) == {}


def test_ignored_layers_have_no_paired_calls(side):
    ignored = StatedPairing(ignored=IgnoredLayers(reference=("act",)))
    plan = align(side(SHARED.format("t"), SHARED_CALLS), side(SEVERAL.format("p"), SEVERAL_CALLS), ignored)
    assert calls(plan) == {}


@pytest.mark.parametrize(("tie", "is_paired"), [("=fc1.weight", True), ("", False)])
def test_a_layer_with_weights_is_several_only_if_these_hold_the_same(side, tie, is_paired):
    reference = side(".: m.Net\nfc: t.Linear weight(4,4)", calls="fc fc")
    candidate = side(f".: m.Net\nfc1: p.Linear weight(4,4)\nfc2: p.Linear weight(4,4){tie}", calls="fc1 fc2")
    plan = align(reference, candidate, StatedPairing())
    assert plan.candidate_of("fc").candidate == "fc1"
    assert (calls(plan) == {("fc", 1): ("fc2", 0)}) is is_paired
