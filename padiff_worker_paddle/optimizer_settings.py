"""The settings with which a Paddle optimizer steps one parameter.

Learning rate and weight decay have several sources in Paddle: the optimizer, its groups, the parameter's own
attributes, and functions that are asked for each parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import paddle

from padiff_worker.optimizers import Group, plain

_ATTRIBUTES = {
    "beta1": "beta1",
    "beta2": "beta2",
    "epsilon": "epsilon",
    "rho": "decay",
    "momentum": "momentum",
    "use_nesterov": "nesterov",
    "rescale_grad": "rescale_grad",
    "centered": "centered",
    "amsgrad": "amsgrad",
    "momentum_decay": "momentum_decay",
    "initial_accumulator_value": "initial_accumulator_value",
}
# What Torch's classes of these names let one set.
_FIXED: Mapping[str, Any] = {"maximize": False}
_FIXED_BY_CLASS: tuple[tuple[type, Mapping[str, Any]], ...] = (
    (paddle.optimizer.SGD, {"momentum": 0.0, "dampening": 0.0, "nesterov": False}),
    (paddle.optimizer.Momentum, {"dampening": 0.0}),
    (paddle.optimizer.Adagrad, {"lr_decay": 0.0}),
)


def settings_of(optimizer: Any, parameter: Any, group: Group) -> dict[str, Any]:
    """Returns the settings in the common vocabulary, as they are now."""
    settings = dict(_FIXED)
    for known, fixed in _FIXED_BY_CLASS:
        if isinstance(optimizer, known):
            settings.update(fixed)
    for name, word in _ATTRIBUTES.items():
        for holder in (f"_{name}", name):
            if hasattr(optimizer, holder):
                # A group's own values are put into the optimizer's attributes while it steps that group.
                settings[word] = plain(group[name] if name in group else getattr(optimizer, holder))
                break
    settings.update(_decay(optimizer, parameter, group))
    settings["learning_rate"] = _learning_rate(optimizer, parameter)
    settings["gradient_clipping"] = _clipping(group.get("grad_clip", optimizer._grad_clip))
    return settings


def _learning_rate(optimizer: Any, parameter: Any) -> float:
    factor = (getattr(parameter, "optimize_attr", None) or {}).get("learning_rate", 1.0)
    ratio = getattr(optimizer, "_lr_ratio", None)
    rate = float(optimizer.get_lr()) * float(plain(factor))
    return rate if ratio is None else rate * float(plain(ratio(parameter)))


def _decay(optimizer: Any, parameter: Any, group: Group) -> dict[str, float]:
    regularizer = getattr(parameter, "regularizer", None) or getattr(optimizer, "regularization", None)
    decay = {"weight_decay": 0.0, "l1_decay": 0.0}
    if regularizer is not None:
        is_l1 = isinstance(regularizer, paddle.regularizer.L1Decay)
        decay["l1_decay" if is_l1 else "weight_decay"] = float(regularizer._coeff)
    elif getattr(optimizer, "_regularization_method", ""):
        # Momentum keeps its own.
        coefficient = group.get("regularization_coeff", optimizer._regularization_coeff)
        decay["weight_decay"] = float(coefficient)
    if isinstance(optimizer, paddle.optimizer.AdamW):
        wanted = optimizer._apply_decay_param_fun
        own = group.get("weight_decay", optimizer._weight_decay)
        decay["weight_decay"] = float(plain(own)) if wanted is None or wanted(parameter.name) else 0.0
    if isinstance(optimizer, paddle.optimizer.Lamb):
        left_out = optimizer._exclude_from_weight_decay_fn
        own = group.get("lamb_weight_decay", optimizer._lamb_weight_decay)
        decay["weight_decay"] = 0.0 if left_out is not None and left_out(parameter) else float(own)
    return decay


def _clipping(clip: Any) -> str:
    if clip is None:
        return "none"
    if isinstance(clip, paddle.nn.ClipGradByValue):
        return f"values to [{clip.min:g}, {clip.max:g}]"
    if isinstance(clip, paddle.nn.ClipGradByNorm):
        return f"each to the norm {clip.clip_norm:g}"
    if isinstance(clip, paddle.nn.ClipGradByGlobalNorm):
        return f"all to the norm {clip.clip_norm:g}"
    return type(clip).__name__
