"""Batches off the wire to arguments of the framework."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from padiff_rpc import trees
from padiff_rpc.errors import ProtocolError
from padiff_rpc.records import Tree, record
from padiff_rpc.tensors import FLOATING, HostTensor, cast, widen, widest
from padiff_rpc.v1.records import PackedBatch, StepNoise
from padiff_rpc.v1.words import DType
from padiff_worker.adapter import FrameworkAdapter

# The keys of a batch that says of each part what it is.
SPELLED_OUT = frozenset({"args", "kwargs", "target"})


@record
class HostBatch:
    """A batch as it came: trees that point at tensors by number.

    `given` is the whole of it, in the shape in which a loader gave it (or would have).
    """

    args: Any
    kwargs: Any
    target: Any
    has_target: bool
    tensors: Mapping[int, HostTensor]
    given: Any = None
    args_name: str = ""
    kwargs_name: str = ""

    def widened(self) -> HostBatch:
        """Returns the batch with its floating and complex tensors in float64 and complex128."""
        tensors = {number: widest(tensor) for number, tensor in self.tensors.items()}
        return dataclasses.replace(self, tensors=tensors)

    def with_noise(self, noise: StepNoise) -> HostBatch:
        """Returns the batch with noise on its real values.

        Whole numbers stay: they are masks, marks and counts.
        """
        draws = np.random.default_rng(noise.draw)
        tensors = {number: _noisy(tensor, noise.relative, draws) for number, tensor in self.tensors.items()}
        return dataclasses.replace(self, tensors=tensors)


def _noisy(tensor: HostTensor, relative: float, draws: np.random.Generator) -> HostTensor:
    if tensor.dtype not in FLOATING:
        return tensor
    array = widen(tensor.array, tensor.dtype).astype(np.float64, copy=False)
    moved = array * (1.0 + relative * draws.standard_normal(array.shape))
    noisy = np.where(array == np.rint(array), array, moved)
    return cast(HostTensor(array=noisy, dtype=DType.FLOAT64), tensor.dtype)


@record
class Arguments:
    """What the model and its loss are called with; a train step is called with `given`, the whole of it.

    Attributes:
        args_name, kwargs_name: what their user calls them; "" where they are a loader's.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    target: Any
    has_target: bool
    given: Any = None
    args_name: str = ""
    kwargs_name: str = ""


def host_batch(batch: PackedBatch, tensors: Mapping[int, HostTensor]) -> HostBatch:
    """Returns `batch` unpacked, with its tensors. Raises ProtocolError for trees of the wrong kind."""
    args = _unpack(batch.args, ())
    kwargs = _unpack(batch.kwargs, {})
    if not isinstance(args, (list, tuple)) or not isinstance(kwargs, dict):
        raise ProtocolError("a batch's args must be an array and its kwargs a map")
    target, has_target = _unpack(batch.target, None), batch.target != trees.ABSENT
    return HostBatch(
        args=tuple(args),
        kwargs=kwargs,
        target=target,
        has_target=has_target,
        tensors=tensors,
        given=_as_given(tuple(args), kwargs, target, has_target),
        args_name=batch.args_name,
        kwargs_name=batch.kwargs_name,
    )


def _as_given(args: tuple[Any, ...], kwargs: dict[str, Any], target: Any, has_target: bool) -> Any:
    """Returns a batch of several parts in the shape in which a loader would give it."""
    if not kwargs:
        return (*args, target) if has_target else args
    if not args and not has_target:
        return kwargs
    return {"args": args, "kwargs": kwargs, **({"target": target} if has_target else {})}


def packed_batch(batch: HostBatch, where: str) -> PackedBatch:
    """Returns `batch` as it travels. Raises InvalidRequestError that names the leaf which cannot."""
    return PackedBatch(
        args=trees.pack(list(batch.args), where=f"{where}.args"),
        kwargs=trees.pack(batch.kwargs, where=f"{where}.kwargs"),
        target=trees.pack(batch.target, where=f"{where}.target") if batch.has_target else trees.ABSENT,
    )


def arguments(batch: HostBatch, adapter: FrameworkAdapter, device: str) -> Arguments:
    """Returns the batch as fresh tensors of the framework on `device`. The model's thread."""
    made: dict[tuple[int, bool], Any] = {}

    def tensor(leaf: Any, _: str) -> Any:
        if not isinstance(leaf, trees.TensorRef):
            return leaf
        key = (leaf.number, leaf.requires_grad)
        if key not in made:
            made[key] = adapter.from_host(
                batch.tensors[leaf.number], device=device, requires_grad=leaf.requires_grad
            )
        return made[key]

    return Arguments(
        args=trees.map_leaves(batch.args, tensor),
        kwargs=trees.map_leaves(batch.kwargs, tensor),
        target=trees.map_leaves(batch.target, tensor),
        has_target=batch.has_target,
        given=trees.map_leaves(batch.given, tensor),
        args_name=batch.args_name,
        kwargs_name=batch.kwargs_name,
    )


def _unpack(tree: Tree, absent: Any) -> Any:
    return absent if tree == trees.ABSENT else trees.unpack(tree)
