"""Layers that share their random decisions, and those that cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from random_events import CANDIDATE, REFERENCE, made, plan_of, seen_in

from padiff_client import sentences
from padiff_compare.randomness.random_plan import plan_randomness, share
from padiff_rpc.v1.records import Note, Reason
from padiff_rpc.v1.words import Cause, NoteKind, Randomness

CHAIN = ">:1 >fc:1 <fc:2 >drop:2 <drop:3 >head:3 <head:4 <:4"
CHAIN_PLAN = plan_of("", "fc", "drop", "head")


def planned(seen, reference, candidate, randomness=Randomness.SHARED):
    operations = {REFERENCE: made(*reference), CANDIDATE: made(*candidate)}
    return plan_randomness(randomness, 7, seen, operations)


def paths(pairs):
    return [pair.path for pair in pairs]


def test_every_pair_shares_under_one_number_on_both_sides():
    plan = plan_of("", "fc/linear", "drop/dropout", "head")
    found = planned(
        seen_in(
            plan,
            CHAIN,
            ">:1 >linear:1 <linear:2 >dropout:2 <dropout:3 >head:3 <head:4 <:4",
        ),
        ["drop"],
        ["dropout"],
    )
    assert paths(found.pairs[REFERENCE]) == ["", "fc", "drop", "head"]
    assert paths(found.pairs[CANDIDATE]) == ["", "linear", "dropout", "head"]
    assert [pair.pair for pair in found.pairs[REFERENCE]] == [pair.pair for pair in found.pairs[CANDIDATE]]
    assert [(one.side, one.path, one.shared) for one in found.operations] == [
        (REFERENCE, "drop", True),
        (CANDIDATE, "dropout", True),
    ]
    assert (found.unshared, found.notes, found.seed) == ({}, (), 7)


def test_what_lies_in_a_unit_counts_for_the_unit():
    plan = plan_of("", "attn", "attn.drop", units=("attn",))
    found = planned(
        seen_in(plan, ">:1 >attn:1 >attn.drop:2 <attn.drop:3 <attn:4 <:4", ">:1 >attn:1 <attn:4 <:4"),
        ["attn.drop"],
        ["attn"],
    )
    assert paths(found.pairs[CANDIDATE]) == ["", "attn"]
    assert all(one.shared for one in found.operations)


def test_a_module_shares_with_a_function_in_its_parent():
    plan = plan_of("", "block", "block.fc", "block.drop/block.other")
    seen = seen_in(
        plan,
        ">:1 >block:1 >block.fc:1 <block.fc:2 >block.drop:2 <block.drop:3 <block:3 <:3",
        ">:1 >block:1 >block.fc:1 <block.fc:2 >block.other:2 <block.other:3 <block:4 <:4",
    )
    found = planned(seen, ["block.drop"], ["block"])
    assert paths(found.pairs[REFERENCE]) == ["", "block", "block.fc"]
    assert all(one.shared for one in found.operations)
    assert found.notes == ()


def test_one_module_called_twice_shares_with_two():
    plan = plan_of("", "block", "block.drop1/block.drop", "block.drop2/block.last")
    seen = seen_in(
        plan,
        ">:1 >block:1 >block.drop1:1 <block.drop1:2 >block.drop2:2 <block.drop2:3 <block:3 <:3",
        ">:1 >block:1 >block.drop:1 <block.drop:2 >block.drop:2 <block.drop:3 >block.last:3 <block.last:3 "
        "<block:3 <:3",
    )
    found = planned(seen, ["block.drop1", "block.drop2"], ["block.drop", "block.drop#1"])
    assert paths(found.pairs[REFERENCE]) == ["", "block"]
    assert all(one.shared for one in found.operations)


def test_other_blocks_keep_their_own_count_where_one_comes_out_even_only_around():
    plan = plan_of("", "a", "a.drop/a.other", "b", "b.drop")
    reference = ">:1 >a:1 >a.drop:1 <a.drop:2 <a:2 >b:2 >b.drop:2 <b.drop:3 <b:3 <:3"
    seen = seen_in(plan, reference, reference.replace("a.drop", "a.other"))
    found = planned(seen, ["a.drop", "b.drop"], ["a", "b.drop"])
    assert paths(found.pairs[REFERENCE]) == ["", "a", "b", "b.drop"]


def test_a_dropout_that_one_side_lacks_is_judged_and_told_at_its_place():
    found = planned(seen_in(CHAIN_PLAN, CHAIN), ["drop"], [])
    assert paths(found.pairs[REFERENCE]) == ["", "fc", "drop", "head"]
    assert found.unshared == {}
    [one] = found.operations
    uneven = Reason(cause=Cause.UNEVEN, names=("drop",), numbers=(0, 1, 0))
    assert (one.shared, one.reasons) == (False, (uneven,))
    assert found.notes == (Note(kind=NoteKind.UNEVEN, reasons=(uneven,)),)


def test_what_cannot_be_shared_is_kept_apart_where_it_happens():
    found = planned(seen_in(CHAIN_PLAN, CHAIN), ["drop", "fc!poisson"], ["drop", "fc!poisson"])
    assert found.unshared == {("fc", 0): ("poisson",)}
    assert [one.shared for one in found.operations] == [True, False, True, False]


def test_a_call_where_one_side_cannot_share_excuses_the_number_of_its_decisions():
    found = planned(seen_in(CHAIN_PLAN, CHAIN), ["fc!lstm"], ["fc", "drop"])
    assert found.unshared == {("fc", 0): ("lstm", "dropout")}
    reasons = {(one.side, one.path): one.reasons for one in found.operations}
    assert reasons[CANDIDATE, "fc"] == (Reason(cause=Cause.NOT_SHARED_BESIDE, names=("lstm",)),)


@pytest.mark.parametrize(
    ("randomness", "unshared"), [(Randomness.REPORT, {("drop", 0): ("dropout",)}), (Randomness.OFF, {})]
)
def test_nothing_is_shared_unless_asked(randomness, unshared):
    found = planned(seen_in(CHAIN_PLAN, CHAIN), ["drop"], ["drop"], randomness)
    assert found.pairs == {REFERENCE: (), CANDIDATE: ()}
    assert found.unshared == unshared
    assert [one.shared for one in found.operations] == [False, False]


def test_off_leaves_what_is_no_dropout_and_keeps_it_apart():
    found = planned(seen_in(CHAIN_PLAN, CHAIN), ["drop", "!randn"], ["drop"], Randomness.OFF)
    assert found.unshared == {("", 0): ("randn",)}


def test_an_unpaired_layer_decides_for_the_call_around_it():
    plan = plan_of("", "block", "block.fc")
    seen = seen_in(plan, ">:1 >block:1 >block.fc:1 <block.fc:2 >block.drop:2 <block.drop:3 <block:3 <:3")
    found = planned(seen, ["block.drop"], ["block.drop"], Randomness.REPORT)
    assert found.unshared == {("block", 0): ("dropout",)}


def test_a_layer_whose_call_was_not_seen_decides_for_the_layer_around_it():
    seen = seen_in(CHAIN_PLAN, CHAIN)
    operations = {REFERENCE: made("head.inner"), CANDIDATE: made("head.inner")}
    assert set(share(seen, operations).groups) == {("head", 0)}


@pytest.mark.parametrize(
    ("randomness", "reference", "candidate", "note"),
    [
        (
            Randomness.SHARED,
            ["fc!poisson"],
            [],
            "the reference makes 1 in fc#0 and the candidate 0 (poisson)",
        ),
        (
            Randomness.SHARED,
            ["fc", "fc!poisson"],
            ["fc!poisson"],
            "the reference makes 2 in fc#0 and the candidate 1 (dropout, poisson)",
        ),
        (Randomness.REPORT, [], ["drop"], "the reference makes 0 in drop#0 and the candidate 1 (dropout)"),
        (Randomness.OFF, ["drop"], [], "the reference makes 1 in drop#0 and the candidate 0 (dropout)"),
    ],
    ids=["unknown", "beside an unknown one", "reported", "switched off"],
)
def test_a_decision_that_one_side_lacks_is_told_where_nothing_shows_it(
    randomness, reference, candidate, note
):
    found = planned(seen_in(CHAIN_PLAN, CHAIN), reference, candidate, randomness)
    [told] = found.notes
    assert (told.kind, sentences.joined(told.reasons)) == (NoteKind.UNEVEN_UNSEEN, note)


@pytest.mark.parametrize("randomness", [Randomness.REPORT, Randomness.OFF])
def test_a_module_here_and_a_function_there_are_as_many_decisions(randomness):
    assert planned(seen_in(CHAIN_PLAN, CHAIN), ["drop"], [""], randomness).notes == ()
