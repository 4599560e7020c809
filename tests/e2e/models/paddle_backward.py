"""Paddle halves: the same in other functions, with faults to plant in the second block."""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.autograd import PyLayer


class Turn(PyLayer):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return paddle.assign(x)

    @staticmethod
    def backward(ctx, gradient):
        return paddle.scale(gradient, -ctx.factor)


class Block(nn.Layer):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x):
        h = self.up(self.norm(x))
        if self.fault == "hook":
            h.register_hook(lambda gradient: gradient * 0.5)
        h = Turn.apply(h, 0.2 if self.fault == "factor" else 0.1)
        h = paddle.clip(h, min=0.0)
        h = paddle.scale(h, 0.7)
        keep = paddle.greater_than(h, paddle.full([1], 0.6 if self.fault == "where" else 0.2))
        h = paddle.where(keep, h, h.detach())
        h = self.down(h.detach() if self.fault == "detach" else h)
        return paddle.add(x, h)


class Net(nn.Layer):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.blocks = nn.LayerList([Block(""), Block(fault), Block("")])
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(paddle.mean(x, axis=1))
