"""Paddle halves of models whose weights are kept differently; `fault` plants what a test is about."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn


def faulty(weight: Tensor, fault: str) -> Tensor:
    """Returns the weight to compute with: "untrained", or with a "gradient" three times too large."""
    if fault == "untrained":
        return weight.detach()
    if fault == "gradient":
        weight = weight * 1.0
        if not weight.stop_gradient:
            weight.register_hook(lambda gradient: 3 * gradient)
    return weight


class Experts(nn.Layer):
    """`up` and `out` are stored [h, i, o], `down` as the reference has it."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.fc = nn.Linear(5, 4)
        self.up, self.down = (self.create_parameter([2, 4, 4]) for _ in range(2))
        self.out = self.create_parameter([2, 4, 3])

    def forward(self, x: Tensor) -> Tensor:
        up = faulty(self.up, self.fault)
        x = paddle.einsum("bi,hio->bho", self.fc(x), up)
        x = paddle.einsum("bhi,hoi->bho", paddle.tanh(x), self.down)
        out = paddle.flip(self.out, [1]) if self.fault == "order" else self.out
        return paddle.einsum("bhi,hio->bho", paddle.tanh(x), out).flatten(1)


class Heads(nn.Layer):
    """The queries and the output are stored [in, out]."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (self.create_parameter([width, width]) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = x @ self.q, x @ self.k.T, x @ self.v.T
        return nn.functional.softmax(q @ k.transpose([0, 2, 1]), -1) @ v @ self.o


def experts(fault: str = "") -> nn.Layer:
    return Experts(fault)


def flat() -> nn.Layer:
    return Experts("")


def heads() -> nn.Layer:
    return nn.Sequential(nn.Linear(8, 8), Heads(), nn.LayerNorm(8), Heads())


def adam(model: nn.Layer) -> object:
    return paddle.optimizer.Adam(learning_rate=1e-3, parameters=model.parameters())


def turned(arrays):  # type: ignore[no-untyped-def]
    """A rule of the user's that moves elements."""
    return {
        "fc.weight": arrays["fc.weight"].T,
        "fc.bias": arrays["fc.bias"],
        "up": arrays["up"].transpose(0, 2, 1).copy(),
        "down": arrays["down"],
        "out": arrays["out"].transpose(0, 2, 1),
    }


def wrongly_turned(arrays):  # type: ignore[no-untyped-def]
    return {**turned(arrays), "up": arrays["up"]}
