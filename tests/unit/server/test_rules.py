from __future__ import annotations

import numpy as np
import pytest

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.words import DType
from padiff_server.weights.rules import (
    IDENTITY,
    STACK,
    TRANSPOSE,
    apply_rule,
    chain,
    part_in,
    part_of,
    reshape_to,
    shape_under,
    steps_of,
)


def matrix():
    return HostTensor.from_array(np.arange(6, dtype=np.float32).reshape(2, 3))


def test_identity_is_the_very_tensor():
    value = matrix()
    assert apply_rule(IDENTITY, value) is value


def test_transpose_is_contiguous_and_its_own_inverse():
    value = matrix()
    turned = apply_rule(TRANSPOSE, value)
    assert turned.array.tolist() == value.array.T.tolist()
    assert turned.array.flags.c_contiguous
    assert apply_rule(TRANSPOSE, turned).array.tolist() == value.array.tolist()


def test_reshape_keeps_the_order_and_goes_back_under_the_opposite_name():
    value = matrix()
    flat = apply_rule(reshape_to((6,)), value)
    assert flat.array.tolist() == [0, 1, 2, 3, 4, 5]
    assert apply_rule(reshape_to((2, 3)), flat).array.tolist() == value.array.tolist()


@pytest.mark.parametrize("rule", [IDENTITY, TRANSPOSE, reshape_to((6,)), reshape_to((3, 1, 2))])
def test_the_announced_shape_is_the_one_that_comes_out(rule):
    value = matrix()
    assert shape_under(rule, value.array.shape) == apply_rule(rule, value).array.shape


def test_a_rule_names_the_part_that_it_takes():
    assert part_in(chain(TRANSPOSE, part_of(2, 3), TRANSPOSE)) == (2, 3)
    assert part_in(chain(TRANSPOSE, STACK)) is None


def test_bfloat16_bits_are_moved_not_read():
    value = HostTensor.from_array(np.array([[1, 2], [3, 4]], np.uint16), DType.BFLOAT16)
    turned = apply_rule(TRANSPOSE, value)
    assert (turned.dtype, turned.array.tolist()) == (DType.BFLOAT16, [[1, 3], [2, 4]])


@pytest.mark.parametrize("rule", [TRANSPOSE, reshape_to((7,))])
def test_a_shape_that_does_not_fit_is_refused(rule):
    with pytest.raises(InvalidRequestError, match=r"^rule (transpose|reshape\(7\)): .*\[2, 3, 1\]"):
        shape_under(rule, (2, 3, 1))


@pytest.mark.parametrize(
    "name", ["transposed", "reshape(2, -1)", "reshape(a)", "", "part(3 of 2)", "transpose then"]
)
def test_an_unknown_rule_lists_the_known_ones(name):
    with pytest.raises(InvalidRequestError, match="allowed: identity, transpose, stack, reshape"):
        steps_of(name)


def test_parts_come_from_the_first_axis_and_stacking_undoes_them():
    packed = HostTensor.from_array(np.arange(12, dtype=np.float32).reshape(6, 2))
    parts = [apply_rule(chain(part_of(index, 3), TRANSPOSE), packed) for index in range(3)]
    assert parts[1].array.tolist() == [[4, 6], [5, 7]]
    back = apply_rule(chain(TRANSPOSE, STACK), *parts)
    assert back.array.tolist() == packed.array.tolist()
    assert shape_under(chain(TRANSPOSE, STACK), *(part.array.shape for part in parts)) == packed.array.shape


def test_a_chain_leaves_identities_out():
    assert chain(IDENTITY, TRANSPOSE, IDENTITY) == TRANSPOSE
    assert chain(IDENTITY) == IDENTITY


@pytest.mark.parametrize(
    ("rule", "shapes", "message"),
    [
        ("part(1 of 4)", [(6, 2)], "no 4 equal parts"),
        ("stack", [(2, 3), (2, 4)], r"cannot join the shapes \[2, 3\], \[2, 4\]"),
        ("stack", [()], "cannot join"),
        ("identity", [(2,), (2,)], "makes 2 weights of 2, not one"),
    ],
)
def test_shapes_that_do_not_fit_together_are_refused(rule, shapes, message):
    with pytest.raises(InvalidRequestError, match=message):
        shape_under(rule, *shapes)


def test_several_values_share_a_dtype():
    whole = HostTensor.from_array(np.zeros(2, np.float32))
    half = HostTensor.from_array(np.zeros(2, np.float16))
    with pytest.raises(InvalidRequestError, match=r"one dtype, not \['float16', 'float32'\]"):
        apply_rule(STACK, whole, half)
