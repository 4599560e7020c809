"""Spreads: what shapes allow, how values and gradients meet, and what no spread is."""

from __future__ import annotations

import numpy as np
import pytest

from padiff_compare.alignment.slots import Meeting
from padiff_compare.alignment.spreads import Spread, spreads
from padiff_rpc.tensors import HostTensor, cast, widen
from padiff_rpc.v1.records import Reason
from padiff_rpc.v1.words import Cause, DType, Side

REFERENCE, CANDIDATE = Side.REFERENCE, Side.CANDIDATE
rng = np.random.default_rng(0)


def tensor(array: np.ndarray) -> HostTensor:
    return HostTensor.from_array(array)


def met(meeting: Meeting, *tensors: HostTensor) -> tuple[HostTensor, HostTensor]:
    return meeting.reference.apply(tensors[0]), meeting.candidate.apply(tensors[1])


# Once, repeated, and along which axes.
CASES = {
    "positions": ((1, 5), (3, 5), (0,)),
    "no batch axis": ((5, 4), (3, 5, 4), (0,)),
    "mask": ((3, 1, 1, 5), (3, 1, 5, 5), (2,)),
    "mask of tokens": ((3, 5), (3, 2, 5, 5), (1, 2)),
    "batch and heads": ((1, 1, 5, 5), (3, 2, 5, 5), (0, 1)),
    "square": ((5,), (5, 5), (0,)),
    "one number": ((), (2, 3), (0, 1)),
}


@pytest.mark.parametrize("side", [REFERENCE, CANDIDATE])
@pytest.mark.parametrize("case", CASES)
def test_values_meet_in_the_repeated_shape_and_gradients_in_the_other(case: str, side: Side) -> None:
    once_shape, shape, axes = CASES[case]
    aligned = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    once = rng.standard_normal(once_shape).astype(np.float32)
    repeated = np.array(np.broadcast_to(once.reshape(aligned), shape))
    pair = (tensor(once), tensor(repeated))[:: 1 if side is CANDIDATE else -1]
    found = list(spreads(pair[0].spec.shape, pair[1].spec.shape))
    spread = Spread(side=side, axes=axes)
    assert spread in found
    ours, theirs = met(spread.values(pair[0].spec, pair[1].spec), *pair)
    assert ours.spec.shape == theirs.spec.shape == shape
    assert np.array_equal(ours.array, theirs.array)

    gradient = rng.standard_normal(shape).astype(np.float32)
    total = gradient.sum(axes, dtype=np.float64).astype(np.float32).reshape(once_shape)
    gradients = (tensor(total), tensor(gradient))[:: 1 if side is CANDIDATE else -1]
    ours, theirs = met(spread.gradients(pair[0].spec, pair[1].spec), *gradients)
    assert ours.spec == theirs.spec
    assert ours.spec.shape == once_shape
    np.testing.assert_allclose(ours.array, theirs.array, rtol=1e-5, atol=1e-6)


def test_a_spread_is_of_values_in_their_order_alone() -> None:
    assert list(spreads((3, 5), (3, 5))) == []
    assert list(spreads((3, 5), (15,))) == []
    assert list(spreads((5, 3), (2, 3, 5))) == []
    assert list(spreads((2, 5), (4, 5))) == []
    assert list(spreads((0, 5), (3, 5))) == []
    assert {one.axes for one in spreads((5,), (5, 5))} == {(0,), (1,)}


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64, DType.COMPLEX64])
def test_gradients_are_summed_in_their_own_dtype(dtype: DType) -> None:
    gradient = cast(tensor(rng.standard_normal((3, 4))), dtype)
    once = HostTensor(array=gradient.array[:1], dtype=dtype)
    _, summed = met(Spread(side=CANDIDATE, axes=(0,)).gradients(once.spec, gradient.spec), once, gradient)
    assert summed.spec == once.spec
    exact = widen(gradient.array, dtype).sum(0, keepdims=True)
    np.testing.assert_allclose(widen(summed.array, dtype), exact, rtol=2e-2)


def test_batches_of_other_sizes_keep_a_spread() -> None:
    spread = Spread(side=CANDIDATE, axes=(0,))
    once = tensor(rng.standard_normal((1, 2)))
    for rows in (1, 2, 7):
        repeated = tensor(np.repeat(once.array, rows, axis=0))
        ours, theirs = met(spread.values(once.spec, repeated.spec), once, repeated)
        assert np.array_equal(ours.array, theirs.array)


def test_what_does_not_fit_is_no_spread() -> None:
    spread = Spread(side=CANDIDATE, axes=(0,))
    rule = spread.values(tensor(np.zeros((1, 2))).spec, tensor(np.zeros((3, 2))).spec).reference
    assert rule.shape_or_none((1, 2)) == (3, 2)
    assert rule.shape_or_none((2, 2)) is None
    assert str(rule.told) == "repeat(3, 2)"
    assert spread.reasons((1, 2), (3, 2)) == (Reason(cause=Cause.REPEATED, side=CANDIDATE, numbers=(0.0,)),)
