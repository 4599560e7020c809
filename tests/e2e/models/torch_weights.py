"""Torch halves of the models whose weights are kept differently; see `paddle_weights.py`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Experts(nn.Module):
    """Weights of three axes, two of them with squares in each expert."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 4)
        self.up, self.down = (nn.Parameter(torch.randn(2, 4, 4)) for _ in range(2))
        self.out = nn.Parameter(torch.randn(2, 3, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.einsum("bi,hoi->bho", self.fc(x), self.up)
        x = torch.einsum("bhi,hoi->bho", torch.tanh(x), self.down)
        return torch.einsum("bhi,hoi->bho", torch.tanh(x), self.out).flatten(1)


class Heads(nn.Module):
    """Attention over plain matrices, as small ports write it."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Parameter(torch.randn(width, width) * 0.3) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = x @ self.q.T, x @ self.k.T, x @ self.v.T
        return torch.softmax(q @ k.transpose(1, 2), -1) @ v @ self.o.T


def experts() -> nn.Module:
    return Experts()


def heads() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 8), Heads(), nn.LayerNorm(8), Heads())


def flat() -> nn.Module:
    """Weights whose elements are all the same tell nothing of their axes."""
    model = Experts()
    with torch.no_grad():
        model.up.fill_(0.1)
    return model


def adam(model: nn.Module) -> object:
    return torch.optim.Adam(model.parameters(), lr=1e-3)
