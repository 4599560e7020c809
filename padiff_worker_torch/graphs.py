"""Torch's graph of operations: what takes a tensor, and the layers that no backward can go through."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Optional

from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.graph_walk import walk_graph

# On a GPU a recurrent layer keeps what its backward needs in train mode alone.
_KEEP_NOTHING_IN_EVAL_MODE = frozenset({"CudnnRnnBackward0", "MiopenRnnBackward0"})

# Their backward looks for the result among what it is of; others keep its index.
_EXTREMA = frozenset(
    (
        *("AmaxBackward0", "AminBackward0", "MaxBackward1", "MinBackward1", "AminmaxBackward0"),
        *("MedianBackward0", "NanmedianBackward0", "ScatterReduceBackward0", "IndexReduceBackward0"),
        "LinalgVectorNormBackward0",
    )
)
_VIEWS = frozenset(
    (
        *("Unsqueeze", "Squeeze", "View", "UnsafeView", "ReshapeAlias", "Alias", "Transpose", "Permute", "T"),
        *("Expand", "Select", "Slice", "Split", "Unbind", "AsStrided"),
    )
)


class TorchGraph(FrameworkAdapter):
    """Torch's answers to the verbs of the graph."""

    def graph_place(self, tensor: Any) -> Optional[Hashable]:
        return None if tensor.grad_fn is None else (tensor.grad_fn, tensor.output_nr)

    def graph_edges(self, outputs: Iterable[Any]) -> Iterator[Hashable]:
        for node in walk_graph([one.grad_fn for one in outputs if one.grad_fn is not None], _inputs):
            yield from (edge for edge in node.next_functions if edge[0] is not None)

    def is_extremum(self, tensor: Any) -> bool:
        node = tensor.grad_fn
        while node is not None and _word(node) in _VIEWS:
            node = next(_inputs(node), None)
        return node is not None and type(node).__name__ in _EXTREMA

    def layers_without_backward(self, model: Any, loss: Any) -> tuple[str, ...]:
        lacking = [node for node in walk_graph([loss.grad_fn], _inputs) if _lacks_backward(node)]
        if not lacking:
            return ()
        owners = {
            id(parameter): path
            for path, layer in model.named_modules()
            for parameter in layer.parameters(recurse=False)
        }
        reached = {id(getattr(leaf, "variable", None)) for node in lacking for leaf in _inputs(node)}
        return tuple(dict.fromkeys(path for one, path in owners.items() if one in reached)) or ("",)


def _word(node: Any) -> str:
    return str(type(node).__name__).partition("Backward")[0]


def _lacks_backward(node: Any) -> bool:
    return type(node).__name__ in _KEEP_NOTHING_IN_EVAL_MODE and not node._saved_train


def _inputs(node: Any) -> Iterator[Any]:
    # A loss that is itself a leaf has no node.
    return (below for below, _ in node.next_functions if below is not None) if node is not None else iter(())
