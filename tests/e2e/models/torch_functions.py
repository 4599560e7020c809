"""Torch halves of models with code between their layers; the reference."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from padiff_worker_torch import mark


class Mixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.keys, self.values, self.out = (nn.Linear(8, 8) for _ in range(3))

    def forward(self, x, keep):
        scores = self.keys(x) @ x.transpose(1, 2)
        scores = scores.masked_fill(keep == 0, -1e4)
        weights = F.softmax(scores, dim=-1)
        return self.out(weights @ self.values(x))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.mixer = nn.LayerNorm(8), Mixer()

    def forward(self, x, keep):
        h = self.mixer(self.norm(x), keep)
        h = h * 0.5
        return x + h


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block() for _ in range(2)])
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        keep = torch.tril(torch.ones(x.shape[1], x.shape[1], dtype=torch.int64))
        for block in self.blocks:
            x = block(x, keep)
        return self.head(x.mean(1))


class Marked(nn.Module):
    """Attention by functions, with its scores and what goes out marked."""

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.out = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        scores = mark("scores", self.keys(x) @ x.transpose(1, 2))
        weights = mark("weights", F.softmax(scores / 2.0, dim=-1))
        return self.out(mark("mixed", weights @ x))
