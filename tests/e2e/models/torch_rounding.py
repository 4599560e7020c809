"""Networks with small gradients, and values that cancel; the references."""

from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor, nn


class ConvNorm(nn.Sequential):
    def __init__(
        self,
        channels: int,
        width: int,
        size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        act: Optional[type[nn.Module]] = None,
    ) -> None:
        conv = nn.Conv2d(channels, width, size, stride, size // 2, groups=groups, bias=False)
        norm = nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)
        super().__init__(conv, norm, *([act()] if act is not None else []))


class Squeeze(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.down, self.act = nn.Conv2d(channels, width, 1), nn.ReLU()
        self.up, self.gate = nn.Conv2d(width, channels, 1), nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.up(self.act(self.down(self.pool(x)))))


class Inverted(nn.Module):
    def __init__(
        self, channels: int, size: int, wide: int, width: int, squeeze: int, act: str, stride: int
    ) -> None:
        super().__init__()
        kind = nn.ReLU if act == "relu" else nn.Hardswish
        self.is_residual = stride == 1 and channels == width
        self.widen = ConvNorm(channels, wide, 1, act=kind) if channels != wide else None
        self.filter = ConvNorm(wide, wide, size, stride=stride, groups=wide, act=kind)
        self.squeeze = Squeeze(wide, squeeze) if squeeze else None
        self.narrow = ConvNorm(wide, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.filter(x if self.widen is None else self.widen(x))
        y = self.narrow(y if self.squeeze is None else self.squeeze(y))
        return x + y if self.is_residual else y


class MobileNetV3(nn.Module):
    """The small one, with the weights that its layers draw: its activations shrink from block to block."""

    # Channels, filter, wide channels, channels behind it, those of the squeeze (0: none), activation, stride.
    TABLE = (
        (16, 3, 16, 16, 8, "relu", 2),
        (16, 3, 72, 24, 0, "relu", 2),
        (24, 3, 88, 24, 0, "relu", 1),
        (24, 5, 96, 40, 24, "hard", 2),
        (40, 5, 240, 40, 64, "hard", 1),
        (40, 5, 240, 40, 64, "hard", 1),
        (40, 5, 120, 48, 32, "hard", 1),
        (48, 5, 144, 48, 40, "hard", 1),
        (48, 5, 288, 96, 72, "hard", 2),
        (96, 5, 576, 96, 144, "hard", 1),
        (96, 5, 576, 96, 144, "hard", 1),
    )

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.first = ConvNorm(3, 16, 3, stride=2, act=nn.Hardswish)
        self.blocks = nn.Sequential(*(Inverted(*row) for row in self.TABLE))
        self.last, self.pool = ConvNorm(96, 576, 1, act=nn.Hardswish), nn.AdaptiveAvgPool2d(1)
        self.widen, self.act, self.classify = nn.Linear(576, 1024), nn.Hardswish(), nn.Linear(1024, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.pool(self.last(self.blocks(self.first(images)))).flatten(1)
        return self.classify(self.act(self.widen(x)))


class Centred(nn.Module):
    """Means over an instance norm, which are zero but for rounding, by a layer or by a function."""

    def __init__(self, by: str = "pool", bias: bool = True) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 12, 1), nn.InstanceNorm2d(12, affine=True)
        self.pool = nn.AdaptiveAvgPool2d(1) if by == "pool" else None
        self.head = nn.Linear(12, 10, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        y = y.mean((2, 3)) if self.pool is None else self.pool(y).flatten(1)
        return self.head(y)


class Vanishing(nn.Module):
    """A mean over a final LayerNorm has no gradient before it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act, self.second = nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16)
        self.norm = nn.LayerNorm(16)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.second(self.act(self.first(x))))


class Spectrum(nn.Module):
    """A complex weight."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.filter = nn.Linear(8, 8), nn.Parameter(torch.randn(8, dtype=torch.cfloat))

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.ifft(torch.fft.fft(self.fc(x)) * self.filter).real


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=1e-2)


def slow_adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=1e-3)
