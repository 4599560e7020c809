"""A mean is taken away from values near it, in one order or another: halves leave little but rounding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MEAN = 60.0


class Far(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + MEAN


class Centre(nn.Module):
    def __init__(self, is_factored: bool, fault: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((16,), 0.7))
        self.is_factored, self.mean = is_factored, MEAN - fault

    def forward(self, x: Tensor) -> Tensor:
        if self.is_factored:
            return x * self.weight - self.mean * self.weight
        return (x - self.mean) * self.weight


class Near(nn.Module):
    def __init__(self, is_factored: bool = False, fault: float = 0.0) -> None:
        super().__init__()
        self.far, self.centre = Far(), Centre(is_factored, fault)

    def forward(self, x: Tensor) -> Tensor:
        return self.centre(self.far(x))
