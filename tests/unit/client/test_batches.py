"""Batches: what is accepted, what is shared, what an error names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, Input, InvalidRequestError
from padiff_client.batches import BatchPairs, PairEncoder
from padiff_rpc import trees
from padiff_rpc.v1.words import DType


def encode(candidate: Any, reference: Any, step: int = 0) -> Any:
    pairs = BatchPairs((candidate, reference))
    return PairEncoder().encode(step, pairs.pull(step))


def test_a_dict_is_a_batch_of_keyword_arguments() -> None:
    encoded = encode({"x": 1}, {"y": "two"})
    assert trees.unpack(encoded.batch.candidate.kwargs) == {"x": 1}
    assert trees.unpack(encoded.batch.reference.kwargs) == {"y": "two"}
    assert trees.unpack(encoded.batch.reference.args) == []
    assert encoded.batch.reference.target == trees.ABSENT


def test_a_tensor_on_both_sides_and_in_nested_places_travels_once() -> None:
    image = np.ones((2, 3), np.float32)
    encoded = encode(Batch(args=(image, [image, {"again": image}])), {"x": image, "copy": image.copy()})
    assert [number for number, _ in encoded.tensors] == [1, 2]
    first, nested = trees.unpack(encoded.batch.candidate.args)
    assert first.number == nested[0].number == nested[1]["again"].number == 1
    assert trees.unpack(encoded.batch.reference.kwargs)["copy"].number == 2


def test_gradients_are_wanted_per_place_and_not_per_tensor() -> None:
    image = np.ones(2, np.float32)
    encoded = encode({"x": Input(image, requires_grad=True)}, {"x": image})
    assert len(encoded.tensors) == 1
    assert trees.unpack(encoded.batch.candidate.kwargs)["x"].requires_grad
    assert not trees.unpack(encoded.batch.reference.kwargs)["x"].requires_grad


def test_nesting_and_scalars_keep_their_types() -> None:
    value = {"a": (1, [2.5, None]), "b": np.float32(0.5), "c": True, "d": b"x", "e": 1j}
    encoded = encode(Batch(kwargs=value, target=np.int64(3)), {})
    assert trees.unpack(encoded.batch.candidate.kwargs) == {**value, "b": 0.5}
    assert trees.unpack(encoded.batch.candidate.target) == 3


def test_numbers_grow_from_step_to_step() -> None:
    pairs, encoder = BatchPairs(({"x": np.ones(1)}, {"x": np.zeros(1)})), PairEncoder()
    numbers = [n for step in range(3) for n, _ in encoder.encode(step, pairs.pull(step)).tensors]
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_one_iterable_for_both_sides_is_pulled_once() -> None:
    pulled = []

    def batches() -> Any:
        for i in range(3):
            pulled.append(i)
            yield {"x": np.full(1, i)}

    both = batches()
    pairs = BatchPairs((both, both))
    pair = pairs.pull(0)
    assert pair.candidate is pair.reference
    pairs.pull(1)
    assert pulled == [0, 1]


def test_too_few_batches_name_the_side_and_how_many_there_were() -> None:
    pairs = BatchPairs(([{"x": 1}, {"x": 2}], {"x": 1}))
    pairs.pull(0)
    pairs.pull(1)
    with pytest.raises(InvalidRequestError, match=r"example_inp\[0\]: ended after 2 batches"):
        pairs.pull(2)


def test_what_an_iterable_raises_is_kept_as_the_cause() -> None:
    def broken() -> Any:
        yield {"x": 1}
        raise OSError("disk on fire")

    pairs = BatchPairs(({"x": 1}, broken()))
    pairs.pull(0)
    with pytest.raises(InvalidRequestError, match=r"example_inp\[1\]\[1\]: OSError: disk on fire") as caught:
        pairs.pull(1)
    assert isinstance(caught.value.__cause__, OSError)


def test_an_iterable_that_exits_has_not_ended_well() -> None:
    def leaving() -> Any:
        yield {"x": 1}
        raise SystemExit(0)

    pairs = BatchPairs(({"x": 1}, leaving()))
    pairs.pull(0)
    with pytest.raises(InvalidRequestError, match=r"example_inp\[1\]\[1\]: SystemExit: 0"):
        pairs.pull(1)


class Lazy(Mapping[str, Any]):
    """Makes its values when they are asked for, and keeps none."""

    def __getitem__(self, name: str) -> Any:
        return Input(np.full(4, float(name)), dtype="float32")

    def __iter__(self) -> Iterator[str]:
        return iter("123456")

    def __len__(self) -> int:
        return 6


def test_leaves_that_nobody_else_keeps_stay_apart() -> None:
    encoded = encode({"x": Lazy()}, {})
    tensors = dict(encoded.tensors)
    references = trees.unpack(encoded.batch.candidate.kwargs)["x"]
    for name, reference in references.items():
        assert tensors[reference.number].array.tolist() == [float(name)] * 4


@pytest.mark.parametrize("wrong", [{"x": 1}, None, (1,), np.ones((2, 2))])
def test_the_inputs_are_a_pair(wrong: Any) -> None:
    with pytest.raises(InvalidRequestError, match="allowed: a pair"):
        BatchPairs(wrong)


@pytest.mark.parametrize("wrong", [np.ones(2), "text", 3, Input(np.ones(1))])
def test_a_bare_array_is_told_to_become_a_batch(wrong: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"example_inp\[1\]: .*Batch\(args=\(x,\)\)"):
        BatchPairs(({"x": 1}, wrong))


def test_errors_name_the_field() -> None:
    with pytest.raises(InvalidRequestError, match=r"example_inp\[0\]\['x'\]\[1\]: a set cannot travel"):
        encode({"x": [1, {2}]}, {})
    with pytest.raises(InvalidRequestError, match=r"example_inp\[1\]\.args\[0\]: dtype <U1 cannot travel"):
        encode({}, Batch(args=(np.array("a"),)))
    with pytest.raises(InvalidRequestError, match=r"example_inp\[0\]\[0\]\.target: requires_grad needs"):
        encode([Batch(target=Input(np.ones(1, np.int64), requires_grad=True))], {})


def test_a_value_that_contains_itself_is_an_error() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidRequestError, match="nested deeper"):
        encode({"x": endless}, {})


def test_batches_check_their_parts() -> None:
    with pytest.raises(InvalidRequestError, match=r"Batch\.args: a ndarray"):
        Batch(args=np.ones(2))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match=r"Batch\.kwargs"):
        Batch(kwargs={1: 2})  # type: ignore[dict-item]


def bits_of(leaf: Any) -> Any:
    (_, tensor), *_ = encode({"x": leaf}, {}).tensors
    assert tensor.dtype is DType.BFLOAT16
    return tensor.array


def test_bfloat16_is_rounded_to_nearest_with_ties_to_even() -> None:
    bits = np.array([0x3F800000, 0x3F808000, 0x3F818000, 0x3F808001, 0x7F7FFFFF], np.uint32)
    rounded = bits_of(Input(bits.view(np.float32), dtype="bfloat16"))
    assert [hex(value) for value in rounded] == ["0x3f80", "0x3f80", "0x3f82", "0x3f81", "0x7f80"]
    special = bits_of(Input(np.array([np.nan, -np.inf, -0.0], np.float32), dtype="bfloat16"))
    assert special[0] & 0x7FFF > 0x7F80
    assert [hex(value) for value in special[1:]] == ["0xff80", "0x8000"]


def test_uint16_stands_for_the_bits_of_bfloat16() -> None:
    assert bits_of(Input(np.array([0x3F80], np.uint16), dtype="bfloat16"))[0] == 0x3F80


def test_a_scalar_bfloat16_keeps_its_shape() -> None:
    assert bits_of(Input(1.0, dtype="bfloat16")).shape == ()


def test_inputs_are_converted_to_the_dtype_they_name() -> None:
    encoded = encode({"x": Input([1, 2], dtype="float16")}, {})
    assert encoded.tensors[0][1].array.dtype == np.float16
    with pytest.raises(InvalidRequestError, match=r"Input\.dtype: 'float23' is not allowed"):
        Input(1, dtype="float23")
    with pytest.raises(InvalidRequestError, match="complex values cannot become float32"):
        encode({"x": Input(np.ones(1, np.complex64), dtype="float32")}, {})
