"""Candidates whose values cancel, or that decide between equal ones."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F


class Reduction(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.again = nn.BatchNorm1D(1), nn.BatchNorm1D(1)
        self.pool, self.head = nn.AdaptiveAvgPool1D(1), nn.Linear(1, 4, bias_attr=False)

    def forward(self, x: Tensor) -> Tensor:
        centred = self.again(self.norm(x))
        return self.head(self.pool(centred).flatten(1)) + centred.std()


class Ties(nn.Layer):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.conv, self.pool = kind, nn.Conv2D(4, 8, 3, padding=1), nn.MaxPool2D(2)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        near = paddle.log(paddle.exp(y))
        if self.kind == "pool":
            y = self.pool(paddle.concat([y, near], 3))
        elif self.kind == "quantised":
            y = y + paddle.round(paddle.log(paddle.exp(x)) * 8).tile([1, 2, 1, 1]) / 8
        elif self.kind == "routed":
            flat = paddle.concat([y[:, :4], near[:, :4]], 1).flatten(2).transpose([0, 2, 1])
            values, chosen = paddle.topk(flat, 3, -1)
            gates = paddle.put_along_axis(paddle.zeros_like(flat), chosen, F.softmax(values, -1), -1)
            y = (flat * gates).transpose([0, 2, 1])
        elif self.kind == "argmax":
            flat = paddle.concat([y, near], 3).flatten(2)
            places = paddle.arange(flat.shape[2], dtype=y.dtype) / flat.shape[2]
            best = F.one_hot(flat.argmax(-1), flat.shape[2]).astype(y.dtype)
            y = flat + (best * places).sum(-1, keepdim=True)
        return self.head(y.flatten(2).mean(2))
