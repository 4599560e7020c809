"""Maps of elements: as a rule they move what they were found to move, and take little memory."""

from __future__ import annotations

import numpy as np
import pytest

from padiff_compare.weights.element_map import element_rule
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import HostTensor

A, B = (8, 6, 4), (5, 4)
MOVES = {
    "axes": lambda a, b: a.transpose(2, 0, 1),
    "flips and steps": lambda a, b: a[::-1, ::2, ::-1],
    "a window": lambda a, b: a[:, 3:5].reshape(-1, 2),
    "rows of both": lambda a, b: np.concatenate([a.reshape(-1, 4), b]),
    "columns of both": lambda a, b: np.concatenate([b, a[0, :5, :3]], axis=1),
    "rows in no order": lambda a, b: a[[2, 0, 1, 5]],
    "rows twice": lambda a, b: np.repeat(b, 2, axis=0),
    "one element": lambda a, b: a[3, 2, 1].reshape(()),
    "nothing": lambda a, b: a[:0],
}


@pytest.mark.parametrize("move", MOVES.values(), ids=list(MOVES))
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64])
def test_elements_come_from_their_places(move, dtype):
    places = np.arange(8 * 6 * 4).reshape(A), np.arange(20).reshape(B) + 192
    rng = np.random.default_rng(0)
    values = tuple(rng.integers(0, 1000, shape).astype(dtype) for shape in (A, B))
    moved = np.asarray(move(*places))
    made = element_rule("m:f", moved, moved.shape, (A, B)).apply(*map(HostTensor.from_array, values))
    wanted = np.asarray(move(*values))
    assert made.array.shape == wanted.shape
    assert made.array.tolist() == wanted.tolist()
    assert made.array.flags.c_contiguous


def test_other_shapes_are_refused():
    rule = element_rule("m:f", np.arange(6), (6,), [(2, 3)])
    with pytest.raises(InvalidRequestError, match=r"^rule m:f: takes \[2, 3\], not \[3, 2\]"):
        rule.shape((3, 2))
