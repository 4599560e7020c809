"""Paddle's graph of operations: what takes a tensor, and the layers that no backward can go through."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Optional

from paddle.nn.layer.rnn import RNNBase

from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.graph_walk import walk_graph
from padiff_worker_paddle import compiled

# Their backward looks for the result among what it is of; others keep its index.
_EXTREMA = frozenset({"Max", "Min", "Amax", "Amin", "Median", "Nanmedian", "PNorm", "SegmentPool"})
_VIEWS = frozenset(
    (
        *("Reshape", "Reshape2", "Squeeze", "Squeeze2", "Unsqueeze", "Unsqueeze2", "Flatten", "Expand"),
        *("Transpose", "Transpose2", "Slice", "StridedSlice", "Split", "SplitWithNum", "Unbind", "ViewShape"),
    )
)


@dataclass(frozen=True)
class _Place:
    """A node by its address, which is its own while it lives; Paddle does not tell a node's outputs apart."""

    address: int
    node: Any = field(compare=False)


_give_back = ctypes.pythonapi.Py_DecRef
_give_back.argtypes, _give_back.restype = (ctypes.py_object,), None


def node_of(tensor: Any) -> Optional[Any]:
    """Returns the node of the graph at a tensor; None where it has none.

    Paddle counts one reference more than it hands out (3.3 does). With it the node, all before it and the
    tensors that they keep for backward, a pass's activations, would stay for as long as the process.
    """
    node = None if tensor.stop_gradient else tensor.grad_fn
    if node is None:
        return None
    held = sys.getrefcount(node)
    again = tensor.grad_fn  # the same object, held by this name
    if again is node and sys.getrefcount(node) == held + 2:
        _give_back(node)
        _give_back(node)
    return node


class PaddleGraph(FrameworkAdapter):
    """Paddle's answers to the verbs of the graph."""

    def graph_place(self, tensor: Any) -> Optional[Hashable]:
        node = node_of(tensor)
        return None if node is None else _Place(node.node_ptr(), node)

    def graph_edges(self, outputs: Iterable[Any]) -> Iterator[Hashable]:
        starts = (node_of(one) for one in outputs)
        for node in walk_graph([one for one in starts if one is not None], _inputs, _address):
            yield from (_Place(below.node_ptr(), below) for below in _inputs(node))

    def is_extremum(self, tensor: Any) -> bool:
        node = node_of(tensor)
        while node is not None and _word(node) in _VIEWS:
            node = next(iter(_inputs(node)), None)
        return node is not None and _word(node) in _EXTREMA

    def layers_without_backward(self, model: Any, loss: Any) -> tuple[str, ...]:
        return (*_recurrent(model, loss), *_compiled(model, loss))


def _compiled(model: Any, loss: Any) -> tuple[str, ...]:
    """Returns compiled programs in eval mode, whose results are leaves that claim to have a gradient."""
    programs = {
        path: _accumulators(layer)
        for path, layer in model.named_sublayers(include_self=True)
        if compiled.is_opaque(layer) and not layer.training
    }
    if not any(programs.values()):
        return ()
    leaves = {
        node.node_ptr()
        for node in walk_graph([node_of(loss)], _inputs, _address)
        if node.name() == "GradNodeAccumulation"
    }
    has_others = bool(leaves - _accumulators(model))
    return tuple(path for path, own in programs.items() if own and has_others and not own & leaves)


def _recurrent(model: Any, loss: Any) -> tuple[str, ...]:
    """LSTM, GRU and SimpleRNN: the `rnn` kernels keep what their backward needs in train mode alone."""
    recurrent = {
        path: layer for path, layer in model.named_sublayers(include_self=True) if isinstance(layer, RNNBase)
    }
    lacking = {path: _accumulators(layer) for path, layer in recurrent.items() if not layer.training}
    if not lacking:
        return ()
    trained = set[int]().union(*(_accumulators(layer) for layer in recurrent.values() if layer.training))
    found: dict[str, None] = {}
    for node in walk_graph([node_of(loss)], _inputs, _address):
        reached = {below.node_ptr() for below in _inputs(node)}
        if node.name() == "RnnGradNode" and not reached & trained:
            # One whose weights are all frozen shows none of them.
            found.update(dict.fromkeys(path for path, own in lacking.items() if reached & own or not own))
    return tuple(found)


def _accumulators(layer: Any) -> set[int]:
    """Returns the addresses of the nodes where the gradients of a layer's weights arrive."""
    nodes = map(node_of, layer.parameters())
    return {_address(node) for node in nodes if node is not None}


def _word(node: Any) -> str:
    return str(node.name()).partition("GradNode")[0]


def _address(node: Any) -> int:
    return int(node.node_ptr())


def _inputs(node: Any) -> Iterator[Any]:
    return (below for below in node.next_functions if below is not None)
