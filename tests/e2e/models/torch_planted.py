"""A small encoder as its author has it; `paddle_planted` is its port, with one fault at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn, optim


class Block(nn.Module):
    """Normalises, widens, narrows and adds."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.up(self.norm(x)))
        return x + self.down(hidden)


class Encoder(nn.Module):
    """A stem, two blocks and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(6, 8)
        self.blocks = nn.Sequential(Block(), Block())
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.blocks(self.stem(x))
        pooled = hidden * 0.5
        return self.head(pooled)


def encoder() -> nn.Module:
    return Encoder()


def distance(output: Tensor, target: Tensor) -> Tensor:
    return ((output - target) ** 2).mean()


def adam(model: nn.Module) -> Any:
    return optim.Adam(model.parameters(), lr=0.02, betas=(0.9, 0.999), eps=1e-8)
