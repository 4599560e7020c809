"""Packed batches: how their elements lie, shown and taken back, and which tensors hold one."""

from __future__ import annotations

import gc
from typing import Any, NamedTuple

import numpy as np
import pytest

from padiff_rpc.tensors import HostTensor
from padiff_worker.packed_sequences import Packed, PackedSequences, Packing, with_beginnings

PADDED = np.array([[1, 2, 0], [3, 0, 0], [4, 5, 6]], np.float32)
# The longest first, as frameworks sort them; the batch has it last.
SORTED = Packing(batch_sizes=(3, 2, 1), places=(1, 2, 0))
ELEMENTS = np.array([4, 1, 3, 5, 2, 6], np.float32)


def host(array: Any) -> HostTensor:
    return HostTensor.from_array(np.asarray(array))


def test_a_batch_is_shown_in_its_own_order_with_zeros_behind_the_ends() -> None:
    assert SORTED.lengths == (2, 1, 3)
    assert SORTED.padded(host(ELEMENTS)).array.tolist() == PADDED.tolist()
    assert SORTED.spec(host(ELEMENTS).spec) == host(PADDED).spec


def test_what_lies_behind_the_ends_is_not_taken_back() -> None:
    given = np.where(PADDED == 0, np.float32(9), PADDED)
    assert SORTED.packed(host(given)).array.tolist() == ELEMENTS.tolist()


@pytest.mark.parametrize("rest", [(), (2,), (2, 3)])
def test_there_and_back_is_the_same(rest: tuple[int, ...]) -> None:
    elements = host(np.random.default_rng(0).standard_normal((6, *rest)).astype(np.float32))
    for packing in (SORTED, Packing(batch_sizes=(2, 2, 1, 1))):
        padded = packing.padded(elements)
        assert padded.spec == packing.spec(elements.spec)
        assert np.array_equal(packing.packed(padded).array, elements.array)


def test_the_beginnings_of_another_batch_take_the_place_of_the_own() -> None:
    own, other = np.full((2, 3), 7), np.arange(6).reshape(2, 3)
    made = with_beginnings(host(own), host(other), (3, 1), time_first=False)
    assert made.array.tolist() == [[0, 1, 2], [3, 7, 7]]
    turned = with_beginnings(host(own.T.copy()), host(other.T.copy()), (3, 1), time_first=True)
    assert turned.array.T.tolist() == made.array.tolist()


class Tensor:
    pass


class Batch(NamedTuple):
    elements: Any
    batch_sizes: tuple[int, ...]


def seen() -> PackedSequences:
    def packed(value: Any) -> Any:
        if not isinstance(value, Batch):
            return None
        return Packed(elements=value.elements, packing=Packing(batch_sizes=value.batch_sizes))

    def tensor_in(value: Any) -> Any:
        return value if isinstance(value, Tensor) else getattr(value, "elements", None)

    return PackedSequences(packed, tensor_in)


def test_a_tensor_is_known_as_a_packed_batch_from_where_it_is_one() -> None:
    batches, tensor = seen(), Tensor()
    assert batches.tensor_in(tensor) is tensor
    assert batches.of_tensor(tensor) is None
    assert batches.tensor_in(Batch(tensor, (2, 1))) is tensor
    assert batches.of_tensor(tensor) == Packing(batch_sizes=(2, 1))
    assert batches.tensor_in([tensor]) is None


def test_another_tensor_at_the_place_of_a_dead_one_is_no_batch() -> None:
    batches = seen()
    for _ in range(20):
        tensor = Tensor()
        assert batches.of_tensor(tensor) is None
        batches.tensor_in(Batch(tensor, (1,)))
        del tensor
        gc.collect()
