"""Evidence that decides where order alone does not: names, tensors, surroundings; units and gaps."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from padiff_compare.alignment.align import align
from padiff_rpc.v1.records import IgnoredLayers, LayerPair, StatedPairing
from padiff_rpc.v1.words import Cause

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from model_trees import PADDLE, TORCH, block, leaf, linear, norm, traced


def aligned(reference, candidate, layer_map=None):
    sides = traced(reference, TORCH)[0], traced(candidate, PADDLE)[0]
    return align(*sides, layer_map or StatedPairing())


def pairs(plan):
    return {pair.reference: pair.candidate for pair in plan.layers}


def embeddings(*names):
    tables = [leaf(name, "Embedding", (2, 5, 8), weight=(40, 8)) for name in names]
    return block("", block("emb", *tables, is_fork=True), norm("norm", 8))


def test_query_key_and_value_computed_in_another_order_pair_by_name():
    reference = block("", block("self", *(linear(n, 8, 8) for n in ("query", "key", "value")), is_fork=True))
    candidate = block("", block("att", *(linear(f"{n}_proj", 8, 8) for n in "kvq"), is_fork=True))
    plan = aligned(reference, candidate)
    found = pairs(plan)
    assert (found["self.query"], found["self.key"], found["self.value"]) == (
        "att.q_proj",
        "att.k_proj",
        "att.v_proj",
    )
    assert plan.candidate_of("self.query").reason.cause is Cause.OTHER_ORDER_BY_NAMES
    assert plan.candidate_of("self.query").confidence >= 0.5


def test_embeddings_added_in_another_order_pair_by_what_their_names_mean():
    reference = embeddings("word_embeddings", "position_embeddings", "token_type_embeddings")
    candidate = embeddings("pos_emb", "tok_emb", "seg_emb")
    found = pairs(aligned(reference, candidate))
    assert found["emb.word_embeddings"] == "emb.tok_emb"
    assert found["emb.position_embeddings"] == "emb.pos_emb"
    assert found["emb.token_type_embeddings"] == "emb.seg_emb"


def test_branches_run_in_another_order_pair_by_what_they_are_made_of():
    def conv(name, extent):
        shape = (2, 8, 16, 16)
        return block(
            name,
            leaf("conv", "Conv2d", shape, weight=(8, 8, extent, extent)),
            leaf("bn", "BatchNorm2d", shape, weight=(8,), bias=(8,)),
        )

    def branches(order):
        made = {
            "one": block("a", conv("x", 1)),
            "five": block("b", conv("x", 1), conv("y", 5)),
            "three": block("c", conv("x", 1), conv("y", 3), conv("z", 3)),
        }
        return [made[name] for name in order]

    def model(prefix, order):
        return block("", *(block(f"{prefix}{n}", *branches(order), is_fork=True) for n in range(3)))

    plan = aligned(model("m", ("one", "five", "three")), model("n", ("three", "one", "five")))
    for n in range(3):
        for path in (
            "a.x.conv",
            "a.x.bn",
            "b.x.conv",
            "b.x.bn",
            "b.y.conv",
            "c.x.conv",
            "c.y.bn",
            "c.z.conv",
        ):
            assert pairs(plan)[f"m{n}.{path}"] == f"n{n}.{path}"
    assert plan.only_reference == plan.only_candidate == ()


def test_two_swapped_layers_of_equal_shape_pair_by_name_and_say_so():
    reference = block("", linear("first", 8, 8), linear("second", 8, 8), linear("head", 8, 3))
    candidate = block("", linear("second", 8, 8), linear("first", 8, 8), linear("head", 8, 3))
    plan = aligned(reference, candidate)
    assert pairs(plan)["first"] == "first"
    pair = plan.candidate_of("first")
    assert pair.confidence < 0.5
    assert pair.reason.cause is Cause.NAMES_AGAINST_ORDER


def test_numbers_that_begin_elsewhere_change_no_order():
    reference = block("", *(linear(f"fc{n}", 8, 8) for n in (0, 1, 2)))
    candidate = block("", *(linear(f"fc{n}", 8, 8) for n in (1, 2, 3)))
    assert pairs(aligned(reference, candidate)) == {"": "", "fc0": "fc1", "fc1": "fc2", "fc2": "fc3"}


def encoder(numbers, name="layer"):
    return block(
        "",
        *(block(f"{name}{n}", norm("ln", 8), linear("fc1", 8, 16), linear("fc2", 16, 8)) for n in numbers),
    )


def test_a_block_that_is_missing_by_its_number_is_a_gap_there():
    plan = aligned(encoder(range(6)), encoder((0, 1, 2, 4, 5)))
    assert plan.only_reference == ("layer3", "layer3.ln", "layer3.fc1", "layer3.fc2")
    assert pairs(plan)["layer5.fc2"] == "layer5.fc2"
    assert plan.candidate_of("layer5.fc2").confidence >= 0.5


def test_one_of_several_equal_blocks_missing_without_a_trace_of_which_is_doubted():
    plan = aligned(encoder(range(6)), encoder(range(5), name="block"))
    assert len(plan.only_reference) == 4
    assert plan.candidate_of("layer4.fc1").confidence < 0.5


def test_fused_and_separate_projections_are_one_unit_and_the_rest_is_compared():
    fused = block("attn", leaf("qkv", "Linear", (2, 5, 24), weight=(24, 8)), linear("proj", 8, 8))
    projections = (leaf(name, "Linear", (2, 5, 8), weight=(8, 8)) for name in "qkv")
    separate = block("attention", block("in", *projections, is_fork=True), linear("out", 8, 8))
    plan = aligned(
        block("", norm("ln", 8), fused, linear("head", 8, 3)),
        block("", norm("norm", 8), separate, linear("fc", 8, 3)),
    )
    pair = plan.candidate_of("attn")
    assert (pair.candidate, pair.unit, pair.compared) == ("attention", True, True)
    assert pairs(plan)["attn.proj"] == "attention.out"
    assert plan.inside_reference == ("attn.qkv",)
    assert plan.inside_candidate == ("attention.in", "attention.in.q", "attention.in.k", "attention.in.v")
    assert plan.only_reference == plan.only_candidate == ()


def test_a_container_that_includes_an_activation_pairs_with_none_that_leaves_it_out():
    def model(*, inside):
        act = leaf("act", "ReLU", (2, 5, 8))
        body = [linear("fc", 8, 8), norm("ln", 8)]
        stem = block("stem", *body, act) if inside else block("stem", *body)
        return block("", stem, *([] if inside else [act]), linear("head", 8, 3))

    plan = aligned(model(inside=True), model(inside=False))
    assert pairs(plan) == {
        "": "",
        "stem.fc": "stem.fc",
        "stem.ln": "stem.ln",
        "stem.act": "act",
        "head": "head",
    }
    assert plan.only_reference == plan.only_candidate == ("stem",)


def test_architectures_that_differ_pair_what_they_share_and_list_the_rest():
    reference = block("", linear("a", 8, 16), norm("n", 16), linear("b", 16, 4))
    candidate = block("", leaf("conv", "Conv2d", (2, 5, 16), weight=(16, 8, 3, 3)), linear("out", 16, 4))
    plan = aligned(reference, candidate)
    assert pairs(plan) == {"": "", "b": "out"}
    assert (plan.only_reference, plan.only_candidate) == (("a", "n"), ("conv",))


# Plans that are given back


def test_a_pair_that_compares_its_inside_is_looked_into():
    model = block("", block("a", linear("fc", 8, 8)), block("b", linear("fc", 8, 8)))
    layer_map = StatedPairing(pairs=(LayerPair(reference="a", candidate="a", compare_inside=True),))
    plan = aligned(model, model, layer_map)
    assert (plan.candidate_of("a").how, plan.candidate_of("a").unit) == ("pinned", False)
    assert plan.candidate_of("a.fc").compared
    assert plan.candidate_of("a.fc").how == "same_path"


def test_layers_without_a_counterpart_by_the_layer_map_stay_alone():
    model = block("", linear("a", 8, 8), linear("b", 8, 8))
    plan = aligned(model, model, StatedPairing(unpaired=IgnoredLayers(reference=("a",))))
    assert pairs(plan) == {"": "", "b": "b"}
    assert (plan.only_reference, plan.only_candidate) == (("a",), ("a",))


@pytest.mark.parametrize("seed", range(3))
def test_a_side_against_itself_is_certain(seed):
    from model_trees import MODELS

    model = MODELS[seed](random.Random(seed))
    plan = align(traced(model, TORCH)[0], traced(model, TORCH)[0], StatedPairing())
    assert all(pair.reference == pair.candidate and pair.confidence == 1.0 for pair in plan.layers)
    assert plan.only_reference == plan.only_candidate == ()
