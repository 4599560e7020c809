"""Candidates for lockstep in Paddle: sound, or with faults in chosen blocks."""

from __future__ import annotations

from typing import Optional

import paddle
from paddle import Tensor, nn


class _Factor(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.factor


class WrongGELU(nn.GELU):
    """A GELU whose gradient is one and a tenth of what it should be."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_Factor.apply(x, 1.1))


class LouderLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 1.5


class Block(nn.Layer):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16, epsilon=1e-6 if fault == "epsilon" else 1e-5)
        self.up = nn.Linear(16, 32)
        self.act = WrongGELU() if fault == "gradient" else nn.GELU()
        self.down = LouderLinear(32, 16) if fault == "louder" else nn.Linear(32, 16)
        self.fault = fault

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.up(self.norm(x))
        if self.fault == "between":
            hidden = hidden * 1.01
        if self.fault == "between backward":
            hidden = _Factor.apply(hidden, 2.0)
        return x + self.down(self.act(hidden))


class Blocks(nn.Layer):
    def __init__(self, count: int, faults: dict[str, str]) -> None:
        super().__init__()
        self.blocks = nn.LayerList(Block(faults.get(str(index), "")) for index in range(count))
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def blocks(count: int = 4, faults: Optional[dict[str, str]] = None) -> nn.Layer:
    return Blocks(count, faults or {})


class Halves(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 32)

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        left, right = self.fc(x).chunk(2, axis=-1)
        return left, {"right": right}


class InPlaceReLU(nn.Layer):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu_(x)


class Tuples(nn.Layer):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.halves = Halves()
        self.norm = nn.BatchNorm1D(16)
        self.act = InPlaceReLU()
        self.head = nn.Linear(16, 4)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        left, more = self.halves(x)
        hidden = self.norm(left)
        self.act(hidden)
        if self.factor != 1.0:
            more["right"] = more["right"] * self.factor
        return self.head(hidden) + self.head(more["right"])


def tuples(factor: float = 1.0) -> nn.Layer:
    return Tuples(factor)


class WrongTanh(nn.Tanh):
    """A tanh whose gradient is twice what it should be."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_Factor.apply(x, 2.0))


class HalfGELU(nn.GELU):
    """A GELU whose gradient is half of what it should be."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_Factor.apply(x, 0.5))


class Gated(nn.Layer):
    """`cancelling`: the gradient is wrong between the two activations, and right again before a parameter."""

    def __init__(self, cancelling: bool) -> None:
        super().__init__()
        self.first = nn.Linear(16, 32)
        self.act = HalfGELU() if cancelling else nn.GELU()
        self.gate = WrongTanh() if cancelling else nn.Tanh()
        self.last = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.gate(self.act(self.first(x))))


def gated(cancelling: bool = False) -> nn.Layer:
    return Gated(cancelling)


def adamw(model: nn.Layer) -> paddle.optimizer.Optimizer:
    return paddle.optimizer.AdamW(1e-3, weight_decay=0.01, parameters=model.parameters())


def fast_adamw(model: nn.Layer) -> paddle.optimizer.Optimizer:
    return paddle.optimizer.AdamW(2e-3, weight_decay=0.01, parameters=model.parameters())
