"""Layers whose weights the two frameworks keep differently, in Torch; `paddle_layers` has their twins."""

from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor, nn


class Recurrent(nn.Module):
    """A recurrent layer over [batch, time, 5], and a linear one on what it gives."""

    def __init__(self, kind: str, **options: object) -> None:
        super().__init__()
        self.rnn = getattr(nn, kind)(5, 6, batch_first=True, **options)
        width = options.get("proj_size") or 6
        self.head = nn.Linear(2 * width if options.get("bidirectional") else width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0])


def recurrent(kind: str, **options: object) -> nn.Module:
    return Recurrent(kind, **options)


class Attention(nn.Module):
    """Attention of [batch, time, 8] over a memory of other widths, or over itself."""

    def __init__(self, kdim: Optional[int], vdim: Optional[int], bias: bool, weights: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, bias=bias, kdim=kdim, vdim=vdim, batch_first=True)
        self.weights = weights

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return self.attention(query, key, value, need_weights=self.weights)[0]


def attention(
    kdim: Optional[int] = None, vdim: Optional[int] = None, bias: bool = True, weights: bool = False
) -> nn.Module:
    return Attention(kdim, vdim, bias, weights)


def encoder(norm_first: bool = False) -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=norm_first)
    return nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(8), enable_nested_tensor=False)


def decoder() -> nn.Module:
    return nn.TransformerDecoder(
        nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, batch_first=True), 2, norm=nn.LayerNorm(8)
    )


class Images(nn.Module):
    """Norms and convolutions over [batch, 4, 6, 6], in the order of their definition."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.instance = nn.InstanceNorm2d(6, affine=True)
        self.slope = nn.PReLU(6)
        self.groups = nn.GroupNorm(3, 6)
        self.down = nn.Conv2d(6, 4, 3, stride=2, padding=1, groups=2, bias=False)
        self.plane = nn.LayerNorm([6, 6])

    def forward(self, x: Tensor) -> Tensor:
        return self.plane(self.down(self.groups(self.slope(self.instance(self.up(x))))))


def images() -> nn.Module:
    return Images()


def spectral() -> nn.Module:
    return nn.Sequential(nn.utils.spectral_norm(nn.Linear(8, 8)), nn.ReLU(), nn.Linear(8, 4))


class Tied(nn.Module):
    """An embedding whose table is the last layer's weight too."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 8)
        self.mix = nn.Linear(8, 8)
        self.bias = nn.Parameter(torch.zeros(11))

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(self.table(x)) @ self.table.weight.T + self.bias


def tied() -> nn.Module:
    return Tied()


class Conv1D(nn.Module):
    """A linear layer that stores its matrix [in, out]."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width_in, width_out) * 0.3)
        self.bias = nn.Parameter(torch.zeros(width_out))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias


class Squares(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Conv1D(8, 8)
        self.second = Conv1D(8, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.second(torch.tanh(self.first(x)))))


def squares() -> nn.Module:
    return Squares()


def normed(**options: object) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4, **options), nn.ReLU())


class FusedAttention(nn.Module):
    """Two heads over [batch, time, 8]; one linear layer makes query, key and value."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        batch, time, _ = x.shape
        q, k, v = (part.reshape(batch, time, 2, 4).transpose(1, 2) for part in self.qkv(x).split(8, -1))
        weights = torch.softmax(q @ k.transpose(-1, -2) / 2, -1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, time, 8))


class FusedBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.attention = FusedAttention()
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x + self.attention(self.norm(x)))


def projections() -> nn.Module:
    return FusedBlock()


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1)
