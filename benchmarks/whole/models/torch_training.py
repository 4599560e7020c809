"""The optimizer of the benchmark of steps."""

from __future__ import annotations

import torch
from step_ends import stepped


def sgd(model: torch.nn.Module) -> torch.optim.Optimizer:
    """Returns plain SGD, whose steps change hardly anything."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    optimizer.register_step_post_hook(lambda *_: stepped("torch"))
    return optimizer
