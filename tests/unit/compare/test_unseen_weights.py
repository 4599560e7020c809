from __future__ import annotations

from dataclasses import replace

import pytest

from padiff_compare.layout_rules import IDENTITY, TRANSPOSE
from padiff_compare.weights.unseen_weights import KindedWeight, pair_in_order
from padiff_compare.weights.weight_pair import OwnedWeight
from padiff_rpc.v1.records import TensorSpec, Weight
from padiff_rpc.v1.words import DType, WeightKind, WeightLayout

UNKNOWN, LINEAR, EMBEDDING, NORM = "", "linear", "embedding", "layer_norm"


def weight(kind: str, path: str, name: str, *shape: int) -> KindedWeight:
    spec = TensorSpec(dtype=DType.FLOAT32, shape=shape)
    made = Weight(
        name=name,
        kind=WeightKind.PARAMETER,
        spec=spec,
        canonical_name=name.replace("_b_", ".bias_").replace("_w_", ".weight_"),
        layout=WeightLayout.OUT_IN if (kind, name) == (LINEAR, "weight") else None,
    )
    return kind, OwnedWeight(path=path, weight=made)


SEEN = [
    weight(EMBEDDING, "embed", "weight", 9, 8),
    weight(LINEAR, "a", "weight", 4, 8),
    weight(LINEAR, "a", "bias", 4),
    weight(LINEAR, "b", "weight", 4, 4),
    weight(LINEAR, "b", "bias", 4),
    weight(NORM, "norm", "weight", 4),
    weight(NORM, "norm", "bias", 4),
]
# As a program names them, one layer behind the other.
UNSEEN = [
    weight(UNKNOWN, "", "embedding_0_w_0", 9, 8),
    weight(UNKNOWN, "", "layer_norm_0_b_0", 4),
    weight(UNKNOWN, "", "layer_norm_0_w_0", 4),
    weight(UNKNOWN, "", "linear_0_b_0", 4),
    weight(UNKNOWN, "", "linear_0_w_0", 8, 4),
    weight(UNKNOWN, "", "linear_1_b_0_1", 4),
    weight(UNKNOWN, "", "linear_1_w_0", 4, 4),
]


def test_equal_kinds_and_shapes_pair_in_order_and_matrices_in_their_layout() -> None:
    found = {
        theirs.name: (ours.name, rule)
        for ours, theirs, rule in pair_in_order(SEEN, UNSEEN, one_framework=False)
    }
    assert found == {
        "embedding_0_w_0": ("embed.weight", IDENTITY),
        "linear_0_w_0": ("a.weight", TRANSPOSE),
        "linear_0_b_0": ("a.bias", IDENTITY),
        "linear_1_w_0": ("b.weight", TRANSPOSE),
        "linear_1_b_0_1": ("b.bias", IDENTITY),
        "layer_norm_0_w_0": ("norm.weight", IDENTITY),
        "layer_norm_0_b_0": ("norm.bias", IDENTITY),
    }


def test_equal_names_pair_whatever_their_order() -> None:
    plain = [(UNKNOWN, replace(one, weight=replace(one.weight, layout=None))) for _, one in reversed(SEEN)]
    found = {
        theirs.name: (ours.name, rule)
        for ours, theirs, rule in pair_in_order(SEEN, plain, one_framework=False)
    }
    squares = {"b.weight"}
    assert found == {one.name: (one.name, TRANSPOSE if one.name in squares else IDENTITY) for _, one in SEEN}


@pytest.mark.parametrize("swapped", [False, True])
def test_a_square_of_one_framework_stays_as_it_is(swapped: bool) -> None:
    sides = (UNSEEN[6:7], SEEN[3:4]) if swapped else (SEEN[3:4], UNSEEN[6:7])
    assert [rule for _, _, rule in pair_in_order(*sides, one_framework=True)] == [IDENTITY]
    assert [rule for _, _, rule in pair_in_order(*sides, one_framework=False)] == [TRANSPOSE]


def test_where_one_side_has_more_of_a_shape_nothing_of_it_is_guessed() -> None:
    found = pair_in_order(SEEN, UNSEEN[3:6], one_framework=False)
    assert [theirs.name for _, theirs, _ in found] == ["linear_0_w_0", "linear_0_b_0", "linear_1_b_0_1"]
