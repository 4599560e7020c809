"""Ports of `torch_structures`, each in another structure."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn


class Gates(nn.Layer):
    """The siblings are defined and called the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.projection = nn.Linear(8, 4)
        self.v_proj = nn.Linear(8, 8)
        self.k_proj = nn.Linear(8, 8)
        self.q_proj = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        value, key, query = self.v_proj(x), self.k_proj(x), self.q_proj(x)
        gate = nn.functional.sigmoid(query)
        return self.projection(gate * paddle.tanh(key) + value)


class Wrapper(nn.Layer):
    """A level that does nothing."""

    def __init__(self, wrapped: nn.Layer) -> None:
        super().__init__()
        self.wrapped = wrapped

    def forward(self, x: Tensor) -> Tensor:
        return self.wrapped(x)


class Stages(nn.Layer):
    """Two levels where the reference has one; an activation is a function."""

    def __init__(self, fault: bool) -> None:
        super().__init__()
        self.last = Wrapper(nn.Linear(16, 4))
        self.second = Wrapper(Wrapper(nn.Sequential(nn.Linear(16, 16), nn.LayerNorm(16))))
        epsilon = 1e-3 if fault else 1e-5
        self.first = nn.LayerList([nn.Linear(8, 16), nn.LayerNorm(16, epsilon=epsilon)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.first:
            x = layer(x)
        return self.last(nn.functional.gelu(self.second(nn.functional.gelu(x))))


class Branches(nn.Layer):
    """The longest first, the shortest last; a level less."""

    def __init__(self) -> None:
        super().__init__()
        self.end = nn.Conv2D(12, 2, 1)
        self.a_narrow = nn.Conv2D(3, 5, 1)
        self.a_wide = nn.Conv2D(5, 4, 5, padding=2)
        self.b_narrow = nn.Conv2D(3, 5, 1)
        self.b_wide = nn.Conv2D(5, 4, 3, padding=1)
        self.c = nn.Conv2D(3, 4, 1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        a = self.a_wide(self.relu(self.a_narrow(x)))
        b = self.b_wide(self.relu(self.b_narrow(x)))
        return self.end(paddle.concat([self.c(x), b, a], 1))


class WithoutMiddle(nn.Layer):
    """Lacks the middle layer; its norm is there."""

    def __init__(self) -> None:
        super().__init__()
        self.exit = nn.Linear(16, 4)
        self.norms = nn.LayerList([nn.LayerNorm(16), nn.LayerNorm(16)])
        self.entry = nn.Linear(8, 16)

    def forward(self, x: Tensor) -> Tensor:
        gelu = nn.functional.gelu
        x = gelu(self.norms[0](self.entry(x)))
        return self.exit(gelu(self.norms[1](x)))


class Twins(nn.Layer):
    """The equal-shaped layers are called in the wrong order."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__()
        self.names = (left, right)
        for name in sorted(self.names):
            self.add_sublayer(name, nn.Linear(8, 8))
        self.exit = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        relu = nn.functional.relu
        for name in self.names[::-1]:
            x = relu(self._sub_layers[name](x))
        return self.exit(x)


def gates() -> nn.Layer:
    return Gates()


def stages(fault: bool = False) -> nn.Layer:
    return Stages(fault)


def sequential() -> nn.Layer:
    """The perceptron as one Sequential."""
    return nn.Sequential(
        nn.Linear(8, 16),
        nn.LayerNorm(16),
        nn.GELU(),
        nn.Linear(16, 16),
        nn.LayerNorm(16),
        nn.GELU(),
        nn.Linear(16, 4),
    )


def branches() -> nn.Layer:
    return Branches()


def without_middle() -> nn.Layer:
    return WithoutMiddle()


def twins(left: str = "left", right: str = "right") -> nn.Layer:
    return Twins(left, right)


class Recurrent(nn.Layer):
    """Maps images [n, 3, 8, 8] to [n, 4], row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.GRU(24, 10)
        self.norm = nn.LayerNorm(10)
        self.head = nn.Sequential(nn.Linear(10, 12), nn.Tanh(), nn.Linear(12, 4))

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.rows(x.transpose([0, 2, 1, 3]).flatten(2))
        return self.head(self.norm(states[:, -1]))


def recurrent() -> nn.Layer:
    return Recurrent()
