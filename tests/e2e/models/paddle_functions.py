"""Paddle halves: the same in other functions, with faults to plant in the second block, or in the root."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn

from padiff_worker_paddle import mark


class Mixer(nn.Layer):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.keys, self.values, self.out = (nn.Linear(8, 8) for _ in range(3))

    def forward(self, x, keep):
        scores = paddle.matmul(self.keys(x), x, transpose_y=True)
        hidden = keep == (1 if self.fault == "mask" else 0)
        low = paddle.full([1], -1e4)
        scores = paddle.where(hidden, low, scores)
        weights = F.softmax(scores, axis=1 if self.fault == "axis" else 2)
        return self.out(paddle.matmul(weights, self.values(x)))


class Block(nn.Layer):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.norm, self.mixer = nn.LayerNorm(8), Mixer(fault)

    def forward(self, x, keep):
        h = paddle.scale(self.mixer(self.norm(x), keep), 0.5)
        if self.fault == "missing":
            return h
        return paddle.add(h, x)


class Net(nn.Layer):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.blocks = nn.LayerList([Block(""), Block(fault)])
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        keep = paddle.tril(paddle.ones([x.shape[1]] * 2, dtype="int64"))
        for block in self.blocks:
            x = block(x, keep)
        pooled = paddle.max(x, axis=1) if self.fault == "root" else paddle.mean(x, axis=1)
        return self.head(pooled)


class Marked(nn.Layer):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.keys, self.out = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        scores = mark("scores", paddle.einsum("bid,bjd->bij", self.keys(x), x))
        low = F.softmax(scores * (0.4 if self.fault == "scale" else 0.5), axis=2)
        weights = mark("weights", low.detach() if self.fault == "detached" else low)
        return self.out(mark("mixed", paddle.bmm(weights, x)))
