"""The port of `torch_planted`, with one fault at a time: layer, glue, weight, gradient, optimizer."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn


class Block(nn.Layer):
    """The reference's, but for the faults "layer" and "gradient"."""

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.norm = nn.LayerNorm(8, epsilon=1e-3 if fault == "layer" else 1e-5)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x: Any) -> Any:
        hidden = paddle.tanh(self.up(self.norm(x)))
        if self.fault == "gradient":
            hidden = hidden.detach()
        return x + self.down(hidden)


class Encoder(nn.Layer):
    """The reference's, but for the faults "glue" and "weight"."""

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.stem = nn.Linear(6, 8)
        self.blocks = nn.Sequential(Block(), Block(fault))
        self.head = nn.Linear(8, 4 if fault == "weight" else 3)

    def forward(self, x: Any) -> Any:
        hidden = self.blocks(self.stem(x))
        pooled = hidden * (0.55 if self.fault == "glue" else 0.5)
        return self.head(pooled)[:, :3]


def encoder(fault: str = "") -> nn.Layer:
    return Encoder(fault)


def distance(output: Any, target: Any) -> Any:
    return ((output - target) ** 2).mean()


def adam(model: nn.Layer) -> Any:
    return _adam(model, beta2=0.999)


def faulty_adam(model: nn.Layer) -> Any:
    return _adam(model, beta2=0.99)


def _adam(model: nn.Layer, beta2: float) -> Any:
    return paddle.optimizer.Adam(0.02, parameters=model.parameters(), beta1=0.9, beta2=beta2, epsilon=1e-8)
