"""Batches of sequences that a framework keeps packed, shown as others keep them: one tensor and lengths."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import TensorSpec

Places = npt.NDArray[np.int64]


@record
class Packing:
    """How the elements of a packed batch lie: the first of all sequences, the second of all, and so on.

    Attributes:
        batch_sizes: how many sequences have a first element, a second one, and so on.
        places: of each item of the batch its place among the packed sequences; None: they lie in its order.
    """

    batch_sizes: tuple[int, ...]
    places: Optional[tuple[int, ...]] = None

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """The sequences' lengths, in the batch's order."""
        sizes = np.asarray(self.batch_sizes)
        return tuple(int((sizes > place).sum()) for place in self._order)

    def spec(self, packed: TensorSpec) -> TensorSpec:
        """Returns dtype and shape of the batch, [items, steps, ...], from those of its packed elements."""
        shape = (len(self._order), len(self.batch_sizes), *packed.shape[1:])
        return TensorSpec(dtype=packed.dtype, shape=shape)

    def padded(self, packed: HostTensor) -> HostTensor:
        """Returns the batch with zeros behind each sequence, from its packed elements."""
        shape = self.spec(packed.spec).shape
        flat = np.zeros((shape[0] * shape[1], *shape[2:]), packed.array.dtype)
        flat[self._flat_places] = packed.array
        return HostTensor(array=flat.reshape(shape), dtype=packed.dtype)

    def packed(self, padded: HostTensor) -> HostTensor:
        """Returns the packed elements of a batch, without what lies behind a sequence."""
        rows = padded.array.reshape(-1, *padded.array.shape[2:])
        return HostTensor(array=rows[self._flat_places], dtype=padded.dtype)

    @cached_property
    def _order(self) -> tuple[int, ...]:
        return tuple(range(self.batch_sizes[0])) if self.places is None else self.places

    @cached_property
    def _flat_places(self) -> Places:
        """Where in the batch, its items and steps in one row, each packed element lies."""
        items = np.argsort(self._order)
        steps = len(self.batch_sizes)
        return np.concatenate([items[:size] * steps + step for step, size in enumerate(self.batch_sizes)])


@record
class Packed:
    """A packed batch: the tensor of its elements, and how they lie."""

    elements: Any
    packing: Packing


class PackedSequences:
    """The packed batches among the tensors of one step. Not thread-safe."""

    def __init__(self, packed: Callable[[Any], Optional[Packed]], tensor_in: Callable[[Any], Any]) -> None:
        """Both are the adapter's verbs."""
        self._packed = packed
        self._tensor_in = tensor_in
        # By the identity of what holds elements, as long as it lives.
        self._seen: dict[int, tuple[weakref.ref[Any], Packing]] = {}
        self._by_number: dict[int, Packing] = {}

    def tensor_in(self, value: Any) -> Optional[Any]:
        """Returns what the adapter's verb of this name does, and notes how a packed batch lies."""
        tensor = self._tensor_in(value)
        if tensor is not None and tensor is not value:
            packed = self._packed(value)
            assert packed is not None
            self._seen[id(tensor)] = (weakref.ref(tensor), packed.packing)
        return tensor

    def of_tensor(self, tensor: Any) -> Optional[Packing]:
        """Returns how a tensor's elements lie, where it was seen in a packed batch."""
        alive, packing = self._seen.get(id(tensor), (None, None))
        return packing if alive is not None and alive() is tensor else None

    def of(self, number: int) -> Optional[Packing]:
        """Returns how the elements of the tensor of that number lie, where they are packed."""
        return self._by_number.get(number)

    def note(self, number: int, packing: Packing) -> None:
        """From now on the tensor of that number is shown as that batch."""
        self._by_number[number] = packing


def with_beginnings(
    own: HostTensor, other: HostTensor, lengths: Sequence[int], *, time_first: bool
) -> HostTensor:
    """Returns `own` with the beginning of each sequence, `lengths` of the batch's items, from `other`.

    Both are [items, steps, ...], or [steps, items, ...] where `time_first`, and have one shape.
    """
    order = (1, 0) if time_first else (0, 1)
    items, steps = (own.array.shape[axis] for axis in order)
    begins = np.zeros((items, steps), bool)
    for item, length in enumerate(lengths[:items]):
        begins[item, :length] = True
    made = own.array.copy()
    made[begins.transpose(order)] = other.array[begins.transpose(order)]
    return HostTensor(array=made, dtype=own.dtype)
