"""References whose ports in `paddle_structures` compute the same in another structure, or nearly."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn


class Gates(nn.Module):
    """Three siblings of one shape, called as they are defined."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(8, 8)
        self.key = nn.Linear(8, 8)
        self.value = nn.Linear(8, 8)
        self.out = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), self.key(x), self.value(x)
        return self.out(torch.sigmoid(query) * torch.tanh(key) + value)


class Perceptron(nn.Module):
    """Named layers, one level."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Linear(8, 16)
        self.entry_norm = nn.LayerNorm(16)
        self.middle = nn.Linear(16, 16)
        self.middle_norm = nn.LayerNorm(16)
        self.exit = nn.Linear(16, 4)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.entry_norm(self.entry(x)))
        return self.exit(self.act(self.middle_norm(self.middle(x))))


class Branches(nn.Module):
    """Branches of different lengths that end alike."""

    def __init__(self) -> None:
        super().__init__()
        self.short = nn.Sequential(nn.Conv2d(3, 4, 1))
        self.long = nn.Sequential(nn.Conv2d(3, 5, 1), nn.ReLU(), nn.Conv2d(5, 4, 3, padding=1))
        self.longer = nn.Sequential(nn.Conv2d(3, 5, 1), nn.ReLU(), nn.Conv2d(5, 4, 5, padding=2))
        self.join = nn.Conv2d(12, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat([self.short(x), self.long(x), self.longer(x)], 1))


class Twins(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(8, 8)
        self.right = nn.Linear(8, 8)
        self.exit = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.exit(self.right(self.left(x).relu()).relu())


def gates() -> nn.Module:
    return Gates()


def perceptron() -> nn.Module:
    return Perceptron()


def branches() -> nn.Module:
    return Branches()


def twins() -> nn.Module:
    return Twins()


def convolutional() -> nn.Module:
    """Maps images [n, 3, 8, 8] to [n, 4]."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, 6, 3),
            norm=nn.BatchNorm2d(6),
            act=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            scores=nn.Linear(6, 4),
        )
    )
