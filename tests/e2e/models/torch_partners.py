"""Torch halves of models whose layers and weights have unusual partners, or whose port is young."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Adds rows of a table of its own; a norm without weights stands at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.offsets = nn.Parameter(torch.randn(7, 8))
        self.mix = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8, elementwise_affine=False)

    def forward(self, x: Tensor, ids: Tensor) -> Tensor:
        return self.norm(x + self.mix(x) + self.offsets[ids])


class Tables(nn.Module):
    """Maps ids [n, t] below 7 to scores [n, t, 3]."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.randn(9, 8))
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.scores = nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.rows[ids]
        for block in self.blocks:
            x = block(x, ids)
        return self.scores(x)


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), 1e-3)
