"""Torch halves of models whose code between layers goes as it should forward, whatever gradients do."""

from __future__ import annotations

import torch
from torch import nn


class Turn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.factor * gradient, None


class Block(nn.Module):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x):
        h = self.up(self.norm(x))
        if self.fault == "hook":
            h.register_hook(lambda gradient: gradient * 0.5)
        h = Turn.apply(h, 0.2 if self.fault == "factor" else 0.1)
        h = torch.relu(h) * 0.7
        keep = h > 0.6 if self.fault == "where" else h > 0.2
        h = torch.where(keep, h, h.detach())
        h = self.down(h.detach() if self.fault == "detach" else h)
        return h + x


class Net(nn.Module):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(""), Block(fault), Block("")])
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))
