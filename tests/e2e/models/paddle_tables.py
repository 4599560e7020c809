"""Embedding tables, looked up in several ways; the ports, healthy and faulty."""

from __future__ import annotations

from typing import Any, Optional

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn


class Own(nn.Layer):
    """A table in a layer of the user's own."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.weight = self.create_parameter([size, width])

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.weight)


class Scaled(paddle.autograd.PyLayer):
    """Its input, whose gradient comes back times `factor`."""

    @staticmethod
    def forward(context: Any, x: Tensor, factor: Tensor) -> Tensor:
        context.factor = factor
        return x.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Any:
        return gradient * context.factor, None


class Table(nn.Layer):
    def __init__(
        self,
        how: str = "layer",
        pad: Optional[int] = None,
        sparse: bool = False,
        tied: bool = False,
        scaled: Optional[int] = None,
        size: int = 600,
        width: int = 16,
    ) -> None:
        """`scaled`: the number whose row has a gradient 1.7 times too large."""
        super().__init__()
        self.how, self.tied, self.scaled = how, tied, scaled
        if how == "own":
            self.embed = Own(size, width)
        elif how == "functional":
            self.table = self.create_parameter([size, width])
        else:
            self.embed = nn.Embedding(size, width, pad, sparse=sparse)
        self.positions = nn.Embedding(100, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        if not tied:
            self.head = nn.Linear(width, size, bias_attr=False)

    def forward(self, ids: Tensor) -> Tensor:
        x = F.embedding(ids, self.table) if self.how == "functional" else self.embed(ids)
        if self.scaled is not None:
            x = Scaled.apply(x, 1.0 + 0.7 * (ids == self.scaled).astype("float32").unsqueeze(-1))
        x = x.sum(1) if self.how == "bag" else x + self.positions(paddle.arange(ids.shape[1]))
        x = x + self.narrow(F.relu(self.widen(x)))
        return paddle.matmul(x, self.embed.weight, transpose_y=True) if self.tied else self.head(x)
