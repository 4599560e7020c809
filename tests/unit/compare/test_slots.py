from __future__ import annotations

import pytest

from padiff_compare.alignment.slots import pair_returned, pair_slots
from padiff_rpc.v1.records import Slot, TensorSpec
from padiff_rpc.v1.words import CallMoment, DType

ENTRY, EXIT = CallMoment.ENTRY, CallMoment.EXIT


def slots(**shapes):
    return [
        Slot(name=name.lstrip("_").replace("__", "."), tensor=n, spec=spec(shape))
        for n, (name, shape) in enumerate(shapes.items())
    ]


def spec(shape):
    if isinstance(shape, TensorSpec):
        return shape
    return TensorSpec(dtype=DType.FLOAT32, shape=shape)


def names(pairing):
    return (
        [(pair.reference.name, pair.candidate.name) for pair in pairing.pairs],
        [slot.name for slot in pairing.only_reference],
        [slot.name for slot in pairing.only_candidate],
    )


@pytest.mark.parametrize("moment", [ENTRY, EXIT])
def test_dict_keys_pair_by_name_whatever_their_order(moment):
    found = pair_slots(moment, slots(a=(2,), b=(2,)), slots(b=(2,), a=(2,)))
    assert names(found) == ([("a", "a"), ("b", "b")], [], [])


def test_a_positional_input_pairs_with_a_keyword_one():
    found = pair_slots(ENTRY, slots(_0=(2, 4), mask=(2,)), slots(x=(2, 4), mask=(2,)))
    assert names(found) == ([("0", "x"), ("mask", "mask")], [], [])


def test_positional_inputs_find_keywords_of_their_shape_first():
    found = pair_slots(ENTRY, slots(_0=(2, 4), _1=(2,)), slots(mask=(2,), x=(2, 4)))
    assert names(found) == ([("0", "x"), ("1", "mask")], [], [])


def test_equal_shapes_of_other_dtypes_wait_for_their_own():
    whole = TensorSpec(dtype=DType.INT64, shape=(2,))
    found = pair_slots(ENTRY, slots(_0=whole, _1=(2,)), slots(weights=(2,), ids=whole))
    assert names(found) == ([("0", "ids"), ("1", "weights")], [], [])


def test_keywords_that_share_a_word_find_each_other_first():
    left = slots(input_ids=(2, 9), attention_mask=(2, 9), token_type_ids=(2, 9))
    found = pair_slots(ENTRY, left, slots(tokens=(2, 9), segments=(2, 9), mask=(2, 9)))
    assert names(found) == (
        [("input_ids", "tokens"), ("attention_mask", "mask"), ("token_type_ids", "segments")],
        [],
        [],
    )


def test_one_more_output_is_a_difference_of_structure():
    found = pair_slots(EXIT, slots(_0=(2,)), slots(_0=(2,), _1=(2,)))
    assert names(found) == ([("0", "0")], [], ["1"])


def test_a_missing_output_does_not_drag_others_into_shape_mismatches():
    found = pair_slots(EXIT, slots(logits=(2, 4), hidden=(3, 3)), slots(_0=(2, 4)))
    assert names(found) == ([("logits", "0")], ["hidden"], [])
    found = pair_slots(EXIT, slots(logits=(2, 4), hidden=(3, 3)), slots(scores=(5,)))
    assert names(found) == ([], ["logits", "hidden"], ["scores"])


def test_a_wrong_shape_under_one_name_stays_a_pair():
    found = pair_slots(EXIT, slots(_0=(1, 8)), slots(_0=(4, 8)))
    assert names(found) == ([("0", "0")], [], [])


def test_a_wrong_shape_under_other_names_stays_a_pair_where_counts_agree():
    found = pair_slots(EXIT, slots(_0=(1, 8)), slots(logits=(4, 8)))
    assert names(found) == ([("0", "logits")], [], [])


def test_two_different_keywords_of_other_shapes_are_two_inputs():
    found = pair_slots(ENTRY, slots(_0=(2,), mask=(2, 2)), slots(_0=(2,), positions=(7,)))
    assert names(found) == ([("0", "0")], ["mask"], ["positions"])


def test_a_wrong_shape_of_the_first_input_stays_a_pair_and_a_mask_of_another_shape_is_two_inputs():
    left, right = slots(_0=(2, 4), _1=(2, 1, 4, 4)), slots(x=(3, 4), mask=(2, 1, 1, 4))
    assert names(pair_slots(ENTRY, left, right)) == ([("0", "x")], ["1"], ["mask"])


def test_nested_tuples_pair_with_named_fields_of_equal_shape():
    found = pair_slots(EXIT, slots(_0=(2,), _1__0=(3,), _1__1=(4,)), slots(out=(2,), h=(3,), c=(4,)))
    assert names(found) == ([("0", "out"), ("1.0", "h"), ("1.1", "c")], [], [])


def test_nothing_against_nothing_is_nothing():
    assert names(pair_slots(EXIT, [], [])) == ([], [], [])


def returned(*tensors, **named):
    """Slots of one shape: by position, or by name where a tuple lies in a tuple ("_1__0")."""
    given = {**{f"_{n}": tensor for n, tensor in enumerate(tensors)}, **named}
    return [
        Slot(name=name.lstrip("_").replace("__", "."), tensor=tensor, spec=spec((2,)))
        for name, tensor in given.items()
    ]


def test_a_tensor_that_one_side_returns_twice_counts_once():
    lstm = returned(8, 9), returned(5, _1__0=5, _1__1=6)
    assert names(pair_returned(*lstm)) == ([("0", "0"), ("1", "1.1"), ("0", "1.0")], [], [])
    assert names(pair_returned(*reversed(lstm))) == ([("0", "0"), ("1.1", "1"), ("1.0", "0")], [], [])
    assert names(pair_returned(returned(8), returned(5, 5))) == ([("0", "0"), ("0", "1")], [], [])


def test_a_tensor_in_the_place_of_another_is_no_second_showing():
    assert names(pair_returned(returned(8, 9), returned(5, 5))) == ([("0", "0"), ("1", "1")], [], [])


def test_another_tensor_is_left_over_however_alike():
    assert names(pair_returned(returned(8), returned(5, 6))) == ([("0", "0")], [], ["1"])
    assert names(pair_returned(returned(8, 9), returned(5, 5, 5))) == (
        [("0", "0"), ("0", "1"), ("0", "2")],
        ["1"],
        [],
    )
