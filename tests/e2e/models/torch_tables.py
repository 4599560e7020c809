"""Embedding tables, looked up in several ways; the references."""

from __future__ import annotations

from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Own(nn.Module):
    """A table in a layer of the user's own."""

    def __init__(self, size: int, width: int, pad: Optional[int]) -> None:
        super().__init__()
        self.weight, self.pad = nn.Parameter(torch.randn(size, width)), pad

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.weight, padding_idx=self.pad)


class Table(nn.Module):
    def __init__(
        self,
        how: str = "layer",
        pad: Optional[int] = None,
        by_frequency: bool = False,
        sparse: bool = False,
        tied: bool = False,
        size: int = 600,
        width: int = 16,
    ) -> None:
        super().__init__()
        self.how, self.pad = how, pad
        if how == "layer":
            self.embed = nn.Embedding(size, width, pad, scale_grad_by_freq=by_frequency, sparse=sparse)
        elif how == "bag":
            self.embed = nn.EmbeddingBag(size, width, mode="sum", padding_idx=pad)
        elif how == "own":
            self.embed = Own(size, width, pad)
        else:
            self.table = nn.Parameter(torch.randn(size, width))
        self.positions = nn.Embedding(100, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.head = nn.Linear(width, size, bias=False)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = F.embedding(ids, self.table, self.pad) if self.how == "functional" else self.embed(ids)
        if self.how != "bag":
            x = x + self.positions(torch.arange(ids.shape[1]))
        return self.head(x + self.narrow(torch.relu(self.widen(x))))
