"""Parts of a step beside its layers: autocast, gradients in place, backward, the optimizer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.words import DType
from padiff_worker.adapter import Remove


def autocast(device: str, dtype: DType) -> AbstractContextManager[None]:
    kind = torch.device(device).type
    with warnings.catch_warnings():
        # Said below, and as an error: autocast that does nothing would compare something else.
        warnings.simplefilter("ignore")
        context: Any = torch.autocast(kind, dtype=getattr(torch, dtype.value))
    if not context._enabled:
        raise InvalidRequestError(
            f"torch has no autocast to {dtype} on {kind}; leave autocast out, or take another dtype",
            field="autocast",
        )
    made: AbstractContextManager[None] = context
    return made


def scale_gradients(parameters: Iterable[Any], factor: float) -> None:
    with torch.no_grad():
        for parameter in parameters:
            parameter.grad.mul_(factor)


def clip_gradients(parameters: Iterable[Any], max_norm: float) -> None:
    torch.nn.utils.clip_grad_norm_(list(parameters), max_norm)


def watch_step(optimizer: Any, before: Callable[[], None]) -> Remove:
    scheduled = isinstance(optimizer, torch.optim.lr_scheduler.LRScheduler)
    stepped: Any = optimizer.optimizer if scheduled else optimizer
    handle = stepped.register_step_pre_hook(lambda *_: before())
    return lambda: handle.remove()
