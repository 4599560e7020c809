"""Batches off the wire to arguments of the framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from padiff_rpc import trees
from padiff_rpc.errors import ProtocolError
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.types import Batch, Tree
from padiff_worker.adapter import FrameworkAdapter


@record
class HostBatch:
    """A batch as it came: trees that point at tensors by number."""

    args: Any
    kwargs: Any
    target: Any
    has_target: bool
    tensors: Mapping[int, HostTensor]


@record
class Arguments:
    """What the model and its loss are called with."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    target: Any
    has_target: bool


def host_batch(batch: Batch, tensors: Mapping[int, HostTensor]) -> HostBatch:
    """Returns `batch` unpacked, with its tensors. Raises ProtocolError for trees of the wrong kind."""
    args = _unpack(batch.args, ())
    kwargs = _unpack(batch.kwargs, {})
    if not isinstance(args, (list, tuple)) or not isinstance(kwargs, dict):
        raise ProtocolError("a batch's args must be an array and its kwargs a map")
    return HostBatch(
        args=tuple(args),
        kwargs=kwargs,
        target=_unpack(batch.target, None),
        has_target=batch.target != trees.ABSENT,
        tensors=tensors,
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
    )


def _unpack(tree: Tree, absent: Any) -> Any:
    return absent if tree == trees.ABSENT else trees.unpack(tree)
