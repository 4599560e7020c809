"""Mixtures of experts, in Paddle: in layers of their own, or all in one tensor."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

EXPERTS, HIDDEN = 3, 10


class Expert(nn.Layer):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.gate = nn.Linear(size, HIDDEN, bias_attr=False)
        self.up = nn.Linear(size, HIDDEN, bias_attr=False)
        self.down = nn.Linear(HIDDEN, size, bias_attr=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(functional.silu(self.gate(x)) * self.up(x))


class Series(nn.Layer):
    def __init__(self, size: int, fault: str) -> None:
        super().__init__()
        self.router = nn.Linear(size, EXPERTS)
        self.experts = nn.LayerList([Expert(size) for _ in range(EXPERTS)])
        self.order = (1, 0, 2) if fault == "order" else (0, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        shares = functional.softmax(self.router(x), -1)
        return sum(self.experts[self.order[n]](x) * shares[..., n : n + 1] for n in range(EXPERTS))


class Fused(nn.Layer):
    def __init__(self, size: int, fault: str) -> None:
        super().__init__()
        self.router = nn.Linear(size, EXPERTS)
        normal = nn.initializer.Normal(0.0, 0.3)
        self.gate_up_proj = self.create_parameter([EXPERTS, size, 2 * HIDDEN], default_initializer=normal)
        self.down_proj = self.create_parameter([EXPERTS, HIDDEN, size], default_initializer=normal)
        self.fault = fault

    def forward(self, x: Tensor) -> Tensor:
        shares = functional.softmax(self.router(x), -1)
        gate, up = paddle.einsum("btd,edf->betf", x, self.gate_up_proj).chunk(2, -1)
        if self.fault == "order":
            gate, up = up, gate
        made = paddle.einsum("betf,efd->betd", functional.silu(gate) * up, self.down_proj)
        return (made * shares.transpose([0, 2, 1]).unsqueeze(-1)).sum(1)


class Mixture(nn.Layer):
    def __init__(self, size: int, fused: bool, fault: str) -> None:
        super().__init__()
        self.before = nn.Linear(4, size)
        self.mixture = Fused(size, fault) if fused else Series(size, fault)
        self.after = nn.Linear(size, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.mixture(self.before(x)))


def mixture(fused: bool, size: int = 6, fault: str = "") -> nn.Layer:
    return Mixture(size, fused, fault)


def adam(model: nn.Layer) -> object:
    return paddle.optimizer.Adam(learning_rate=1e-3, parameters=model.parameters())
