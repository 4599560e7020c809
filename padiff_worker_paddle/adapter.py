"""Paddle's answers to the verbs of `padiff_worker.adapter`, whose docstrings say what each one means."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Optional

import paddle
from paddle.nn.utils.spectral_norm_hook import SpectralNorm
from paddle.nn.utils.weight_norm_hook import WeightNorm

from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import DType, WeightKind
from padiff_worker.adapter import GradientHook, Remove
from padiff_worker.layer_tree import LayerReader, OwnTensor
from padiff_worker_paddle import compiled, optimizers, watching
from padiff_worker_paddle.float64 import in_float64
from padiff_worker_paddle.function_words import WORDS
from padiff_worker_paddle.functions import functions
from padiff_worker_paddle.graphs import PaddleGraph, node_of
from padiff_worker_paddle.random_operations import random_operations
from padiff_worker_paddle.runtime import PaddleProcess
from padiff_worker_paddle.state import STATE_FILES
from padiff_worker_paddle.steps import PaddleSteps
from padiff_worker_paddle.tensors import TENSORS, PaddleTensors, dense_gradient, has_memory
from padiff_worker_paddle.vocabulary import VOCABULARY

# Running statistics, which Paddle keeps among the parameters of its batch norms.
_STATISTICS = {"_mean", "_variance"}


def _registered(layer: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return layer._parameters, layer._buffers


def _own_tensors(layer: Any) -> Iterator[OwnTensor]:
    computed = dict(_computed(layer))
    named = compiled.program_weights if compiled.is_program(layer) else _registered
    for kind, owned in zip((WeightKind.PARAMETER, WeightKind.BUFFER), named(layer)):
        for name, tensor in owned.items():
            tensor = computed.get(name, tensor)
            if tensor is not None and TENSORS.is_tensor(tensor):
                is_statistic = name in _STATISTICS and tensor.stop_gradient
                yield OwnTensor(
                    name=name,
                    kind=WeightKind.BUFFER if is_statistic else kind,
                    tensor=tensor,
                    trainable=kind is WeightKind.PARAMETER and not tensor.stop_gradient,
                    unsaved=name in layer._non_persistable_buffer_names_set,
                    computed=name in computed,
                )


def _computed(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yields the weights that a weight norm or a spectral norm makes of others, as they are now."""
    with paddle.no_grad():
        for hook in layer._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm):
                yield hook.name, hook.compute_weight(layer)
            elif isinstance(hook, SpectralNorm):
                yield hook.name, hook.compute_weight(layer, do_power_iteration=False)


def _attributes(layer: Any) -> Mapping[str, Any]:
    # Paddle's layers keep most hyper-parameters under private names (_epsilon, _stride).
    return {
        name: value
        for name, value in vars(layer).items()
        if name not in _EVERY_LAYER_HAS and not name.endswith(("_attr", "_name"))
    }


_EVERY_LAYER_HAS = frozenset(vars(paddle.nn.Layer()))
_READER = LayerReader(
    base=paddle.nn.Layer,
    all_layers=lambda model: model.sublayers(include_self=True),
    children=lambda layer: layer._sub_layers,
    own_tensors=_own_tensors,
    attributes=_attributes,
    bookkeeping=_EVERY_LAYER_HAS,
    stores=("_parameters", "_buffers", "_non_persistable_buffer_names_set", "_sub_layers"),
    is_opaque=compiled.is_opaque,
)


class PaddleAdapter(PaddleTensors, PaddleProcess, PaddleGraph, PaddleSteps):
    """The Paddle side of the worker."""

    vocabulary = VOCABULARY
    function_words = WORDS
    reader = _READER
    state_files = STATE_FILES
    optimizer_reader = optimizers.READER
    backward_entry = (paddle.base.core.eager, "run_backward")
    # Not paddle itself: a user's line may lie in a model that comes with a framework.
    library_folders = tuple(
        os.path.join(os.path.dirname(paddle.__file__), part)
        for part in ("nn", "base", "autograd", "jit", "distributed", "amp", "tensor", "utils")
    )

    watch = staticmethod(watching.watch)
    random_operations = staticmethod(random_operations)
    functions = staticmethod(functions)
    in_float64 = staticmethod(in_float64)

    # Models

    def prepare(self, model: Any, *, device: str, dtype: Optional[DType], train: bool) -> None:
        if self.device_of(model) != device:
            _move(model, device)
        if dtype is not None:
            # The public `to` casts integers and complex numbers too.
            model._to_impl(dtype=dtype.value, floating_only=True)
        if train:
            model.train()
        else:
            model.eval()

    def empty_weights(self, model: Any) -> list[str]:
        # What LazyGuard made keeps the function that will fill it.
        return [
            name
            for name, tensor in model.named_parameters()
            if getattr(tensor, "_init_func", None) and not has_memory(tensor)
        ]

    # Gradients

    def gradient(self, weight: Any) -> Optional[Any]:
        return None if weight.grad is None else dense_gradient(weight.grad, weight.shape)

    def replace_gradient(self, weight: Any, value: HostTensor) -> None:
        # Selected rows cannot be made of Python.
        if not weight.grad.is_selected_rows():
            self.write_gradient(weight, value)

    def clear_gradients(self, model: Any) -> None:
        for parameter in model.parameters():
            parameter.clear_gradient(False)  # set_to_zero; Paddle ignores it as a keyword

    def clip_gradients(self, parameters: Iterable[Any], max_norm: float) -> None:
        clipped = list(parameters)
        for parameter in clipped:
            # Selected rows have no norm.
            parameter.grad = self.gradient(parameter)
        super().clip_gradients(clipped, max_norm)

    def watch_gradient(self, tensor: Any, hook: GradientHook) -> Remove:
        # What a hook returns of the gradient of a PyLayer's result is ignored.
        is_heard = not _is_made_by_a_pylayer(tensor)

        def total(gradient: Any) -> Optional[Any]:
            replaced = hook(gradient)
            if replaced is None or is_heard:
                return replaced
            # Bytes and layout; the tensor around them is the one that flows on.
            gradient.get_tensor()._share_data_with(replaced.get_tensor())
            return None

        handle = tensor.register_hook(total)
        # Paddle's handle would keep the tensor's memory until the step's end.
        tensor_alive, hook_id = weakref.ref(tensor), handle._hook_id

        def remove() -> None:
            alive = tensor_alive()
            if alive is not None:
                alive._remove_grad_hook(hook_id)

        return remove


def _is_made_by_a_pylayer(tensor: Any) -> bool:
    """Whether a PyLayer made this tensor, in a graph."""
    node = node_of(tensor)
    return node is not None and node.name().startswith("GradNodePyLayer")


def _move(model: Any, device: str) -> None:
    dtypes = [(layer, layer._dtype) for layer in model.sublayers(include_self=True)]
    model.to(device=device)
    # Paddle's `to` without a dtype makes every layer forget its own.
    for layer, dtype in dtypes:
        layer._dtype = dtype
