"""Blocks of branches on one input, many of whose layers look alike; the reference."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvNorm(nn.Module):
    def __init__(self, channels: int, width: int, size: tuple[int, int]) -> None:
        super().__init__()
        padding = (size[0] // 2, size[1] // 2)
        self.conv = nn.Conv2d(channels, width, size, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = ConvNorm(channels, width, (1, 1))
        self.branch7x7_1 = ConvNorm(channels, width, (1, 1))
        self.branch7x7_2 = ConvNorm(width, width, (1, 7))
        self.branch7x7dbl_1 = ConvNorm(channels, width, (1, 1))
        self.branch7x7dbl_2 = ConvNorm(width, width, (7, 1))
        self.branch7x7dbl_3 = ConvNorm(width, width, (1, 7))
        self.branch_pool = ConvNorm(channels, width, (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        one = self.branch1x1(x)
        seven = self.branch7x7_2(self.branch7x7_1(x))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        pooled = self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1))
        return torch.cat([one, seven, double, pooled], 1)


class Net(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 4 * width, (3, 3))
        self.mixed_a, self.mixed_b = Mixed(4 * width, width), Mixed(4 * width, width)
        self.last = nn.Conv2d(4 * width, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.mixed_b(self.mixed_a(self.stem(x))))
