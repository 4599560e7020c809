"""References in Torch that decide by chance in train mode; `paddle_random` has a candidate of each name."""

from __future__ import annotations

import torch
from torch import Tensor, nn, optim
from torch.nn import functional


class DropPath(nn.Module):
    """Drops whole samples of a residual branch, scaled so that the mean stays."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.keep = 1 - rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(self.keep)
        return x * kept.div_(self.keep)


class Picture(nn.Module):
    """Channels, samples and elements are dropped; slopes are drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.slopes = nn.RReLU()
        self.channels = nn.Dropout2d(0.3)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.path = DropPath(0.4)
        self.elements = nn.AlphaDropout(0.2)
        self.last = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.channels(self.slopes(self.first(x)))
        x = x + self.path(self.second(x))
        return self.last(functional.dropout(self.elements(x).mean((2, 3)), 0.1, self.training))


class Attention(nn.Module):
    """The framework's own attention, with dropout inside it, in a residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(16, 4, dropout=0.2, batch_first=True)
        self.norm = nn.LayerNorm(16)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.attn(x, x, x, need_weights=False)[0])


class Encoder(nn.Module):
    """Two of the framework's own encoder layers."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.2, batch_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class Recurrent(nn.Module):
    """Two recurrent layers with dropout between them."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(16, 8, 2, dropout=0.3, batch_first=True)
        self.last = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.cells(x)[0])


class Functional(nn.Module):
    """Attention and dropout as functions, between layers that are modules."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48, bias=False)
        self.merge = nn.Linear(16, 16)
        self.norm = nn.LayerNorm(16)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (4, 4)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        p = 0.2 if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
        hidden = self.merge(mixed.transpose(1, 2).flatten(2))
        return self.norm(x + functional.dropout(hidden, 0.3, self.training))


class Sampled(nn.Module):
    """Adds noise that the two frameworks cannot be given alike, behind one layer and before another."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.noise = Noise()
        self.norm = nn.LayerNorm(16)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.noise(self.first(x)))


class Noise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.poisson(torch.ones_like(x))


class Behind(nn.Module):
    """A square matrix of a user's own layer, which nothing but dropped values reach."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.8)
        self.own = Own()

    def forward(self, x: Tensor) -> Tensor:
        return self.own(self.drop(x))


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(16, 16) / 4)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix.T


MODELS = {
    "attention": Attention,
    "behind": Behind,
    "encoder": Encoder,
    "functional": Functional,
    "picture": Picture,
    "recurrent": Recurrent,
    "sampled": Sampled,
}


def build(name: str) -> nn.Module:
    return MODELS[name]()


def adamw(model: nn.Module) -> optim.Optimizer:
    return optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
