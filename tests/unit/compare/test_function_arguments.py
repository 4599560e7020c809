"""Arguments of two calls that differ, beside a finding."""

from __future__ import annotations

from typing import Any

import pytest

from padiff_compare.functions.arguments import Called, differing_arguments
from padiff_rpc import trees
from padiff_rpc.v1.records import FunctionArgument, FunctionCall, FunctionTensor, FunctionTrace, TensorSpec
from padiff_rpc.v1.words import DType, TensorKind


def called(shape: tuple[int, ...] = (2, 3, 4, 5), **arguments: Any) -> Called:
    spec = TensorSpec(dtype=DType.FLOAT32, shape=shape)
    call = FunctionCall(
        number=1,
        operation="softmax",
        function="softmax",
        arguments=tuple(
            FunctionArgument(text=str(value), name=name, value=trees.pack(value))
            for name, value in arguments.items()
        ),
        inputs=(7,),
        layer_path="",
        layer_call=0,
        group=0,
    )
    tensor = FunctionTensor(number=7, kind=TensorKind.FLOAT, spec=spec)
    return Called(call, FunctionTrace(path="", call=0, calls=(call,), tensors=(tensor,)))


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        ({"axis": -1}, {"axis": 3}),
        ({"axis": [-2, -1]}, {"axis": [2, 3]}),
        ({"epsilon": 1e-5}, {"epsilon": 9.999999747378752e-06}),
        ({"keepdim": True}, {"keepdim": True}),
    ],
)
def test_the_same_in_other_words_is_no_difference(
    reference: dict[str, Any], candidate: dict[str, Any]
) -> None:
    assert differing_arguments(called(**reference), called(**candidate)) == ()


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        ({"axis": -1}, {"axis": 2}),
        ({"axis": [-2, -1]}, {"axis": [3, 2]}),
        ({"axis": -1}, {"axis": 9}),
        ({"epsilon": -1}, {"epsilon": 3}),
        ({"axis": -1}, {}),
    ],
)
def test_what_differs_is_named_as_each_side_wrote_it(
    reference: dict[str, Any], candidate: dict[str, Any]
) -> None:
    [found] = differing_arguments(called(**reference), called(**candidate))
    [name] = reference
    assert (found.name, found.reference, found.candidate) == (
        name,
        str(reference[name]),
        str(candidate.get(name, "")),
    )


def test_axes_are_counted_in_each_sides_own_tensor() -> None:
    assert differing_arguments(called((2, 3), axis=-1), called((2, 3, 4), axis=1)) == ()
    assert len(differing_arguments(called((2, 3), axis=-2), called((2, 3, 4), axis=-3))) == 0
    assert len(differing_arguments(called((2, 3), axis=-2), called((2, 3, 4), axis=-1))) == 1
