"""Facts behind what a framework says: dtypes where it speaks of those, names where the call does not fit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

import fake
import numpy as np
from fake_adapter import FakeAdapter

from padiff_worker.batches import Arguments
from padiff_worker.hints import hint


class Model(fake.Layer):
    """Takes two arguments, the second of which has a default and a type."""

    def __init__(self):
        super().__init__()
        self.fc = fake.Linear(4, 4)

    def forward(self, x, mask: int = 0):
        return self.fc(x)


INTEGERS, FLOATS = (fake.Tensor(np.ones((2, 4), dtype)) for dtype in (np.int64, np.float32))


def said(error, *args, model=None, names=("", ""), **kwargs):
    given = Arguments(
        args=args,
        kwargs=kwargs,
        target=None,
        has_target=False,
        args_name=names[0],
        kwargs_name=names[1],
    )
    return hint(FakeAdapter(), model or Model(), given, error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 must have the same dtype, but got Long and Float"),
        RuntimeError("Input type (long int) and bias type (float) should be the same"),
        NotImplementedError("\"batch_norm\" not implemented for 'Long'"),
        ValueError("(InvalidArgument) The type of data we are trying to retrieve (float32) does not match"),
        RuntimeError("(NotFound) Selected wrong DataType `int64`."),
    ],
)
def test_an_error_about_dtypes_names_those_of_the_batch_and_of_the_weights(error):
    found = said(error, x=INTEGERS, names=("inputs.table", "inputs.table"))
    assert found == "inputs.table.x.dtype is int64; the weights are float32"


def test_each_tensor_of_the_batch_is_named_by_its_place():
    error = RuntimeError("expected dtype float32")
    names = "example_inp[0].args", "example_inp[0].kwargs"
    found = said(error, INTEGERS, {"mask": FLOATS}, 3, mask=[FLOATS], names=names)
    assert found == (
        "example_inp[0].args[0].dtype is int64, example_inp[0].args[1].mask.dtype is float32, "
        "example_inp[0].kwargs.mask[0].dtype is float32; the weights are float32"
    )
    assert said(error, INTEGERS, model=fake.Layer()) == "batch[0].dtype is int64", "of a loader's"
    assert said(error, 3) == ""


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x5 and 3x4)"),
        IndexError("index out of range in self"),
        NotImplementedError("not ported yet"),
        TypeError("unsupported operand type(s) for +: 'int' and 'NoneType'"),
    ],
)
def test_an_error_about_something_else_is_left_alone(error):
    assert said(error, x=INTEGERS) == ""


@pytest.mark.parametrize("given", [{"input": FLOATS}, {}, {"x": FLOATS, "extra": 1}])
def test_a_call_that_does_not_fit_is_told_what_forward_takes(given):
    assert said(TypeError("forward() got an unexpected keyword argument"), **given) == (
        "forward takes: x, mask=0"
    )
