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
from padiff_worker.adapter import EntryHook, ExitHook, FrameworkAdapter, GradientHook, Remove
from padiff_worker.layer_tree import LayerReader, OwnTensor
from padiff_worker_torch import compiled, graphs, kept_optimizer, optimizers, runtime, state, steps, tensors
from padiff_worker_torch.computed_weights import PARAMETRIZATIONS, computed, made_of
from padiff_worker_torch.random_operations import random_operations
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
            if tensor is not None and tensors.is_tensor(tensor):
                yield OwnTensor(
                    name=name,
                    kind=kind,
                    tensor=tensor,
                    spec=tensors.spec(tensor),
                    trainable=kind is WeightKind.PARAMETER and tensor.requires_grad,
                    unsaved=name in layer._non_persistent_buffers_set,
                )
    for name, tensor, unsaved in made_of(layer):
        is_parameter = isinstance(tensor, torch.nn.Parameter)
        yield OwnTensor(
            name=name,
            kind=WeightKind.PARAMETER if is_parameter else WeightKind.BUFFER,
            tensor=tensor,
            spec=tensors.spec(tensor),
            trainable=is_parameter and tensor.requires_grad,
            unsaved=unsaved,
        )
    # As a list: its context must not stay open while others work.
    for name, tensor in list(computed(layer)):
        yield OwnTensor(
            name=name,
            kind=WeightKind.BUFFER,
            tensor=tensor,
            spec=tensors.spec(tensor),
            trainable=False,
            unsaved=True,
            computed=True,
        )


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
    children=_children,
    own_tensors=_own_tensors,
    attributes=_attributes,
    is_opaque=compiled.is_opaque,
    class_of=compiled.class_of,
)


class TorchAdapter(FrameworkAdapter):
    """The Torch side of the worker."""

    name = "torch"
    vocabulary = VOCABULARY
    library = torch
    reader = _READER
    optimizer_classes = (torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler)
    backward_entry = (torch.autograd, "backward")
    # Not torch itself: a user's line may lie in a model that comes with a framework.
    library_folders = tuple(
        os.path.join(os.path.dirname(torch.__file__), part)
        for part in ("nn", "utils", "autograd", "_dynamo", "fx", "_tensor.py", "overrides.py")
    )

    def devices(self) -> tuple[str, ...]:
        return runtime.devices()

    def configure(self, *, device: str, seed: int, deterministic: bool, threads: int) -> tuple[str, ...]:
        return runtime.configure(device=device, seed=seed, deterministic=deterministic, threads=threads)

    def seed(self, seed: int) -> None:
        runtime.set_seed(seed)

    def random_state(self) -> Any:
        return runtime.random_state()

    def set_random_state(self, state: Any) -> None:
        runtime.set_random_state(state)

    # Models

    def prepare(self, model: Any, *, device: str, dtype: Optional[DType], train: bool) -> None:
        model.to(device)
        if dtype is not None:
            _CASTS[dtype](model)
        compiled.set_mode(model, train)

    def device_of(self, model: Any) -> str:
        first = next(iter(self.weights(model).values()), None)
        return "cpu" if first is None else str(first.device)

    def empty_weights(self, model: Any) -> list[str]:
        named = itertools.chain(model.named_parameters(), model.named_buffers())
        return [name for name, tensor in named if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta]

    def write_weight(self, tensor: Any, value: HostTensor) -> None:
        tensors.write(tensor, value)

    def load_weights(self, model: Any, path: str) -> None:
        state.load_weights(model, path)

    def save_weights(self, model: Any, path: str) -> None:
        state.save_weights(model, path)

    def gradient(self, weight: Any) -> Optional[Any]:
        return None if weight.grad is None else tensors.dense_gradient(weight.grad)

    def clear_gradients(self, model: Any) -> None:
        model.zero_grad(set_to_none=True)

    def modes(self, model: Any) -> Any:
        # A frozen script has no mode.
        return [(layer, layer.training) for layer in model.modules() if hasattr(layer, "training")]

    def set_modes(self, model: Any, modes: Any) -> None:
        for layer, training in modes:
            layer.training = training

    # Tensors

    is_tensor = staticmethod(tensors.is_tensor)
    identity = staticmethod(tensors.identity)
    spec = staticmethod(tensors.spec)
    host_copy = staticmethod(tensors.host_copy)
    from_host = staticmethod(tensors.from_host)
    memory = staticmethod(tensors.memory)
    footprint = staticmethod(tensors.footprint)
    overwrite = staticmethod(tensors.overwrite)
    pass_through = staticmethod(tensors.pass_through)
    like = staticmethod(tensors.like)
    requires_gradient = staticmethod(tensors.requires_gradient)
    branch = staticmethod(tensors.branch)

    graph_place = staticmethod(graphs.graph_place)
    graph_edges = staticmethod(graphs.graph_edges)
    layers_without_backward = staticmethod(graphs.layers_without_backward)

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
        is_whole = tensors.unchanged(tensor) if tensor._is_view() else lambda: True

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

    random_operations = staticmethod(random_operations)

    projection_loss = staticmethod(tensors.projection_loss)
    mean_loss = staticmethod(tensors.mean_loss)

    autocast = staticmethod(steps.autocast)
    scale_gradients = staticmethod(steps.scale_gradients)
    clip_gradients = staticmethod(steps.clip_gradients)
    watch_step = staticmethod(steps.watch_step)

    def step(self, optimizer: Any) -> None:
        """A learning-rate scheduler stands for its optimizer, and is stepped after it."""
        if isinstance(optimizer, torch.optim.lr_scheduler.LRScheduler):
            optimizer.optimizer.step()
            optimizer.step()
            optimizer.optimizer.zero_grad(set_to_none=True)
        else:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    view_optimizer = staticmethod(optimizers.view)
    write_optimizer_state = staticmethod(optimizers.write_state)
    keep_optimizer = staticmethod(kept_optimizer.keep)
    restore_optimizer = staticmethod(kept_optimizer.restore)

    def synchronize(self) -> None:
        runtime.synchronize()

    def release_memory(self) -> None:
        runtime.release_memory()
