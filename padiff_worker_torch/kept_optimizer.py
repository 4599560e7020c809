"""State that a Torch optimizer keeps between steps, copied and put back."""

from __future__ import annotations

import copy
from typing import Any

import torch


def keep(optimizer: Any) -> Any:
    """Returns the states of an optimizer, or of a scheduler and its optimizer, copied to the host."""
    if isinstance(optimizer, torch.optim.lr_scheduler.LRScheduler):
        return _on_host(optimizer.state_dict()), keep(optimizer.optimizer)
    return _on_host(optimizer.state_dict())


def restore(optimizer: Any, kept: Any) -> None:
    if isinstance(optimizer, torch.optim.lr_scheduler.LRScheduler):
        of_scheduler, kept = kept
        optimizer.load_state_dict(of_scheduler)
        optimizer = optimizer.optimizer
    optimizer.load_state_dict(kept)


def _on_host(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _on_host(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_on_host, value))
    return copy.deepcopy(value)
