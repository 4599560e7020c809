"""A small network whose norm can be made wrong; the port."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn


class Norm(nn.Layer):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.weight = self.create_parameter([16])
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(-1, keepdim=True)
        return (x - mean) / paddle.sqrt(variance + self.eps) * self.weight


class Network(nn.Layer):
    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.norm = Norm(eps)
        self.last = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x)))
