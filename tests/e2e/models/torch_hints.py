"""Torch models whose ports make one mistake in each layer: see `test_hints.py`."""

import numpy as np
import torch
from torch import nn

WIDTH = 16


def numbers(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32) / 4


class Factor(nn.Module):
    """Multiplies by a weight and a number."""

    def __init__(self, number=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(1 + numbers(WIDTH)))
        self.number = number

    def forward(self, x):
        return x * self.weight * self.number


class Affine(nn.Module):
    """A linear layer of the user's own."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(numbers(WIDTH, 2 * WIDTH)))
        self.bias = nn.Parameter(torch.from_numpy(numbers(2 * WIDTH)))

    def forward(self, x):
        return x @ self.weight + self.bias


class Many(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH, eps=1e-5)
        nn.init.normal_(self.norm.bias)
        self.gelu = nn.GELU()
        self.scale = Factor(WIDTH**-0.5)
        self.sign = Factor()
        self.affine = Affine()
        self.fc = nn.Linear(2 * WIDTH, WIDTH)
        self.last = Factor()
        self.turned = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        x = self.gelu(self.norm(0.1 * x))
        x = self.sign(self.scale(x))
        return self.turned(self.last(self.fc(self.affine(x))))


class Square(nn.Module):
    """Two square layers with weights that files hold."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        with torch.no_grad():
            self.one.weight[:] = torch.from_numpy(numbers(WIDTH, WIDTH))
            self.two.weight[:] = torch.from_numpy(numbers(WIDTH, WIDTH)[::-1].copy())

    def forward(self, x):
        return self.two(self.one(x))
