"""Torch's optimizers in the vocabulary of `padiff_worker.optimizers`.

That the formulas are Paddle's but for the conventions named here was found by running both for 20 steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, Optional

import torch

from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_worker.optimizers import (
    ADDED,
    DECOUPLED,
    EXACT,
    Group,
    OptimizerReader,
    OptimizerState,
    plain,
    step_count,
    tensor_state,
    warmed_momentum,
)
from padiff_worker_torch.tensors import TENSORS

_SETTINGS = {"lr": "learning_rate", "eps": "epsilon", "alpha": "decay", "rho": "decay"}
# How a step is computed, not what; and what schedulers leave in groups.
_NO_SETTINGS = frozenset(
    {
        *("params", "param_names", "foreach", "fused", "capturable", "differentiable"),
        *("decoupled_weight_decay", "initial_lr", "initial_momentum", "base_momentum", "max_momentum"),
        *("max_lr", "min_lr", "swa_lr"),
    }
)
_STATES = {
    "exp_avg": "first_moment",
    "exp_avg_sq": "second_moment",
    "max_exp_avg_sq": "largest_second_moment",
    "momentum_buffer": "momentum",
    "square_avg": "mean_square",
    "grad_avg": "mean_gradient",
    "sum": "sum_of_squares",
    "acc_delta": "mean_square_update",
    "exp_inf": "infinity_norm",
    "prev": "last_gradient",
    "step": "step",
    "step_size": "step_size",
}
# Torch has no such settings.
_FIXED = {"gradient_clipping": "none", "l1_decay": 0.0}


@record
class _Kind:
    """What is known of a class.

    Attributes:
        algorithm: the word that both frameworks have for it.
        conventions: where Paddle's class of that algorithm computes otherwise.
        keys: what `optimizer.state` holds of a parameter after a step under these settings, but for `step`;
            None: it has state that means nothing outside Torch, so that it is not made here.
    """

    algorithm: str
    conventions: Mapping[str, str] = field(default_factory=dict)
    keys: Optional[Callable[[Mapping[str, Any]], tuple[str, ...]]] = None


def _adam_keys(group: Mapping[str, Any]) -> tuple[str, ...]:
    return ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if group["amsgrad"] else ()))


def _rmsprop_keys(group: Mapping[str, Any]) -> tuple[str, ...]:
    momentum = ("momentum_buffer",) if group["momentum"] else ()
    return ("square_avg", *momentum, *(("grad_avg",) if group["centered"] else ()))


_ADAM = _Kind(algorithm="adam", keys=_adam_keys)
_KINDS: dict[type, _Kind] = {
    torch.optim.SGD: _Kind(
        algorithm="sgd", keys=lambda group: ("momentum_buffer",) if group["momentum"] else ()
    ),
    torch.optim.Adam: _ADAM,
    torch.optim.AdamW: _ADAM,
    torch.optim.RMSprop: _Kind(
        algorithm="rmsprop",
        conventions={
            "epsilon": "added to the root",
            "momentum": "of gradients, times the learning rate when used",
        },
        keys=_rmsprop_keys,
    ),
    torch.optim.Adagrad: _Kind(algorithm="adagrad", keys=lambda group: ("sum",)),
    torch.optim.Adadelta: _Kind(algorithm="adadelta", keys=lambda group: ("square_avg", "acc_delta")),
    torch.optim.Adamax: _Kind(
        algorithm="adamax",
        conventions={"epsilon": "added to the gradient's magnitude"},
        keys=lambda group: ("exp_avg", "exp_inf"),
    ),
    torch.optim.NAdam: _Kind(algorithm="nadam", keys=lambda group: ("exp_avg", "exp_avg_sq")),
    torch.optim.RAdam: _Kind(algorithm="radam", keys=lambda group: ("exp_avg", "exp_avg_sq")),
    torch.optim.Rprop: _Kind(algorithm="rprop", keys=lambda group: ("prev", "step_size")),
    # Paddle's is another algorithm.
    torch.optim.ASGD: _Kind(algorithm="averaged weights"),
}


def stepping_optimizer(optimizer: Any) -> Any:
    """Returns the optimizer that a learning-rate scheduler stands for; any other as it is."""
    is_scheduler = isinstance(optimizer, torch.optim.lr_scheduler.LRScheduler)
    return optimizer.optimizer if is_scheduler else optimizer


def _settings(optimizer: Any, parameter: Any, group: Group) -> dict[str, Any]:
    settings: dict[str, Any] = dict(_FIXED)
    for key, value in group.items():
        if key == "betas":
            settings["beta1"], settings["beta2"] = map(plain, value)
        elif key not in _NO_SETTINGS:
            settings[_SETTINGS.get(key, key)] = plain(value)
    return settings


def _conventions(optimizer: Any, kind: _Kind, parameters: Sequence[Any]) -> dict[str, str]:
    # Before 2.7 no group of Adam's says which it is.
    decoupled = optimizer.defaults.get("decoupled_weight_decay", isinstance(optimizer, torch.optim.AdamW))
    return {
        **kind.conventions,
        "algorithm": kind.algorithm,
        "weight_decay": DECOUPLED if decoupled else ADDED,
        **EXACT,
    }


def _states(
    optimizer: Any, kind: Optional[_Kind], parameter: Any, settings: Mapping[str, Any]
) -> Iterator[OptimizerState]:
    state = optimizer.state.get(parameter, {})
    for key, value in state.items():
        if key == "step" and (torch.is_tensor(value) or isinstance(value, (int, float))):
            yield _step_count(state, settings)
        elif torch.is_tensor(value):
            is_read = bool(value.shape == parameter.shape)
            yield tensor_state(TENSORS, _STATES.get(key, key), value, is_read=is_read)


def _step_count(state: dict[str, Any], settings: Mapping[str, Any]) -> OptimizerState:
    def write(value: HostTensor) -> None:
        # Users' own optimizers count in plain numbers.
        held, steps = state["step"], int(value.array)
        state["step"] = held.fill_(steps) if torch.is_tensor(held) else steps
        if "mu_product" in state and "momentum_decay" in settings:  # NAdam's
            state["mu_product"].fill_(warmed_momentum(steps, settings))

    return OptimizerState(word="step", read=lambda: step_count(float(state["step"])), write=write)


def _make_state(optimizer: Any, kind: Optional[_Kind], parameter: Any, group: Group) -> None:
    state = optimizer.state[parameter]
    if state or kind is None or kind.keys is None:
        return
    for key in kind.keys(group):
        state[key] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
    # What is not 0 before the first step.
    if kind.algorithm == "nadam":
        state["mu_product"] = torch.ones((), dtype=parameter.dtype)
    if kind.algorithm == "rprop":
        state["step_size"].fill_(group["lr"])
    if kind.algorithm != "sgd":
        on_device = group.get("capturable") or group.get("fused")
        state["step"] = torch.zeros((), device=parameter.device if on_device else "cpu")


READER = OptimizerReader(
    classes=(torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler),
    kinds=_KINDS,
    groups=lambda optimizer: optimizer.param_groups,
    settings=_settings,
    conventions=_conventions,
    states=_states,
    make_state=_make_state,
    stepping=stepping_optimizer,
)
