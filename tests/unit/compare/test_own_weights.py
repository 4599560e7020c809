"""Weights of two layers pair by name, shape and whether they are complex."""

from __future__ import annotations

import pytest

from padiff_client import sentences
from padiff_compare.weights.own_weights import pair_weights
from padiff_compare.weights.weight_hints import fitting
from padiff_rpc.v1.records import TensorSpec, Weight
from padiff_rpc.v1.words import DType, WeightKind

KINDS = ("", "")


def weight(name: str, shape: tuple[int, ...], dtype: str = "float32") -> Weight:
    return Weight(
        name=name, kind=WeightKind.PARAMETER, spec=TensorSpec(dtype=DType(dtype), shape=shape), trainable=True
    )


WHOLE = weight("w", (4,), "complex64")


@pytest.mark.parametrize("name", ["w", "filter"])
def test_a_complex_weight_pairs_with_its_parts_in_a_last_axis(name: str) -> None:
    parts = weight(name, (4, 2))
    for ours, theirs, rule in ((WHOLE, parts, "as real"), (parts, WHOLE, "as complex")):
        (found,) = pair_weights(KINDS, [ours], [theirs])
        assert (found[0], found[1], str(found[2].told)) == (ours, theirs, rule)


def test_a_complex_weight_pairs_with_no_real_one_of_another_name() -> None:
    assert pair_weights(KINDS, [WHOLE], [weight("real", (4,)), weight("imaginary", (4,))]) == []
    assert pair_weights(KINDS, [weight("real", (4,))], [WHOLE]) == []
    assert len(pair_weights(KINDS, [WHOLE], [weight("filter", (4,), "complex64")])) == 1
    assert len(pair_weights(KINDS, [WHOLE], [weight("filter", (4,), "complex128")])) == 1


def test_real_weights_with_a_last_axis_of_two_pair_as_any_other() -> None:
    (found,) = pair_weights(KINDS, [weight("w", (4, 2))], [weight("w", (4, 2))])
    assert str(found[2].told) == "identity"


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (WHOLE, weight("w", (4,)), "has no place"),
        (weight("w", (4,)), WHOLE, "is missing"),
        (WHOLE, weight("w", (3, 2)), "has no place"),
    ],
)
def test_what_would_make_a_complex_weight_fit_is_said(ours: Weight, theirs: Weight, said: str) -> None:
    text = sentences.joined(fitting(ours.spec, theirs.spec))
    assert text.startswith(f": the imaginary part {said}; one real weight with both parts in a last axis")
    assert "layer_map.special_init" in text
    assert fitting(WHOLE.spec, WHOLE.spec) == ()
