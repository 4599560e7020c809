from __future__ import annotations

import numpy as np
import pytest

from padiff_compare.layout_rules import (
    AS_COMPLEX,
    AS_REAL,
    IDENTITY,
    STACK,
    TRANSPOSE,
    axes,
    chain,
    part_of,
    reshape_to,
)
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import DType


def matrix():
    return HostTensor.from_array(np.arange(6, dtype=np.float32).reshape(2, 3))


def test_identity_is_the_very_tensor():
    value = matrix()
    assert IDENTITY.apply(value) is value


def test_transpose_is_contiguous_and_its_own_inverse():
    value = matrix()
    turned = TRANSPOSE.apply(value)
    assert turned.array.tolist() == value.array.T.tolist()
    assert turned.array.flags.c_contiguous
    assert TRANSPOSE.apply(turned).array.tolist() == value.array.tolist()


def test_reshape_keeps_the_order_and_goes_back_under_the_opposite_name():
    value = matrix()
    flat = reshape_to((6,)).apply(value)
    assert flat.array.tolist() == [0, 1, 2, 3, 4, 5]
    assert reshape_to((2, 3)).apply(flat).array.tolist() == value.array.tolist()


@pytest.mark.parametrize("rule", [IDENTITY, TRANSPOSE, reshape_to((6,)), reshape_to((3, 1, 2))])
def test_the_announced_shape_is_the_one_that_comes_out(rule):
    value = matrix()
    assert rule.shape(value.array.shape) == rule.apply(value).array.shape


def test_a_rule_names_the_part_that_it_takes():
    assert chain(TRANSPOSE, part_of(2, 3), TRANSPOSE).part == (2, 3)
    assert chain(TRANSPOSE, STACK).part is None


@pytest.mark.parametrize(
    ("whole", "real"), [(DType.COMPLEX64, DType.FLOAT32), (DType.COMPLEX128, DType.FLOAT64)]
)
def test_complex_numbers_have_their_parts_in_a_last_axis_and_back(whole, real):
    value = HostTensor.from_array(np.array([[1 + 2j, 3 - 4j]], whole.value))
    parts = AS_REAL.apply(value)
    assert (parts.dtype, AS_REAL.dtype(whole)) == (real, real)
    assert parts.array.tolist() == [[[1.0, 2.0], [3.0, -4.0]]]
    back = AS_COMPLEX.apply(parts)
    assert (back.dtype, AS_COMPLEX.dtype(real)) == (whole, whole)
    assert back.array.tolist() == value.array.tolist()
    # Laid out anew before, the parts lie next to each other no more.
    turned = chain(axes((1, 0, 2)), AS_COMPLEX)
    assert turned.apply(parts).array.tolist() == value.array.T.tolist()
    assert turned.shape((1, 2, 2)) == (2, 1)
    assert IDENTITY.dtype(whole) is whole


def test_what_has_no_two_parts_is_not_complex():
    with pytest.raises(InvalidRequestError, match="rule as complex"):
        AS_COMPLEX.apply(matrix())


def test_bfloat16_bits_are_moved_not_read():
    value = HostTensor.from_array(np.array([[1, 2], [3, 4]], np.uint16), DType.BFLOAT16)
    turned = TRANSPOSE.apply(value)
    assert (turned.dtype, turned.array.tolist()) == (DType.BFLOAT16, [[1, 3], [2, 4]])


@pytest.mark.parametrize("rule", [TRANSPOSE, reshape_to((7,))])
def test_a_shape_that_does_not_fit_is_refused(rule):
    with pytest.raises(InvalidRequestError, match=r"^rule (transpose|reshape\(7\)): .*\[2, 3, 1\]"):
        rule.shape((2, 3, 1))


@pytest.mark.parametrize("order", [(0, 2, 1), (2, 0, 1)])
def test_axes_come_in_the_order_of_the_references(order):
    value = HostTensor.from_array(np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    assert axes(order).apply(value).array.tolist() == value.array.transpose(order).tolist()
    assert axes(order).shape((2, 3, 4)) == value.array.transpose(order).shape
    with pytest.raises(InvalidRequestError, match=r"^rule axes\(.*\): the shape \[2, 3\] has no 3 axes"):
        axes(order).shape((2, 3))


def test_axes_in_their_order_are_no_step_of_their_own():
    assert axes((0, 1, 2)) == IDENTITY
    assert axes((1, 0)) == TRANSPOSE


def test_parts_come_from_the_first_axis_and_stacking_undoes_them():
    packed = HostTensor.from_array(np.arange(12, dtype=np.float32).reshape(6, 2))
    parts = [chain(part_of(index, 3), TRANSPOSE).apply(packed) for index in range(3)]
    assert parts[1].array.tolist() == [[4, 6], [5, 7]]
    back = chain(TRANSPOSE, STACK).apply(*parts)
    assert back.array.tolist() == packed.array.tolist()
    assert chain(TRANSPOSE, STACK).shape(*(part.array.shape for part in parts)) == packed.array.shape


def test_a_chain_leaves_identities_out():
    assert chain(IDENTITY, TRANSPOSE, IDENTITY) == TRANSPOSE
    assert chain(IDENTITY) == IDENTITY


@pytest.mark.parametrize(
    ("rule", "shapes", "message"),
    [
        (part_of(0, 4), [(6, 2)], "no 4 equal parts"),
        (STACK, [(2, 3), (2, 4)], r"cannot join the shapes \[2, 3\], \[2, 4\]"),
        (STACK, [()], "cannot join"),
        (IDENTITY, [(2,), (2,)], "makes 2 weights of 2, not one"),
    ],
)
def test_shapes_that_do_not_fit_together_are_refused(rule, shapes, message):
    with pytest.raises(InvalidRequestError, match=message):
        rule.shape(*shapes)


def test_several_values_share_a_dtype():
    whole = HostTensor.from_array(np.zeros(2, np.float32))
    half = HostTensor.from_array(np.zeros(2, np.float16))
    with pytest.raises(InvalidRequestError, match=r"one dtype, not \['float16', 'float32'\]"):
        STACK.apply(whole, half)
