"""The frameworks: what the client knows of each, without importing any.

A further one is a row here, beside its folder `padiff_worker_NAME`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from typing import Any, Optional

import numpy as np

from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import DType

_SAFETENSORS = ".safetensors"


@record
class Framework:
    """One framework.

    Attributes:
        name: what is written in specs, and imported.
        title: what it is called in prose; its worker's adapter is the class `titleAdapter`.
        distribution: what pip installs.
        model: its base class for layers, as its users write it.
        state_suffix: that of its own state files.
        host_tensor: one of its tensors -> the same on the host, copied where that cannot be avoided.
        wants_gradient: whether the gradient with respect to one of its tensors is wanted.
        own_words: settings of layers that it calls otherwise, or means the opposite by, than the common
            vocabulary (docs/vocabulary.md); of each, its value there -> what is written here.
    """

    name: str
    title: str
    distribution: str
    model: str
    state_suffix: str
    host_tensor: Callable[[Any], HostTensor]
    wants_gradient: Callable[[Any], bool]
    own_words: Mapping[str, Callable[[str], str]] = field(default_factory=dict)

    @property
    def package(self) -> str:
        """The package whose `python -m` is its worker."""
        return f"padiff_worker_{self.name}"

    @property
    def adapter(self) -> tuple[str, str]:
        """The module and the name of its adapter's class."""
        return f"{self.package}.adapter", f"{self.title}Adapter"

    @property
    def interpreter_variable(self) -> str:
        """The environment variable that names an interpreter for its worker."""
        return f"PADIFF_{self.name.upper()}_PYTHON"

    def spelled(self, name: str, value: str) -> str:
        """Returns a setting as it is written here, by its common name and value; "" for the same words."""
        with suppress(KeyError, ValueError):  # the same word; a momentum of None
            return self.own_words[name](value.strip("'\""))
        return ""


def _of_torch(tensor: Any) -> HostTensor:
    host = tensor.detach().cpu().resolve_conj().resolve_neg()
    if str(host.dtype) == "torch.bfloat16":
        # NumPy has no bfloat16; whoever holds a tensor has torch loaded.
        bits = host.contiguous().view(sys.modules["torch"].int16).numpy().view(np.uint16)
        return HostTensor.from_array(bits, DType.BFLOAT16)
    return HostTensor.from_array(host.numpy())


def _of_paddle(tensor: Any) -> HostTensor:
    # Paddle hands out bfloat16 bits as uint16.
    is_bfloat16 = str(tensor.dtype).endswith("bfloat16")
    return HostTensor.from_array(tensor.detach().numpy(), DType.BFLOAT16 if is_bfloat16 else None)


def _is_true(value: str) -> bool:
    return value.lower() == "true"


_PADDLES_WORDS = {
    "momentum": lambda value: f"momentum={1 - float(value):.6g} (the share of the old value)",
    "count_include_pad": lambda value: f"exclusive={not _is_true(value)}",
    "batch_first": lambda value: f"time_major={not _is_true(value)}",
    "approximate": lambda value: f"approximate={value != 'none'}",
}

FRAMEWORKS = {
    one.name: one
    for one in (
        Framework(
            name="torch",
            title="Torch",
            distribution="torch",
            model="torch.nn.Module",
            state_suffix=".pt",
            host_tensor=_of_torch,
            wants_gradient=lambda tensor: bool(tensor.requires_grad),
        ),
        Framework(
            name="paddle",
            title="Paddle",
            distribution="paddlepaddle",
            model="paddle.nn.Layer",
            state_suffix=".pdparams",
            host_tensor=_of_paddle,
            wants_gradient=lambda tensor: not tensor.stop_gradient,
            own_words=_PADDLES_WORDS,
        ),
    )
}


def framework_of(value: Any) -> Optional[str]:
    """Returns the name of the framework that made `value`, or made a class of it; None for no known one."""
    classes = value.__mro__ if isinstance(value, type) else (value, *type(value).__mro__)
    return next((one for one in map(_package, classes) if one in FRAMEWORKS), None)


def framework_of_tensor(value: Any) -> Optional[Framework]:
    """Returns the framework of which `value` is a tensor, if it is one."""
    tensors = (one for one in type(value).__mro__ if one.__name__ == "Tensor")
    return next((FRAMEWORKS[one] for one in map(_package, tensors) if one in FRAMEWORKS), None)


def _package(made: Any) -> str:
    return str(getattr(made, "__module__", "")).partition(".")[0]


def save_suffixes(framework: str) -> tuple[str, ...]:
    """Returns the state files that a worker writes; all of them where only the worker knows its framework."""
    known = FRAMEWORKS.values() if framework == "" else [FRAMEWORKS[framework]]
    return (*sorted(one.state_suffix for one in known), _SAFETENSORS)
