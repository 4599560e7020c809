"""ShuffleNet V2 in Torch: the halves of the channels are views, and the shuffle is a permutation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_drawing import draw


def conv_norm(channels: int, width: int, size: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    filters = nn.Conv2d(channels, width, size, stride, size // 2, groups=groups, bias=False)
    return [filters, nn.BatchNorm2d(width)]


class Unit(nn.Module):
    """Filters one half of the channels, or halves the image and filters all of them twice."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        half = width // 2
        self.is_halving = stride == 2
        taken = channels if self.is_halving else channels // 2
        self.main = nn.Sequential(
            *conv_norm(taken, half, 1),
            nn.ReLU(inplace=True),
            *conv_norm(half, half, 3, stride, groups=half),
            *conv_norm(half, half, 1),
            nn.ReLU(inplace=True),
        )
        self.side = nn.Identity()
        if self.is_halving:
            self.side = nn.Sequential(
                *conv_norm(channels, channels, 3, stride, groups=channels),
                *conv_norm(channels, half, 1),
                nn.ReLU(inplace=True),
            )

    def forward(self, x: Tensor) -> Tensor:
        kept, filtered = (x, x) if self.is_halving else x.chunk(2, 1)
        x = torch.stack([self.side(kept), self.main(filtered)], 2)
        return x.flatten(1, 2)


class ShuffleNetV2(nn.Module):
    """Maps images [n, 3, h, w] to scores [n, classes]."""

    # Width and units of each stage, at a scale of one half.
    STAGES = ((48, 4), (96, 8), (192, 4))

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.scores = nn.Linear(1024, classes)
        units, channels = [], 24
        for width, count in self.STAGES:
            units += [Unit(channels, width, 2), *(Unit(width, width, 1) for _ in range(count - 1))]
            channels = width
        self.trunk = nn.Sequential(
            *conv_norm(3, 24, 3, 2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
            *units,
            *conv_norm(channels, 1024, 1),
            nn.ReLU(),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.scores(self.trunk(images).mean((2, 3)))


def shufflenet_v2(classes: int = 10) -> nn.Module:
    return draw(ShuffleNetV2(classes))
