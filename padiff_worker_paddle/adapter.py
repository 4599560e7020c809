"""Paddle's answers to the verbs of `padiff_worker.adapter`, whose docstrings say what each one means."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, Optional

import paddle
from paddle.nn.utils.spectral_norm_hook import SpectralNorm
from paddle.nn.utils.weight_norm_hook import WeightNorm

from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import DType, WeightKind
from padiff_worker.adapter import FrameworkAdapter, GradientHook, Remove
from padiff_worker.layer_tree import LayerReader, OwnTensor
from padiff_worker_paddle import (
    compiled,
    graphs,
    kept_optimizer,
    optimizers,
    runtime,
    state,
    steps,
    tensors,
    watching,
)
from padiff_worker_paddle.random_operations import random_operations
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
            if tensor is not None and tensors.is_tensor(tensor) and _can_be_read(tensor):
                is_statistic = name in _STATISTICS and tensor.stop_gradient
                yield OwnTensor(
                    name=name,
                    kind=WeightKind.BUFFER if is_statistic else kind,
                    tensor=tensor,
                    spec=tensors.spec(tensor),
                    trainable=kind is WeightKind.PARAMETER and not tensor.stop_gradient,
                    unsaved=name in layer._non_persistable_buffer_names_set,
                    computed=name in computed,
                )


def _can_be_read(tensor: Any) -> bool:
    """Whether a tensor holds what its shape says.

    One without memory holds nothing yet: cuDNN's dropout state in a recurrent layer, everywhere but in a
    GPU's train mode. One of no elements needs none.
    """
    return tensor._is_initialized() or 0 in tensor.shape


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
    children=lambda layer: layer._sub_layers,
    own_tensors=_own_tensors,
    attributes=_attributes,
    is_opaque=compiled.is_opaque,
)


class PaddleAdapter(FrameworkAdapter):
    """The Paddle side of the worker."""

    name = "paddle"
    vocabulary = VOCABULARY
    library = paddle
    reader = _READER
    optimizer_classes = (paddle.optimizer.Optimizer,)
    backward_entry = (paddle.base.core.eager, "run_backward")
    # Not paddle itself: a user's line may lie in a model that comes with a framework.
    library_folders = tuple(
        os.path.join(os.path.dirname(paddle.__file__), part)
        for part in ("nn", "base", "autograd", "jit", "distributed", "amp", "tensor")
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
        if self.device_of(model) != device:
            _move(model, device)
        if dtype is not None:
            # The public `to` casts integers and complex numbers too.
            model._to_impl(dtype=dtype.value, floating_only=True)
        if train:
            model.train()
        else:
            model.eval()

    def device_of(self, model: Any) -> str:
        first = next(iter(self.weights(model).values()), None)
        if first is None or first.place.is_cpu_place():
            return "cpu"
        return f"gpu:{first.place.gpu_device_id()}"

    def empty_weights(self, model: Any) -> list[str]:
        # What LazyGuard made keeps the function that will fill it.
        return [
            name
            for name, tensor in model.named_parameters()
            if getattr(tensor, "_init_func", None) and not _can_be_read(tensor)
        ]

    def write_weight(self, tensor: Any, value: HostTensor) -> None:
        tensors.write(tensor, value)

    def load_weights(self, model: Any, path: str) -> None:
        state.load_weights(model, path)

    def save_weights(self, model: Any, path: str) -> None:
        state.save_weights(model, path)

    def gradient(self, weight: Any) -> Optional[Any]:
        return None if weight.grad is None else tensors.dense_gradient(weight.grad, weight.shape)

    def clear_gradients(self, model: Any) -> None:
        for parameter in model.parameters():
            parameter.clear_gradient(False)  # set_to_zero; Paddle ignores it as a keyword

    def modes(self, model: Any) -> Any:
        return [(layer, layer.training) for layer in model.sublayers(include_self=True)]

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

    watch = staticmethod(watching.watch)

    def watch_gradient(self, tensor: Any, hook: GradientHook) -> Remove:
        # What a hook returns of the gradient of a PyLayer's result is ignored.
        is_heard = not tensors.is_made_by_a_pylayer(tensor)

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

    random_operations = staticmethod(random_operations)

    projection_loss = staticmethod(tensors.projection_loss)
    mean_loss = staticmethod(tensors.mean_loss)

    autocast = staticmethod(steps.autocast)
    scale_gradients = staticmethod(steps.scale_gradients)
    clip_gradients = staticmethod(steps.clip_gradients)
    watch_step = staticmethod(steps.watch_step)

    def step(self, optimizer: Any) -> None:
        """A learning-rate scheduler inside the optimizer is stepped after it."""
        optimizer.step()
        if isinstance(optimizer._learning_rate, paddle.optimizer.lr.LRScheduler):
            optimizer._learning_rate.step()
        optimizer.clear_grad(set_to_zero=False)

    view_optimizer = staticmethod(optimizers.view)
    write_optimizer_state = staticmethod(optimizers.write_state)
    keep_optimizer = staticmethod(kept_optimizer.keep)
    restore_optimizer = staticmethod(kept_optimizer.restore)

    def synchronize(self) -> None:
        runtime.synchronize()

    def release_memory(self) -> None:
        runtime.release_memory()


def _move(model: Any, device: str) -> None:
    dtypes = [(layer, layer._dtype) for layer in model.sublayers(include_self=True)]
    model.to(device=device)
    # Paddle's `to` without a dtype makes every layer forget its own.
    for layer, dtype in dtypes:
        layer._dtype = dtype
