"""Weights that a layer computes from others: weight norms, spectral norms, other parametrizations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

# The attribute under which Torch keeps what such a weight is made of.
PARAMETRIZATIONS = "parametrizations"


def made_of(layer: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yields what the weights are made of, where layers below the layer hold it.

    Name, tensor, and whether state files leave it out. A state file has the same names.
    """
    if is_parametrized(layer):
        for path, module in layer.parametrizations.named_modules(prefix=PARAMETRIZATIONS):
            for name, tensor in (*module._parameters.items(), *module._buffers.items()):
                if tensor is not None:
                    yield f"{path}.{name}", tensor, name in module._non_persistent_buffers_set


def computed(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yields name and present value of each such weight; nothing changes, and no graph is made."""
    with torch.no_grad():
        if is_parametrized(layer):
            for name, steps in layer.parametrizations.items():
                with _evaluating(steps):
                    yield name, steps().detach()
        for hook in layer._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm):
                yield hook.name, hook.compute_weight(layer).detach()
            elif isinstance(hook, SpectralNorm):
                yield hook.name, hook.compute_weight(layer, do_power_iteration=False).detach()


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """Keeps a spectral norm from going on with its iteration."""
    modes = [(one, one.training) for one in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for one, training in modes:
            one.training = training
