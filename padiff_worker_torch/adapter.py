"""Torch's answers to the verbs of `padiff_worker.adapter`, whose docstrings say what each one means."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from typing import Any, Optional

import torch
from torch.nn.utils.parametrize import is_parametrized

from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import DType, WeightKind
from padiff_worker.adapter import EntryHook, ExitHook, GradientHook, Remove
from padiff_worker.layer_tree import LayerReader, OwnTensor
from padiff_worker_torch import compiled, optimizers
from padiff_worker_torch.computed_weights import PARAMETRIZATIONS, computed, made_of
from padiff_worker_torch.float64 import in_float64
from padiff_worker_torch.function_words import WORDS
from padiff_worker_torch.functions import functions
from padiff_worker_torch.graphs import TorchGraph
from padiff_worker_torch.random_operations import random_operations
from padiff_worker_torch.runtime import TorchProcess
from padiff_worker_torch.state import STATE_FILES
from padiff_worker_torch.steps import TorchSteps
from padiff_worker_torch.tensors import TENSORS, TorchTensors, unchanged
from padiff_worker_torch.vocabulary import VOCABULARY

_CASTS = {
    DType.FLOAT16: torch.nn.Module.half,
    DType.BFLOAT16: torch.nn.Module.bfloat16,
    DType.FLOAT32: torch.nn.Module.float,
    DType.FLOAT64: torch.nn.Module.double,
}


def _own_tensors(layer: Any) -> Iterator[OwnTensor]:
    for kind, owned in ((WeightKind.PARAMETER, layer._parameters), (WeightKind.BUFFER, layer._buffers)):
        for name, tensor in owned.items():
            if tensor is not None and TENSORS.is_tensor(tensor):
                yield OwnTensor(
                    name=name,
                    kind=kind,
                    tensor=tensor,
                    trainable=kind is WeightKind.PARAMETER and tensor.requires_grad,
                    unsaved=name in layer._non_persistent_buffers_set,
                )
    for name, tensor, unsaved in made_of(layer):
        is_parameter = isinstance(tensor, torch.nn.Parameter)
        yield OwnTensor(
            name=name,
            kind=WeightKind.PARAMETER if is_parameter else WeightKind.BUFFER,
            tensor=tensor,
            trainable=is_parameter and tensor.requires_grad,
            unsaved=unsaved,
        )
    # As a list: its context must not stay open while others work.
    for name, tensor in list(computed(layer)):
        yield OwnTensor(name=name, kind=WeightKind.BUFFER, tensor=tensor, unsaved=True, computed=True)


def _children(layer: Any) -> Mapping[str, Any]:
    """Returns the layer's children, without those that only make its weights."""
    if not is_parametrized(layer):
        return layer._modules  # type: ignore[no-any-return]
    return {name: child for name, child in layer._modules.items() if name != PARAMETRIZATIONS}


def _attributes(layer: Any) -> Mapping[str, Any]:
    return {
        name: value for name, value in vars(layer).items() if not name.startswith("_") and name != "training"
    }


_READER = LayerReader(
    base=torch.nn.Module,
    all_layers=torch.nn.Module.modules,
    children=_children,
    own_tensors=_own_tensors,
    attributes=_attributes,
    bookkeeping=frozenset(vars(torch.nn.Module())),
    stores=("_parameters", "_buffers", "_non_persistent_buffers_set", "_modules"),
    is_opaque=compiled.is_opaque,
    class_of=compiled.class_of,
)


class TorchAdapter(TorchTensors, TorchProcess, TorchGraph, TorchSteps):
    """The Torch side of the worker."""

    vocabulary = VOCABULARY
    function_words = WORDS
    reader = _READER
    state_files = STATE_FILES
    optimizer_reader = optimizers.READER
    backward_entry = (torch.autograd, "backward")
    # Not torch itself: a user's line may lie in a model that comes with a framework.
    library_folders = tuple(
        os.path.join(os.path.dirname(torch.__file__), part)
        for part in ("nn", "utils", "autograd", "_dynamo", "fx", "_tensor.py", "overrides.py")
    )

    random_operations = staticmethod(random_operations)
    functions = staticmethod(functions)
    in_float64 = staticmethod(in_float64)

    # Models

    def prepare(self, model: Any, *, device: str, dtype: Optional[DType], train: bool) -> None:
        model.to(device)
        if dtype is not None:
            _CASTS[dtype](model)
        compiled.set_mode(model, train)

    def empty_weights(self, model: Any) -> list[str]:
        named = itertools.chain(model.named_parameters(), model.named_buffers())
        return [name for name, tensor in named if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta]

    def gradient(self, weight: Any) -> Optional[Any]:
        # An Embedding's may be sparse.
        is_sparse = weight.grad is not None and weight.grad.layout is not torch.strided
        return weight.grad.to_dense() if is_sparse else weight.grad

    def replace_gradient(self, weight: Any, value: HostTensor) -> None:
        own = weight.grad
        self.write_gradient(weight, value)
        if own.layout is not torch.strided:
            weight.grad = weight.grad.sparse_mask(own.coalesce())

    def clear_gradients(self, model: Any) -> None:
        model.zero_grad(set_to_none=True)

    # Running

    def watch(self, layer: Any, entry: EntryHook, exit: ExitHook) -> Remove:
        def before(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Optional[tuple[Any, Any]]:
            return entry(args, kwargs)

        def after(_: Any, args: tuple[Any, ...], output: Any) -> Optional[Any]:
            return exit(output)

        # A scripted module has hooks too, but forbids to register them.
        handles = (
            torch.nn.Module.register_forward_pre_hook(layer, before, with_kwargs=True),
            torch.nn.Module.register_forward_hook(layer, after),
        )

        def remove() -> None:
            for handle in handles:
                handle.remove()

        return remove

    def watch_gradient(self, tensor: Any, hook: GradientHook) -> Remove:
        """Sees the gradient even where Torch hands out none: that of an unused part of a split is zero.

        A view that is changed in place afterwards, itself or by its base, gets no call. Torch then takes what
        the later takers send back past it, to its base, and the hook would hear of the earlier ones alone.
        """
        shape, dtype, device = tensor.shape, tensor.dtype, tensor.device
        is_whole = unchanged(tensor) if tensor._is_view() else lambda: True

        def total(gradient: Optional[Any]) -> Optional[Any]:
            if not is_whole():
                return None
            if gradient is not None:
                return hook(gradient)
            # Torch lets nothing take the place of none.
            hook(torch.zeros(shape, dtype=dtype, device=device))
            return None

        handle = tensor.register_hook(total)
        return lambda: handle.remove()
