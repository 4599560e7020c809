"""What a value was computed in, where casts to a wider dtype hide it."""

from __future__ import annotations

from typing import Optional

import pytest

from padiff_compare.join.precision import Precision
from padiff_rpc.v1.records import CallEvent, Slot, TensorSpec
from padiff_rpc.v1.words import CallMoment, DType

NAMES = {"f64": DType.FLOAT64, "f32": DType.FLOAT32, "f16": DType.FLOAT16, "i64": DType.INT64}


def passed(script: str) -> Precision:
    """The pass of a script: ">fc:1f32" enters fc with tensor 1, "<fc:2f32" leaves it, "" is the root."""
    precision = Precision()
    for word in script.split():
        path, _, tensors = word[1:].partition(":")
        slots = []
        for tensor in filter(None, tensors.split(",")):
            number, dtype = tensor[: -len("f32")], tensor[-len("f32") :]
            spec = TensorSpec(dtype=NAMES[dtype], shape=(2,))
            slots.append(Slot(name=number, tensor=int(number), spec=spec))
        moment = CallMoment.ENTRY if word[0] == ">" else CallMoment.EXIT
        precision.note(CallEvent(path=path, call=0, moment=moment, slots=tuple(slots)))
    return precision


@pytest.mark.parametrize(
    ("script", "tensor", "dtype"),
    [
        # Code casts what a layer made; a layer does; a cast goes into another layer.
        (">:1f32 >fc:1f32 <fc:2f32 <:3f64", 3, "f32"),
        (">:1f32 >fc:1f32 <fc:2f64 <:2f64", 2, "f64"),
        (">:1f32 >a:1f32 <a:2f32 >b:3f64 <b:4f64 <:4f64", 4, "f32"),
        (">:1f32 >block:1f32 >fc:1f32 <fc:2f16 <block:3f32 <:3f32", 3, "f16"),
        # What the model takes is exact.
        (">:1f32 >fc:2f64 <fc:3f64 <:3f64", 3, "f64"),
        (">:1i64 >embed:1i64 <embed:2f32 <:2f32", 2, "f32"),
        # A branch of its own, and a layer that raised.
        (">:1f64 >half:1f64 <half:2f16 >fc:1f64 <fc:3f64 <:3f64", 3, "f64"),
        (">:1f64 >outer:1f64 >odd:1f64 <outer:2f64 <:2f64", 2, "f64"),
        # What was computed first stands wherever a tensor shows.
        (">:1f64 >half:1f64 <half:2f16 >a:2f16 <a:3f64 <:3f64", 3, "f16"),
    ],
)
def test_a_value_is_as_exact_as_what_it_was_made_of(script: str, tensor: int, dtype: Optional[str]) -> None:
    assert passed(script).of(tensor) is NAMES[dtype or ""]


def test_a_layer_and_the_model_are_as_exact_as_what_they_made() -> None:
    precision = passed(">:1f64 >half:1f64 <half:2f16 >fc:1f64 <fc:3f64 <:3f64,2f16")
    assert precision.of_layer("fc") is DType.FLOAT64
    assert precision.of_layer("half") is DType.FLOAT16
    assert precision.of_layer("never") is None
    assert precision.returned is DType.FLOAT16


def test_what_the_model_takes_was_not_computed() -> None:
    assert passed(">:1f32 >fc:1f32 <fc:2f32 <:2f32").of(1) is None
