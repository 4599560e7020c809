from __future__ import annotations

import pytest

from padiff_compare.alignment.align import align
from padiff_compare.weights.weight_plan import plan_weights
from padiff_rpc.v1.records import StatedPairing


@pytest.fixture
def planned(side):
    """Returns a function from two texts (see `side`) to the weight plan; the root's own line is the first."""

    def plan(reference, candidate):
        sides = side(reference), side(candidate)
        return plan_weights(align(*sides, StatedPairing()), sides[0].layers, sides[1].layers, StatedPairing())

    return plan


def rules(plan):
    return {(pair.reference_name, pair.candidate_name): str(pair.rule.told) for pair in plan.pairs}


@pytest.mark.parametrize(
    ("reference", "candidate", "rule"),
    [
        (".: m.Net table(7,16)", ".: m.Net\nrows: p.Embedding weight(7,16)", "identity"),
        (".: m.Net\nrows: t.Embedding weight(7,16)", ".: m.Net table(16,7)", "transpose"),
        (".: m.Net table(7,16)", ".: m.Net\nrows: p.Linear weight(7,16)", "identity"),
        (".: m.Net token(1,1,16)", ".: m.Net\nfirst: p.Embedding weight(1,16)", "reshape(1, 16)"),
    ],
)
def test_a_lone_weight_pairs_with_the_only_one_of_its_shape(planned, reference, candidate, rule):
    plan = planned(reference, candidate)
    assert list(rules(plan).values()) == [rule]
    assert plan.pairs[0].placed
    assert not plan.unmatched


def test_each_blocks_table_meets_its_own(planned):
    def model(table, embedding, p):
        lines = [".: m.Net", f"blocks: {p}.ModuleList"]
        for n in range(3):
            weight = "weight(8,8)"
            lines += [f"blocks.{n}: m.Block{table}", f"blocks.{n}.fc: {p}.Linear {weight}", *embedding(n)]
        return "\n".join(lines)

    plan = planned(
        model(" bias_table(7,4)", lambda n: [], "t"),
        model("", lambda n: [f"blocks.{n}.relative: p.Embedding weight(7,4)"], "p"),
    )
    tables = {ours: theirs for ours, theirs in rules(plan) if "table" in ours}
    assert tables == {f"blocks.{n}.bias_table": f"blocks.{n}.relative.weight" for n in range(3)}
    assert not plan.unmatched


def test_among_several_of_one_shape_names_decide(planned):
    plan = planned(
        ".: m.Net row_table(7,4) column_table(7,4)",
        ".: m.Net\ncolumns: p.Embedding weight(7,4)\nrows: p.Embedding weight(7,4)",
    )
    assert set(rules(plan)) == {("row_table", "rows.weight"), ("column_table", "columns.weight")}


def test_among_several_of_one_shape_nothing_is_guessed(planned):
    plan = planned(
        ".: m.Net foo(7,4) bar(7,4)", ".: m.Net\nx: p.Embedding weight(7,4)\ny: p.Embedding weight(7,4)"
    )
    assert not plan.pairs
    assert {(one.path, one.name, one.counts) for one in plan.unmatched} == {
        ("", "foo", True),
        ("", "bar", True),
        ("x", "weight", True),
        ("y", "weight", True),
    }


def test_what_one_of_two_paired_linear_layers_has_belongs_nowhere_else(planned):
    plan = planned(
        ".: m.Net\na: t.Linear weight(4,3) bias(4)\nb: t.Linear weight(4,4)",
        ".: m.Net\na: p.Linear weight(3,4)\nb: p.Linear weight(4,4) bias(4)",
    )
    assert set(rules(plan)) == {("a.weight", "a.weight"), ("b.weight", "b.weight")}
    assert [(one.path, one.name) for one in plan.unmatched] == [("a", "bias"), ("b", "bias")]


def test_two_layers_that_frameworks_know_share_no_weight_by_its_shape(planned):
    plan = planned(".: m.Net\na: t.Linear weight(16,7) bias(16)", ".: m.Net\nb: p.Embedding weight(7,16)")
    assert not plan.pairs


def test_a_parameter_and_a_buffer_do_not_pair(planned):
    plan = planned(".: m.Net table(7,16)", ".: m.Net\nrows: m.Table ~weight(7,16)")
    assert not plan.pairs


# One weight that does not fit


def test_a_layer_with_one_misfit_among_its_weights_keeps_its_partner(side):
    mixer = "first(4,8) second(8,8) scale"
    reference = side(
        f".: m.Net\na: m.Mixer {mixer}(3)\nb: m.Mixer {mixer}(3)\nc: m.Mixer {mixer}(3)", calls="a b c"
    )
    candidate = side(
        f".: m.Net\nx: m.Mix {mixer}(3)\ny: m.Mix {mixer}(5)\nz: m.Mix {mixer}(3)", calls="x y z"
    )
    plan = align(reference, candidate, StatedPairing())
    assert {pair.reference: pair.candidate for pair in plan.layers} == {"": "", "a": "x", "b": "y", "c": "z"}
    weights = plan_weights(plan, reference.layers, candidate.layers, StatedPairing())
    assert [pair.reference_name for pair in weights.pairs if pair.is_misfit] == ["b.scale"]


def test_a_layer_around_others_pairs_by_what_it_holds_not_with_a_leaf_of_equal_shape(side):
    reference = side(".: m.Net\nenc: m.Enc table(7,4)\nenc.fc: t.Linear weight(4,4)", calls="enc.fc")
    candidate = side(
        ".: m.Net\nenc: m.Encoder\nenc.rows: p.Embedding weight(7,4)\nenc.fc: p.Linear weight(4,4)",
        calls="enc.rows enc.fc",
    )
    plan = align(reference, candidate, StatedPairing())
    assert {pair.reference: pair.candidate for pair in plan.layers} == {
        "": "",
        "enc": "enc",
        "enc.fc": "enc.fc",
    }


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        (".: t.Linear weight(3,4) bias(3)", ".: m.Net\nfc: p.Linear weight(4,3) bias(3)"),
        (".: m.Net\nfc: t.Linear weight(3,4) bias(3)", ".: p.Linear weight(4,3) bias(3)"),
    ],
)
def test_a_model_of_one_layer_pairs_with_one_that_wraps_it(planned, reference, candidate):
    plan = planned(reference, candidate)
    assert list(rules(plan).values()) == ["transpose", "identity"]
    assert not plan.unmatched


def test_a_layer_of_another_kind_is_not_what_the_root_wraps(planned):
    plan = planned(".: t.LayerNorm weight(4) bias(4)", ".: m.Net\nfc: p.BatchNorm1D weight(4) bias(4)")
    assert not plan.pairs
    assert all(one.counts for one in plan.unmatched)
