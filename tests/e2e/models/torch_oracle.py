"""A small network whose norm can be made wrong; the reference."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Norm(nn.Module):
    """A layer norm without scale and shift; a lossy one takes the mean's square from the mean of squares."""

    def __init__(self, is_lossy: bool, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.5, 1.5, 16))
        self.is_lossy, self.eps = is_lossy, eps

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(-1, keepdim=True)
        if self.is_lossy:
            variance = (x * x).mean(-1, keepdim=True) - mean * mean
        return (x - mean) / torch.sqrt(variance + self.eps) * self.weight


class Network(nn.Module):
    def __init__(self, is_lossy: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.norm = Norm(is_lossy)
        self.last = nn.Linear(16, 4)
        with torch.no_grad():
            self.first.bias += 50.0

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x)))
