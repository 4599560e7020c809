"""Blocks of branches on one input, called and defined in another order; the ports."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn


class ConvNorm(nn.Layer):
    def __init__(self, channels: int, width: int, size: tuple[int, int]) -> None:
        super().__init__()
        padding = [size[0] // 2, size[1] // 2]
        self.conv = nn.Conv2D(channels, width, size, padding=padding, bias_attr=False)
        self.bn = nn.BatchNorm2D(width)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))


class Mixed(nn.Layer):
    def __init__(self, channels: int, width: int, fault: str) -> None:
        super().__init__()
        self.pool = nn.AvgPool2D(3, stride=1, padding=1, exclusive=False)
        self.branch_pool = ConvNorm(channels, width, (1, 1))
        self.branch7x7dbl_1 = ConvNorm(channels, width, (1, 1))
        self.branch7x7dbl_2 = ConvNorm(width, width, (7, 1))
        self.branch7x7dbl_3 = ConvNorm(width, width, (1, 7))
        self.branch7x7_1 = ConvNorm(channels, width, (1, 1))
        self.branch7x7_2 = ConvNorm(width, width, (1, 7))
        self.branch1x1 = ConvNorm(channels, width, (1, 1))
        self.fault = fault

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.branch_pool(self.pool(x))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        seven = self.branch7x7_2(self.branch7x7_1(x) * (1.01 if self.fault == "branch" else 1.0))
        one = self.branch1x1(x)
        if self.fault == "concat":
            return paddle.concat([pooled, double, seven, one], 1)
        return paddle.concat([one, seven, double, pooled], 1)


class Net(nn.Layer):
    def __init__(self, width: int = 4, fault: str = "") -> None:
        super().__init__()
        self.stem = ConvNorm(3, 4 * width, (3, 3))
        self.mixed_a, self.mixed_b = Mixed(4 * width, width, ""), Mixed(4 * width, width, fault)
        self.last = nn.Conv2D(4 * width, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.mixed_b(self.mixed_a(self.stem(x))))


def turned(arrays: dict[str, Any]) -> dict[str, Any]:
    """Returns the last layer's weights for branches that come in the opposite order."""
    four = np.split(arrays["weight"], 4, axis=1)
    return {"weight": np.concatenate(four[::-1], axis=1), "bias": arrays["bias"]}
