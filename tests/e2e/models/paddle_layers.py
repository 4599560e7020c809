"""Layers whose weights the two frameworks keep differently, in Paddle; `torch_layers` has their twins."""

from __future__ import annotations

from typing import Optional

import paddle
from paddle import Tensor, nn


class Recurrent(nn.Layer):
    def __init__(self, kind: str, **options: object) -> None:
        super().__init__()
        self.rnn = getattr(nn, kind)(5, 6, **options)
        width = options.get("proj_size") or 6
        self.head = nn.Linear(2 * width if options.get("direction") == "bidirect" else width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0])


def recurrent(kind: str, **options: object) -> nn.Layer:
    return Recurrent(kind, **options)


class Attention(nn.Layer):
    def __init__(self, kdim: Optional[int], vdim: Optional[int], bias: bool) -> None:
        super().__init__()
        bias_attr = None if bias else False
        self.attention = nn.MultiHeadAttention(8, 2, kdim=kdim, vdim=vdim, bias_attr=bias_attr)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return self.attention(query, key, value)


def attention(kdim: Optional[int] = None, vdim: Optional[int] = None, bias: bool = True) -> nn.Layer:
    return Attention(kdim, vdim, bias)


def encoder(norm_first: bool = False) -> nn.Layer:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, normalize_before=norm_first)
    return nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8))


def decoder() -> nn.Layer:
    return nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0), 2, norm=nn.LayerNorm(8))


class Images(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Conv2DTranspose(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.instance = nn.InstanceNorm2D(6)
        self.slope = nn.PReLU(6)
        self.groups = nn.GroupNorm(3, 6)
        self.down = nn.Conv2D(6, 4, 3, stride=2, padding=1, groups=2, bias_attr=False)
        self.plane = nn.LayerNorm([6, 6])

    def forward(self, x: Tensor) -> Tensor:
        return self.plane(self.down(self.groups(self.slope(self.instance(self.up(x))))))


def images() -> nn.Layer:
    return Images()


def spectral() -> nn.Layer:
    return nn.Sequential(nn.utils.spectral_norm(nn.Linear(8, 8)), nn.ReLU(), nn.Linear(8, 4))


class Tied(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 8)
        self.mix = nn.Linear(8, 8)
        self.bias = self.create_parameter([11], is_bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return paddle.matmul(self.mix(self.table(x)), self.table.weight, transpose_y=True) + self.bias


def tied() -> nn.Layer:
    return Tied()


class Dense(nn.Layer):
    """A linear layer that stores its matrix [out, in]."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.weight = self.create_parameter([width_out, width_in])
        self.bias = self.create_parameter([width_out], is_bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return paddle.matmul(x, self.weight, transpose_y=True) + self.bias


class Squares(nn.Layer):
    """`first` stores its matrix as Paddle does, `second` the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = Dense(8, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(paddle.tanh(self.second(paddle.tanh(self.first(x)))))


def squares() -> nn.Layer:
    return Squares()


def normed(**options: object) -> nn.Layer:
    return nn.Sequential(nn.Conv2D(3, 4, 3, padding=1), nn.BatchNorm2D(4, **options), nn.ReLU())


class SeparateAttention(nn.Layer):
    """Two heads over [batch, time, 8]; query, key and value have a linear layer each."""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(8, 8)
        self.k_proj = nn.Linear(8, 8)
        self.v_proj = nn.Linear(8, 8)
        self.out = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        batch, time, _ = x.shape
        q, k, v = (
            layer(x).reshape([batch, time, 2, 4]).transpose([0, 2, 1, 3])
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        weights = nn.functional.softmax(paddle.matmul(q, k, transpose_y=True) / 2, -1)
        return self.out(paddle.matmul(weights, v).transpose([0, 2, 1, 3]).reshape([batch, time, 8]))


class SeparateBlock(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.attention = SeparateAttention()
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x + self.attention(self.norm(x)))


def projections() -> nn.Layer:
    return SeparateBlock()


def sgd(model: nn.Layer) -> paddle.optimizer.Optimizer:
    return paddle.optimizer.SGD(0.1, parameters=model.parameters())
