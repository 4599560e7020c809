"""Paddle halves; `fault` plants what a test is about, `raises` is the block that is not ported yet."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn


class Block(nn.Layer):
    def __init__(self, fault: str, raises: bool) -> None:
        super().__init__()
        self.lookup = nn.Embedding(7, 8)
        self.mix = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.fault, self.raises = fault, raises
        if fault == "norm":
            self.norm.weight.set_value(paddle.full([8], 1.001))

    def forward(self, x: Tensor, ids: Tensor) -> Tensor:
        rows = self.lookup(ids)
        if self.fault == "gradient" and not rows.stop_gradient:
            rows.register_hook(lambda gradient: 3 * gradient)
        x = x + self.mix(x)
        if self.raises:
            raise NotImplementedError("not ported yet")
        return self.norm(x + rows)


class Tables(nn.Layer):
    def __init__(self, fault: str = "", raises: int = -1) -> None:
        super().__init__()
        self.words = nn.Embedding(9, 8)
        self.layers = nn.LayerList([Block(fault if n == 1 else "", n == raises) for n in range(3)])
        self.scores = nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids)
        for layer in self.layers:
            x = layer(x, ids)
        return self.scores(x)


def adam(model: nn.Layer) -> paddle.optimizer.Optimizer:
    return paddle.optimizer.Adam(1e-3, parameters=model.parameters())
