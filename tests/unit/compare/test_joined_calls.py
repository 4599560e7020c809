"""Joined calls of a pass: which pair, in which order, and what is left without a counterpart."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from random_events import CANDIDATE, REFERENCE, plan_of, seen_in

from padiff_rpc.v1.words import CallMoment

# The candidate runs b first, has a layer more, and leaves b out the second time.
OURS = ">:1 >a:1 <a:2 >b:2 <b:3 >b:3 <b:4 <:4"
THEIRS = ">:1 >b:1 <b:2 >a:2 >a.more:2 <a.more:3 <a:3 <:3"
JOINED = seen_in(plan_of("", "a", "b"), OURS, THEIRS)


def test_pairs_come_in_either_sides_order():
    def exits(side):
        pairs = JOINED.ordered[side]
        return [pair.layer.reference for pair in pairs if pair.moment is CallMoment.EXIT]

    assert exits(REFERENCE) == ["a", "b", ""]
    assert exits(CANDIDATE) == ["b", "a", ""]
    assert set(JOINED.ordered[REFERENCE]) == set(JOINED.ordered[CANDIDATE]) == set(JOINED.pairs)


def test_calls_without_a_counterpart_are_told_from_those_whose_layer_has_none():
    assert [seen.name for seen in JOINED.unpaired[REFERENCE]] == [("b", 1)]
    assert [seen.name for seen in JOINED.unpaired[CANDIDATE]] == [("a.more", 0)]
    assert JOINED.partnerless[REFERENCE] == ()
    assert [seen.name for seen in JOINED.partnerless[CANDIDATE]] == [("a.more", 0)]


def test_a_pair_lies_in_the_innermost_pair_around_it():
    joined = seen_in(plan_of("", "block.fc"), ">:1 >block:1 >block.fc:1 <block.fc:2 <block:2 <:2")
    inner = [pair for pair in joined.pairs if pair.layer.reference == "block.fc"]
    assert [joined.parent(pair) for pair in inner] == [("", 0), ("", 0)]
    outer = [pair for pair in joined.pairs if pair.layer.reference == ""]
    assert [joined.parent(pair) for pair in outer] == [None, None]


def test_steps_show_what_the_plan_does_not_leave_out():
    plan = plan_of("", "a", ignored_reference=("b",))
    joined = seen_in(plan, OURS, THEIRS)
    assert {path for path, _ in joined.recorded[REFERENCE].calls} == {"", "a"}
    assert {path for path, _ in joined.recorded[CANDIDATE].calls} == {"", "a", "a.more", "b"}
