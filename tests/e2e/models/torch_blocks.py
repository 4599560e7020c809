"""References for lockstep in Torch: residual blocks, sub-layers that return tuples, layers in place."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.up = nn.Linear(16, 32)
        self.act = nn.GELU()
        self.down = nn.Linear(32, 16)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(self.act(self.up(self.norm(x))))


class Blocks(nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(count))
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def blocks(count: int = 4) -> nn.Module:
    return Blocks(count)


class Halves(nn.Module):
    """Returns two views of what it computes, in a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 32)

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        left, right = self.fc(x).chunk(2, dim=-1)
        return left, {"right": right}


class Tuples(nn.Module):
    """A tuple with a dict in it, a shared layer, an in-place layer whose return value nobody looks at."""

    def __init__(self) -> None:
        super().__init__()
        self.halves = Halves()
        self.norm = nn.BatchNorm1d(16)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        left, more = self.halves(x)
        hidden = self.norm(left)
        self.act(hidden)
        return self.head(hidden) + self.head(more["right"])


def tuples() -> nn.Module:
    return Tuples()


class Gated(nn.Module):
    """Two activations in a row between two layers with parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(16, 32)
        self.act = nn.GELU()
        self.gate = nn.Tanh()
        self.last = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.gate(self.act(self.first(x))))


def gated() -> nn.Module:
    return Gated()


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
