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


class Small(nn.Layer):
    """The square is stored [in, out]."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.w = self.create_parameter([5, 5])

    def forward(self, x: Tensor) -> Tensor:
        return x + x @ faulty(self.w, self.fault)


def small(fault: str = "") -> nn.Layer:
    return nn.Sequential(Small(fault), nn.Linear(5, 3))


def _tripled(parameter: Tensor) -> None:
    parameter.register_hook(lambda gradient: 3 * gradient)


def weight_normed(form: str, fault: str = "") -> nn.Layer:
    norm = nn.utils.weight_norm
    model = nn.Sequential(
        norm(nn.Conv1D(3, 4, 2)),
        norm(nn.Conv1D(4, 4, 2), dim=1),
        nn.Flatten(),
        norm(nn.Linear(12, 5), dim=1),
        norm(nn.Linear(5, 5), dim=1 if fault == "dim" else 0),
        norm(nn.Linear(5, 3), dim=None),
    )
    if fault == "gradient":
        _tripled(model[3].weight_g)
    if fault == "untrained":
        model[3].weight_v.stop_gradient = True
    return model


def spectrally_normed(form: str, fault: str = "") -> nn.Layer:
    norm = nn.utils.spectral_norm
    dim = 0 if fault == "dim" else 1
    model = nn.Sequential(
        norm(nn.Conv1D(3, 4, 2)),
        nn.Flatten(),
        norm(nn.Linear(16, 4), dim=dim),
        nn.Linear(4, 3),
    )
    if fault == "gradient":
        _tripled(model[2].weight_orig)
    return model


class Tables(nn.Layer):
    """An index that is saved and a window that is not; `fault` names the one that is wrong."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(5, 4), nn.BatchNorm1D(4)
        self.register_buffer("index", paddle.to_tensor([3, 2, 1, 0] if fault == "index" else [0, 1, 2, 3]))
        window = paddle.to_tensor([0.5, 1.0, 1.0, 0.4 if fault == "window" else 0.5])
        self.register_buffer("window", window, persistable=False)

    def forward(self, x: Tensor) -> Tensor:
        return paddle.index_select(self.norm(self.fc(x)) * self.window, self.index, 1)


def tables(fault: str = "") -> nn.Layer:
    return Tables(fault)


class Tied(nn.Layer):
    def __init__(self, tied: bool) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(5, 5), nn.Linear(5, 5)
        if tied:
            self.outer.weight = self.inner.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(paddle.tanh(self.inner(x)))


def tied(here: bool = False) -> nn.Layer:
    return Tied(here)


def encoder(norm_first: bool = False) -> nn.Layer:
    return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, normalize_before=norm_first)


def plain(form: str, fault: str = "") -> nn.Layer:
    model = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 3))
    if fault == "untrained":
        model[0].weight.stop_gradient = True
    return model


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
