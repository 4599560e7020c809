from __future__ import annotations

from dataclasses import replace

import pytest

from padiff_client import sentences
from padiff_compare.alignment.align import align
from padiff_compare.alignment.plan import PairedLayer, Plan
from padiff_compare.weights.one_sided_ties import tie_notes
from padiff_compare.weights.own_tables import own_tables
from padiff_compare.weights.weight_plan import plan_weights
from padiff_rpc.v1.records import IgnoredLayers, LayerPair, Reason, StatedPairing
from padiff_rpc.v1.words import Cause, DType, PairedBy, Side, WeightKind


@pytest.fixture
def planned(side):
    """Returns a function from two texts (see `side`) and a layer map to the weight plan."""

    def plan(reference, candidate, layer_map=None):
        sides = side(f".: m.Net\n{reference}"), side(f".: m.Net\n{candidate}")
        layer_map = layer_map or StatedPairing()
        return plan_weights(align(*sides, layer_map), sides[0].layers, sides[1].layers, layer_map)

    return plan


def rules(plan):
    return {(pair.reference_name, pair.candidate_name): str(pair.rule.told) for pair in plan.pairs}


def unmatched(plan):
    return [(one.side, one.what, one.path, one.name, one.counts) for one in plan.unmatched]


# Rules


@pytest.mark.parametrize(
    ("reference", "candidate", "rule"),
    [
        ("t.Linear weight(3,5)", "p.Linear weight(5,3)", "transpose"),
        ("p.Linear weight(3,5)", "t.Linear weight(5,3)", "transpose"),
        ("t.Linear weight(4,4)", "p.Linear weight(4,4)", "transpose"),
        ("m.Head, t.Linear weight(4,4)", "m.Top, m.Head, p.Linear weight(4,4)", "transpose"),
        ("t.Linear weight(3,5)", "f.Linear weight(5,3)", "transpose"),
        ("f.Linear weight(3,5)", "f.Linear weight(3,5)", "identity"),
        ("f.Linear weight(4,4)", "p.Linear weight(4,4)", "identity"),
        ("t.Linear weight(4,4)", "t.Linear weight(4,4)", "identity"),
        ("p.Linear weight(4,4)", "p.Linear weight(4,4)", "identity"),
        ("t.Conv2d weight(8,3,3,3)", "p.Conv2D weight(8,3,3,3)", "identity"),
        ("t.Embedding weight(9,4)", "p.Embedding weight(9,4)", "identity"),
        ("m.Own weight(4,4)", "m.Own weight(4,4)", "identity"),
        ("m.Dense weight(3,5)", "p.Linear weight(5,3)", "transpose"),
        ("t.LayerNorm weight(4,8)", "p.LayerNorm weight(32)", "reshape(32)"),
        ("p.LayerNorm weight(32)", "t.LayerNorm weight(4,8)", "reshape(4, 8)"),
    ],
)
def test_the_rule_follows_the_classes(planned, reference, candidate, rule):
    plan = planned(f"a: {reference}", f"a: {candidate}")
    assert rules(plan) == {("a.weight", "a.weight"): rule}
    assert plan.pairs[0].placed
    assert plan.unmatched == ()


def test_batch_norm_statistics_pair_as_buffers_however_they_are_listed(planned):
    names = "weight(4) bias(4) ~running_mean(4) ~running_var(4) ~num_batches_tracked()"
    for mark in ("", "~"):
        plan = planned(
            f"a: t.BatchNorm2d {names}",
            f"a: p.BatchNorm2D weight(4) bias(4) {mark}_mean(4) {mark}_variance(4)",
        )
        assert [
            (pair.references[0].weight.name, pair.candidate.weight.name, pair.kind) for pair in plan.pairs
        ] == [
            ("weight", "weight", WeightKind.PARAMETER),
            ("bias", "bias", WeightKind.PARAMETER),
            ("running_mean", "_mean", WeightKind.BUFFER),
            ("running_var", "_variance", WeightKind.BUFFER),
        ]
        assert plan.unmatched == ()
        assert plan.bookkeeping == ("reference: a.num_batches_tracked",)


@pytest.mark.parametrize(
    ("torch_layer", "paddle_layer"),
    [
        ("t.InstanceNorm2d weight(4) bias(4)", "p.InstanceNorm2D bias(4) scale(4)"),
        ("t.PReLU weight(4)", "p.PReLU _weight(4)"),
    ],
)
def test_other_names_of_one_weight_pair_by_meaning(planned, torch_layer, paddle_layer):
    plan = planned(f"a: {torch_layer}", f"a: {paddle_layer}")
    assert plan.pairs[0].references[0].weight.name == "weight"
    assert plan.pairs[0].candidate.weight.name in ("scale", "_weight")
    assert plan.unmatched == ()


def test_raw_parameters_pair_by_name_then_by_order_among_equal_shapes(planned):
    plan = planned("a: m.Own cls(4) first(2,2) second(2,2)", "a: m.Own one(2,2) cls(4) two(2,2)")
    assert set(rules(plan)) == {("a.cls", "a.cls"), ("a.first", "a.one"), ("a.second", "a.two")}


def test_the_roots_own_weights_have_bare_names(side):
    sides = side(".: m.Net scale(2)"), side(".: m.Net scale(2)")
    plan = plan_weights(align(*sides, StatedPairing()), sides[0].layers, sides[1].layers, StatedPairing())
    assert rules(plan) == {("scale", "scale"): "identity"}


# What does not fit


def test_a_bias_on_one_side_counts(planned):
    plan = planned("a: t.Linear weight(4,4) bias(4)", "a: p.Linear weight(4,4)")
    assert unmatched(plan) == [(Side.REFERENCE, "parameter", "a", "bias", True)]
    assert sentences.reason(plan.unmatched[0]) == "the candidate's a has no parameter for it"


def test_other_shapes_are_compared_but_not_placed(planned):
    plan = planned("a: t.Linear weight(6,4)", "a: p.Linear weight(4,5)")
    (pair,) = plan.pairs
    assert (pair.placed, pair.compared, str(pair.rule.told)) == (False, True, "transpose")
    assert sentences.sentence(pair.reason) == "float32[4, 6] does not fit float32[4, 5]"


def test_a_layer_without_partner_counts_with_each_of_its_weights(planned):
    plan = planned("a: t.Linear weight(4,4)", "a: p.Linear weight(4,4)\nb: p.BatchNorm2D weight(3) _mean(3)")
    assert unmatched(plan) == [
        (Side.CANDIDATE, "parameter", "b", "weight", True),
        (Side.CANDIDATE, "buffer", "b", "_mean", True),
    ]


def test_what_the_user_ignores_does_not_count(planned):
    layer_map = StatedPairing(ignored=IgnoredLayers(candidate=("b",)))
    plan = planned("a: t.Linear weight(4,4)", "a: p.Linear weight(4,4)\nb: p.Linear weight(3,3)", layer_map)
    assert unmatched(plan) == [(Side.CANDIDATE, "parameter", "b", "weight", False)]


def test_an_ignored_pair_is_placed_as_far_as_it_fits_but_not_compared(planned):
    layer_map = StatedPairing(ignored=IgnoredLayers(reference=("a",)))
    plan = planned("a: t.Linear weight(4,4) bias(4)", "a: p.Linear weight(4,4)", layer_map)
    assert [(pair.placed, pair.compared) for pair in plan.pairs] == [(True, False)]
    assert plan.pairs[0].reason.names == ("layer_map.ignore.reference",)
    assert unmatched(plan) == [(Side.REFERENCE, "parameter", "a", "bias", False)]


def test_the_inside_of_a_pinned_pair_is_placed_and_compared(planned):
    layer_map = StatedPairing(pairs=(LayerPair(reference="a", candidate="x"),))
    plan = planned(
        "a: m.Block\na.fc: t.Linear weight(3,4)", "x: m.Block\nx.fc: p.Linear weight(4,3)", layer_map
    )
    assert [(pair.candidate_name, pair.placed, pair.compared) for pair in plan.pairs] == [
        ("x.fc.weight", True, True)
    ]


# Tied weights


TIED = "emb: {0}.Embedding weight(9,4)\ndec: {0}.Linear weight(9,4)=emb.weight"
APART = "emb: t.Embedding weight(9,4)\ndec: t.Linear weight(9,4)"


def test_a_tied_weight_is_placed_once(planned):
    plan = planned(TIED.format("t"), TIED.format("t"))
    assert rules(plan) == {("emb.weight", "emb.weight"): "identity"}
    assert plan.unmatched == ()


def test_what_only_the_reference_ties_fills_both_of_the_candidates(planned):
    plan = planned(TIED.format("t"), APART)
    assert [(pair.reference_name, pair.candidate_name, pair.placed) for pair in plan.pairs] == [
        ("emb.weight", "emb.weight", True),
        ("emb.weight", "dec.weight", True),
    ]


def test_what_only_the_candidate_ties_is_filled_once_and_compared_twice(planned):
    plan = planned(APART, TIED.format("t"))
    assert [
        (pair.reference_name, pair.candidate_name, pair.placed, pair.compared) for pair in plan.pairs
    ] == [
        ("emb.weight", "emb.weight", True, True),
        ("dec.weight", "emb.weight", False, True),
    ]
    assert plan.pairs[1].reason.cause is Cause.TIED_ALONE


def test_a_tied_layer_that_the_other_side_has_not_is_no_gap(planned):
    plan = planned(TIED.format("t"), "emb: t.Embedding weight(9,4)")
    assert plan.unmatched == ()


def test_a_recurrent_layer_that_shares_its_weights_with_its_cells_pairs_by_name(planned):
    shapes = "weight_ih_l0(16,3) weight_hh_l0(16,4)"
    plan = planned(
        f"rnn: t.LSTM {shapes}",
        f"rnn: p.LSTM {shapes} ~_dropout_state()\nrnn.0: p.RNN\n"
        "rnn.0.cell: p.LSTMCell weight_ih(16,3)=rnn.weight_ih_l0 weight_hh(16,4)=rnn.weight_hh_l0",
    )
    assert rules(plan) == {
        ("rnn.weight_ih_l0", "rnn.weight_ih_l0"): "identity",
        ("rnn.weight_hh_l0", "rnn.weight_hh_l0"): "identity",
    }
    assert plan.unmatched == ()


# Special initialisers


def test_a_special_init_takes_all_weights_of_both_layers_and_below(planned):
    layer_map = StatedPairing(
        pairs=(LayerPair(reference="attn", candidate="self", special_init="port.rules:attention"),)
    )
    plan = planned(
        "attn: t.MultiheadAttention in_proj_weight(12,4)\nattn.out_proj: t.Linear weight(4,4)\n"
        "fc: t.Linear weight(4,4)",
        "self: p.MultiHeadAttention\nself.q_proj: p.Linear weight(4,4)\nself.out_proj: p.Linear weight(4,4)\n"
        "fc: p.Linear weight(4,4)",
        layer_map,
    )
    (special,) = plan.special
    assert (special.reference_path, special.candidate_path) == ("attn", "self")
    assert special.function == "port.rules:attention"
    assert special.reference_names == ("attn.in_proj_weight", "attn.out_proj.weight")
    assert tuple(special.references) == ("in_proj_weight", "out_proj.weight")
    assert special.candidate_names == ("self.q_proj.weight", "self.out_proj.weight")
    assert tuple(special.candidates) == ("q_proj.weight", "out_proj.weight")
    assert set(rules(plan)) == {("fc.weight", "fc.weight")}
    assert plan.unmatched == ()


# Composite layers


PACKED = (
    "a: t.MultiheadAttention in_proj_weight(12,4) in_proj_bias(12)\na.out_proj: t.Linear weight(4,4) bias(4)"
)
APART_QKV = "a: p.MultiHeadAttention\n" + "\n".join(
    f"a.{name}_proj: p.Linear weight(4,4) bias(4)" for name in ("q", "k", "v", "out")
)


def test_packed_attention_is_parted_into_paddles_projections(planned):
    plan = planned(PACKED, APART_QKV)
    assert rules(plan) == {
        ("a.in_proj_weight", "a.q_proj.weight"): "part(1 of 3) then transpose",
        ("a.in_proj_weight", "a.k_proj.weight"): "part(2 of 3) then transpose",
        ("a.in_proj_weight", "a.v_proj.weight"): "part(3 of 3) then transpose",
        ("a.in_proj_bias", "a.q_proj.bias"): "part(1 of 3)",
        ("a.in_proj_bias", "a.k_proj.bias"): "part(2 of 3)",
        ("a.in_proj_bias", "a.v_proj.bias"): "part(3 of 3)",
        ("a.out_proj.weight", "a.out_proj.weight"): "transpose",
        ("a.out_proj.bias", "a.out_proj.bias"): "identity",
    }
    assert all(pair.placed for pair in plan.pairs)
    assert plan.unmatched == ()


def test_a_part_that_nothing_takes_is_missed(planned):
    without_values = "\n".join(line for line in APART_QKV.splitlines() if ".v_proj" not in line)
    pinned = StatedPairing(pairs=(LayerPair(reference="a", candidate="a"),))
    plan = planned(PACKED, without_values, pinned)
    assert unmatched(plan) == [
        (Side.REFERENCE, "parameter", "a", "in_proj_weight", True),
        (Side.REFERENCE, "parameter", "a", "in_proj_bias", True),
    ]
    assert "part 3 of 3" in sentences.reason(plan.unmatched[0])


def test_weights_of_several_dtypes_do_not_make_one(side):
    reference, candidate = side(f".: m.Net\n{APART_QKV}"), side(f".: m.Net\n{PACKED}")
    layers = tuple(
        replace(layer, weights=tuple(map(halved, layer.weights))) if layer.path == "a.k_proj" else layer
        for layer in reference.layers
    )
    plan = plan_weights(
        align(reference, candidate, StatedPairing()), layers, candidate.layers, StatedPairing()
    )
    (packed,) = (pair for pair in plan.pairs if pair.candidate_name == "a.in_proj_weight")
    assert (packed.placed, packed.is_misfit, packed.compared) == (False, True, True)
    assert packed.reason == Reason(cause=Cause.SEVERAL_DTYPES, names=("float32", "float16"))


def halved(weight):
    return replace(weight, spec=replace(weight.spec, dtype=DType.FLOAT16))


def test_the_opposite_direction_stacks_them(planned):
    plan = planned(APART_QKV, PACKED)
    three = "a.q_proj.{0} + a.k_proj.{0} + a.v_proj.{0}"
    assert rules(plan) == {
        (three.format("weight"), "a.in_proj_weight"): "transpose then stack",
        (three.format("bias"), "a.in_proj_bias"): "stack",
        ("a.out_proj.weight", "a.out_proj.weight"): "transpose",
        ("a.out_proj.bias", "a.out_proj.bias"): "identity",
    }
    assert plan.pairs[0].place(Side.REFERENCE) == ("a", "q_proj.weight + k_proj.weight + v_proj.weight", None)
    assert plan.unmatched == ()


def test_attention_of_one_framework_keeps_its_packing(planned):
    assert set(rules(planned(PACKED, PACKED)).values()) == {"identity"}
    assert set(rules(planned(APART_QKV, APART_QKV)).values()) == {"identity"}


def test_attention_over_other_widths_has_separate_matrices_in_both_frameworks(planned):
    plan = planned(
        "a: t.MultiheadAttention q_proj_weight(4,4) k_proj_weight(4,6) v_proj_weight(4,5)\n"
        "a.out_proj: t.Linear weight(4,4)",
        "a: p.MultiHeadAttention\na.q_proj: p.Linear weight(4,4)\na.k_proj: p.Linear weight(6,4)\n"
        "a.v_proj: p.Linear weight(5,4)\na.out_proj: p.Linear weight(4,4)",
    )
    assert set(rules(plan).values()) == {"transpose"}
    assert len(plan.pairs) == 4
    assert plan.unmatched == ()


FUSED = """
b: m.Block
b.attn: m.Fused
b.attn.{0}: {1}
b.attn.out: t.Linear weight(4,4)
b.fc: t.Linear weight(7,4)
"""
SEPARATE = """
b: m.Block
b.attn: m.Separate
b.attn.q_proj: p.Linear weight(4,4)
b.attn.k_proj: p.Linear weight(4,4)
b.attn.v_proj: p.Linear weight(4,4)
b.attn.out: p.Linear weight(4,4)
b.fc: p.Linear weight(4,7)
"""


@pytest.mark.parametrize(
    ("layer", "kind", "first"),
    [
        ("qkv", "t.Linear weight(12,4)", "part(1 of 3) then transpose"),
        ("c_attn", "m.Conv1D weight(4,12)", "transpose then part(1 of 3) then transpose"),
        ("in_proj", "t.Linear weight(12,4)", "part(1 of 3) then transpose"),
    ],
)
def test_a_users_fused_projections_are_parted_by_their_names(side, layer, kind, first):
    sides = side(f".: m.Net\n{FUSED.format(layer, kind)}"), side(f".: m.Net\n{SEPARATE}")
    paths = [("", ""), ("b", "b"), ("b.attn", "b.attn"), ("b.attn.out", "b.attn.out"), ("b.fc", "b.fc")]
    layers = tuple(
        PairedLayer(reference=ours, candidate=theirs, how=PairedBy.SAME_PATH, unit=ours == "b.attn")
        for ours, theirs in paths
    )
    plan = plan_weights(Plan(layers=layers), sides[0].layers, sides[1].layers, StatedPairing())
    assert rules(plan)[f"b.attn.{layer}.weight", "b.attn.q_proj.weight"] == first
    assert len(plan.pairs) == 5
    assert all(pair.placed for pair in plan.pairs)
    assert plan.unmatched == ()


def test_a_bias_that_only_one_attention_has_counts(planned):
    plan = planned(PACKED, APART_QKV.replace(" bias(4)", ""))
    assert [(one.name, one.counts) for one in plan.unmatched] == [("in_proj_bias", True), ("bias", True)]


def test_a_cell_below_paddles_recurrent_wrappers_is_a_layer_and_direction(planned):
    torch_cells = " ".join(
        f"weight_{part}_l0{way}(16,{size})"
        for way in ("", "_reverse")
        for part, size in (("ih", 3), ("hh", 4))
    )
    plan = planned(
        f"rnn: t.RNN {torch_cells}",
        "rnn: p.BiRNN\nrnn.cell_fw: p.SimpleRNNCell weight_ih(16,3) weight_hh(16,4)\n"
        "rnn.cell_bw: p.SimpleRNNCell weight_ih(16,3) weight_hh(16,4)",
        StatedPairing(pairs=(LayerPair(reference="rnn", candidate="rnn"),)),
    )
    assert rules(plan) == {
        ("rnn.weight_ih_l0", "rnn.cell_fw.weight_ih"): "identity",
        ("rnn.weight_hh_l0", "rnn.cell_fw.weight_hh"): "identity",
        ("rnn.weight_ih_l0_reverse", "rnn.cell_bw.weight_ih"): "identity",
        ("rnn.weight_hh_l0_reverse", "rnn.cell_bw.weight_hh"): "identity",
    }
    assert plan.unmatched == ()


def test_a_recurrent_projection_lies_in_paddles_cell_transposed(planned):
    shapes = "weight_ih_l0(16,3) weight_hh_l0(16,2)"
    plan = planned(
        f"rnn: t.LSTM {shapes} weight_hr_l0(2,4)",
        f"rnn: p.LSTM {shapes}\nrnn.0: p.RNN\nrnn.0.cell: p.LSTMCell weight_ih(16,3)=rnn.weight_ih_l0 "
        "weight_hh(16,2)=rnn.weight_hh_l0 weight_ho(4,2)",
    )
    assert rules(plan)["rnn.weight_hr_l0", "rnn.0.cell.weight_ho"] == "transpose"
    assert plan.unmatched == ()


def test_spectral_norms_pair_by_what_they_are_made_of(planned):
    plan = planned(
        "a: t.Linear bias(4) weight_orig(4,3) ~weight_u(4) ~weight_v(3)",
        "a: p.Linear bias(4) weight_orig(3,4) ~weight(3,4) ~weight_u(4) ~weight_v(3)",
    )
    assert rules(plan)["a.weight_orig", "a.weight_orig"] == "transpose"
    assert rules(plan)["a.weight_v", "a.weight_v"] == "identity"
    assert plan.unmatched == ()
    assert plan.bookkeeping == ("candidate: a.weight",)


# What cannot be told


@pytest.mark.parametrize(
    ("reference", "candidate", "ambiguous"),
    [
        ("m.Own weight(4,4)", "m.Own weight(4,4)", True),
        ("m.Conv1D weight(4,4)", "p.Linear weight(4,4)", True),
        ("m.Own weight(4,5)", "m.Own weight(4,5)", False),
        ("t.Linear weight(4,4)", "p.Linear weight(4,4)", False),
        ("m.Own scale(4)", "m.Own scale(4)", False),
    ],
)
def test_a_square_matrix_of_a_users_class_is_ambiguous(planned, reference, candidate, ambiguous):
    plan = planned(f"a: {reference}", f"a: {candidate}")
    assert [pair.ambiguous for pair in plan.pairs] == [ambiguous]


@pytest.mark.parametrize(
    ("reference", "candidate", "rules"),
    [
        ("m.Own w(2,4,3)", "m.Own w(2,3,4)", ["axes(0, 2, 1)"]),
        ("m.Own w(2,4,3)", "m.Own w(4,3,2)", ["axes(1, 2, 0)"]),
        ("m.Own w(8,3,5,7)", "m.Own w(5,7,3,8)", ["axes(2, 3, 1, 0)"]),
        ("m.Own w(1,4,3)", "m.Own w(3,1,4)", ["axes(2, 0, 1)"]),
        ("m.Own w(2,4,4)", "m.Own w(2,4,4)", ["identity", "axes(0, 2, 1)"]),
        ("m.Own w(4,4,3)", "m.Own w(4,3,4)", ["axes(0, 2, 1)", "axes(1, 2, 0)"]),
        ("m.Own w(8,3,3,3)", "t.Conv2d w(8,3,3,3)", 6),
        ("m.Own w(2,4,3)", "m.Own w(2,4,3)", ["identity"]),
        ("t.Conv2d weight(8,3,1,3)", "p.Conv2D weight(8,3,3,1)", ["identity"]),
    ],
)
def test_axes_come_in_any_order_in_users_classes(planned, reference, candidate, rules):
    (pair,) = planned(f"a: {reference}", f"a: {candidate}").pairs
    names = [str(rule.told) for rule in pair.alternatives or (pair.rule,)]
    assert names == rules if isinstance(rules, list) else len(names) == rules
    assert str(pair.rule.told) == names[0]
    assert pair.placed is (rules != ["identity"] or "Conv" not in reference)


def test_two_users_classes_of_one_framework_store_theirs_alike(planned):
    plan = planned("a: m.Own weight(4,4)\nb: t.ReLU", "a: m.Own weight(4,4)\nb: t.ReLU")
    assert [pair.ambiguous for pair in plan.pairs] == [False]


def test_a_lone_weight_names_its_nearest_neighbour_and_what_would_make_it_fit(planned):
    plan = planned(
        "a: t.Linear weight(4,4)\nx: m.Left kernel(2,3,5)",
        "a: p.Linear weight(4,4)\ny: m.Other ~table(5,2,3)",
    )
    assert [sentences.reason(one).partition("; nearest: ")[2] for one in plan.unmatched] == [
        "'y.table' float32[5, 2, 3], which it would fit as axes(2, 0, 1)",
        "'x.kernel' float32[2, 3, 5], which it would fit as axes(1, 2, 0)",
    ]


# Weights that are computed from others

PARAMETRIZED = (
    "a: t.Linear bias(4) parametrizations.weight.original0(4,1) parametrizations.weight.original1(4,3) "
    "~weight(4,3)"
)


@pytest.mark.parametrize(
    "reference",
    [PARAMETRIZED, "a: t.Linear bias(4) weight_g(4,1) weight_v(4,3) ~weight(4,3)"],
    ids=["new", "old"],
)
def test_weight_norms_pair_by_what_they_are_made_of(planned, reference):
    plan = planned(reference, "a: p.Linear bias(4) weight_v(3,4) weight_g(4) ~weight(3,4)")
    assert sorted(rules(plan).values()) == ["identity", "reshape(4)", "transpose"]
    assert {pair.candidate_name for pair in plan.pairs} == {"a.bias", "a.weight_g", "a.weight_v"}
    assert plan.unmatched == plan.made == ()
    assert plan.bookkeeping == ("reference: a.weight", "candidate: a.weight")


def test_what_the_reference_computes_goes_into_what_the_candidate_holds(planned):
    plan = planned(PARAMETRIZED, "a: p.Linear weight(3,4) bias(4)")
    assert rules(plan) == {("a.weight", "a.weight"): "transpose", ("a.bias", "a.bias"): "identity"}
    assert [pair.candidate_name for pair in plan.trained] == ["a.bias"]
    [made] = plan.made
    assert made.reference_names == (
        "a.parametrizations.weight.original0",
        "a.parametrizations.weight.original1",
    )
    assert [(one.name, one.counts) for one in plan.unmatched] == [
        ("parametrizations.weight.original0", False),
        ("parametrizations.weight.original1", False),
    ]


def test_a_candidate_that_computes_what_the_reference_holds_is_no_match(planned):
    plan = planned(
        "a: t.Linear weight(4,3) bias(4)", "a: p.Linear bias(4) weight_v(3,4) weight_g(4) ~weight(3,4)"
    )
    assert unmatched(plan) == [(Side.CANDIDATE, "parameter", "a", "weight_g", True)]
    assert sentences.reason(plan.unmatched[0]) == (
        "the candidate computes 'weight' of it by a weight norm, and the reference's a has none: take it off "
        "here before the comparison, or apply it there too"
    )


def test_a_spectral_norm_that_one_side_alone_applies_is_named(planned):
    spectral = "weight_orig(3,4) ~weight_u(4) ~weight_v(3) ~weight(3,4)"
    plan = planned("a: t.Linear weight(4,3) bias(4)", f"a: p.Linear bias(4) {spectral}")
    assert {one.name for one in plan.unmatched} == {"weight_u", "weight_v"}
    assert all("by a spectral norm" in sentences.reason(one) for one in plan.unmatched)


@pytest.mark.parametrize(
    "reference",
    [
        "a: t.Linear bias(4) weight_orig(4,3) ~weight_u(4) ~weight_v(3) ~weight(4,3)",
        "a: t.Linear bias(4) parametrizations.weight.original(4,3) ~parametrizations.weight.0._u(4) "
        "~parametrizations.weight.0._v(3) ~weight(4,3)",
    ],
)
def test_a_spectral_norm_that_is_a_layer_of_its_own_pairs_by_its_vectors(planned, reference):
    candidate = "a: m.Normed weight(3,4) bias(4)\na.norm: p.SpectralNorm weight_u(4) weight_v(3)"
    plan = planned(reference, candidate)
    assert not [one for one in plan.unmatched if one.counts]
    found = {pair.candidate_name: (str(pair.rule.told), pair.kind) for pair in plan.pairs}
    assert found == {
        "a.weight": ("transpose", WeightKind.PARAMETER),
        "a.bias": ("identity", WeightKind.PARAMETER),
        "a.norm.weight_u": ("identity", WeightKind.BUFFER),
        "a.norm.weight_v": ("identity", WeightKind.BUFFER),
    }


# What is one tensor on one side


def test_ties_of_one_side_are_told(planned):
    assert list(tie_notes(planned(TIED.format("t"), TIED.format("t")))) == []
    [note] = tie_notes(planned(TIED.format("t"), APART))
    assert (note.side, note.names) == (Side.REFERENCE, ("emb.weight", "emb.weight", "dec.weight"))
    [note] = tie_notes(planned(APART, TIED.format("t")))
    assert (note.side, note.names) == (Side.CANDIDATE, ("emb.weight", "emb.weight", "dec.weight"))


def test_parts_of_a_packed_weight_are_not_tied(planned):
    assert list(tie_notes(planned(PACKED, APART_QKV))) == []


# Tables


def tables(side, reference, candidate):
    sides = side(f".: m.Net\n{reference}"), side(f".: m.Net\n{candidate}")
    plan = align(*sides, StatedPairing())
    layers = {Side.REFERENCE: sides[0].layers, Side.CANDIDATE: sides[1].layers}
    made = own_tables(plan, layers, plan_weights(plan, *layers.values(), StatedPairing()))
    return [(pair.candidate_name, pair.placed) for pair in made.pairs]


def test_tables_are_what_a_model_makes_itself(side):
    norm = "weight(4) bias(4) ~running_mean(4) ~running_var(4) ~num_batches_tracked()"
    spectral = "weight_orig(4,3) ~weight_u(4) ~weight_v(3) ~weight(4,3)"
    lines = f"a: t.BatchNorm2d {norm}\nb: t.Linear {spectral}\nc: m.Own ~index(4) ~mask(2,2)"
    assert tables(side, lines, lines) == [("c.index", True), ("c.mask", True)]


@pytest.mark.parametrize("unsaved", [0, 1], ids=["in the reference", "in the candidate"])
def test_a_table_that_one_side_does_not_save_is_no_gap_and_held_against_the_others(side, unsaved):
    sides = [side(".: m.Net\na: m.Own w(3) ~index(4)") for _ in range(2)]
    layers = [one.layers for one in sides]
    layers[unsaved] = tuple(
        replace(
            layer, weights=tuple(replace(one, unsaved=one.kind is WeightKind.BUFFER) for one in layer.weights)
        )
        for layer in layers[unsaved]
    )
    plan = align(*sides, StatedPairing())
    weights = plan_weights(plan, *layers, StatedPairing())
    assert [(one.name, one.counts) for one in weights.unmatched] == [("index", False)]
    made = own_tables(plan, dict(zip((Side.REFERENCE, Side.CANDIDATE), layers)), weights)
    assert [pair.candidate_name for pair in made.pairs] == ["a.index"]
