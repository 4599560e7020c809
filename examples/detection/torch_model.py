"""The reference: a small detector's backbone, pyramid and head in Torch."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Returns a convolution with its norm and activation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.SiLU(),
    )


class Pyramid(nn.Module):
    """Carries coarse features down to finer ones."""

    def __init__(self) -> None:
        super().__init__()
        self.laterals = nn.ModuleList([nn.Conv2d(width, 32, 1) for width in (32, 64, 128)])
        self.smooth = nn.ModuleList([nn.Conv2d(32, 32, 3, padding=1) for _ in range(3)])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        laterals = [layer(one) for layer, one in zip(self.laterals, features)]
        for n in (1, 0):
            coarse = F.interpolate(
                laterals[n + 1], size=laterals[n].shape[-2:], mode="bilinear", align_corners=False
            )
            laterals[n] = laterals[n] + coarse
        return [layer(one) for layer, one in zip(self.smooth, laterals)]


class Detector(nn.Module):
    """Maps images [n, 3, h, w] to boxes and scores of three scales."""

    def __init__(self, classes: int = 20) -> None:
        super().__init__()
        self.stem = conv(3, 16, 2)
        self.stages = nn.ModuleList([conv(16, 32, 2), conv(32, 64, 2), conv(64, 128, 2)])
        self.pyramid = Pyramid()
        self.boxes = nn.Conv2d(32, 4, 1)
        self.scores = nn.Conv2d(32, classes, 1)

    def forward(self, images: Tensor) -> dict[str, list[Tensor]]:
        x, features = self.stem(images), []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        levels = self.pyramid(features)
        return {
            "boxes": [self.boxes(level).sigmoid() for level in levels],
            "scores": [self.scores(level) for level in levels],
        }


def build() -> nn.Module:
    return Detector()
