"""The optimizer of the benchmark of steps."""

from __future__ import annotations

import paddle
from step_ends import stepped


def sgd(model: paddle.nn.Layer) -> paddle.optimizer.Optimizer:
    """Returns plain SGD, whose steps change hardly anything."""
    optimizer = paddle.optimizer.SGD(1e-6, parameters=model.parameters())
    step = optimizer.step

    def told() -> None:
        step()
        stepped("paddle")

    optimizer.step = told
    return optimizer
