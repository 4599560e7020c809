"""A block as GPT-2 has it, in Paddle: one layer makes query, key and value, with one bias."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import Tensor, nn

SIZE = 16


class Attention(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(SIZE, 3 * SIZE), nn.Linear(SIZE, SIZE)

    def forward(self, x: Tensor) -> Tensor:
        batch, time, _ = x.shape
        q, k, v = (
            part.reshape([batch, time, 2, SIZE // 2]).transpose([0, 2, 1, 3])
            for part in paddle.split(self.c_attn(x), 3, -1)
        )
        weights = nn.functional.softmax(paddle.matmul(q, k, transpose_y=True) / (SIZE // 2) ** 0.5, -1)
        return self.c_proj(paddle.matmul(weights, v).transpose([0, 2, 1, 3]).reshape([batch, time, SIZE]))


class Block(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(SIZE), Attention()
        self.ln_2, self.c_fc, self.c_proj = nn.LayerNorm(SIZE), nn.Linear(SIZE, 32), nn.Linear(32, SIZE)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.c_proj(nn.functional.gelu(self.c_fc(self.ln_2(x))))


class Model(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = Block(), Block(), nn.Linear(SIZE, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x)))


def model() -> nn.Layer:
    return Model()


class Shifting(paddle.optimizer.AdamW):
    """Moves a share of the first bias of queries, keys and values besides, at each step."""

    def __init__(self, model: nn.Layer, begin: int, end: int, by: float) -> None:
        super().__init__(1e-3, parameters=model.parameters(), weight_decay=0.01)
        self._share = model.first.attn.c_attn.bias, begin, end, by

    def step(self) -> None:
        super().step()
        bias, begin, end, by = self._share
        with paddle.no_grad():
            bias[begin:end] = bias[begin:end] + by


def adamw(model: nn.Layer) -> Any:
    return paddle.optimizer.AdamW(1e-3, parameters=model.parameters(), weight_decay=0.01)


def decaying(model: nn.Layer) -> Any:
    return paddle.optimizer.AdamW(1e-3, parameters=model.parameters(), weight_decay=0.02)


def shifting_keys(model: nn.Layer) -> Any:
    return Shifting(model, SIZE, 2 * SIZE, 0.02)


def shifting_queries(model: nn.Layer) -> Any:
    return Shifting(model, 0, 1, 1e-3)
