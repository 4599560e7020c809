"""References whose values cancel, or that decide between equal ones; there is nothing to learn from them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Reduction(nn.Module):
    """Means of many terms that cancel, in a norm's statistics and in a pool: [1, 1, terms] -> [1, 4]."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.again = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
        self.pool, self.head = nn.AdaptiveAvgPool1d(1), nn.Linear(1, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        centred = self.again(self.norm(x))
        return self.head(self.pool(centred).flatten(1)) + centred.std()


class Ties(nn.Module):
    """Decisions between values that are equal but for rounding: even images [n, 4, 8, 8] -> [n, 5]."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.conv, self.pool = kind, nn.Conv2d(4, 8, 3, padding=1), nn.MaxPool2d(2)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        # The same numbers, but for rounding, in which frameworks differ.
        near = torch.log(torch.exp(y))
        if self.kind == "pool":
            y = self.pool(torch.cat([y, near], 3))
        elif self.kind == "quantised":
            # Inputs are odd sixteenths, so that each lies in the middle between two steps.
            y = y + torch.round(torch.log(torch.exp(x)) * 8).repeat(1, 2, 1, 1) / 8
        elif self.kind == "routed":
            flat = torch.cat([y[:, :4], near[:, :4]], 1).flatten(2).transpose(1, 2)
            values, chosen = torch.topk(flat, 3, -1)
            gates = torch.zeros_like(flat).scatter(-1, chosen, torch.softmax(values, -1))
            y = (flat * gates).transpose(1, 2)
        elif self.kind == "argmax":
            flat = torch.cat([y, near], 3).flatten(2)
            places = torch.arange(flat.shape[2], dtype=y.dtype) / flat.shape[2]
            y = flat + (F.one_hot(flat.argmax(-1), flat.shape[2]).to(y.dtype) * places).sum(-1, True)
        return self.head(y.flatten(2).mean(2))
