"""The optimizer of the benchmark of steps."""

from __future__ import annotations

import paddle


def sgd(model: paddle.nn.Layer) -> paddle.optimizer.Optimizer:
    """Returns plain SGD, whose steps change hardly anything."""
    return paddle.optimizer.SGD(1e-6, parameters=model.parameters())
