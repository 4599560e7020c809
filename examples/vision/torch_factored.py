"""Inception v3 in Torch: lists of branches, where Paddle's have names."""

from __future__ import annotations

from typing import Union

import torch
from torch import Tensor, nn
from torch_branches import ScaledDropout
from torch_drawing import draw

Size = Union[int, tuple[int, int]]
# Width, size, stride, padding.
Step = tuple[int, Size, int, Size]
TALL, WIDE = (7, 1), (1, 7)


class ConvNorm(nn.Module):
    """A convolution and its norm, which is defined first; the activation is a function."""

    def __init__(self, channels: int, width: int, size: Size, stride: int = 1, padding: Size = 0) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.filter = nn.Conv2d(channels, width, size, stride, padding, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.norm(self.filter(x)))


class Split(nn.Module):
    """A wide filter and a tall one beside each other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.tall = ConvNorm(channels, 384, (3, 1), padding=(1, 0))
        self.wide = ConvNorm(channels, 384, (1, 3), padding=(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.wide(x), self.tall(x)], 1)


class Branches(nn.Module):
    """Branches that take one tensor; their results are joined."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def chain(channels: int, *steps: Step) -> nn.Sequential:
    widths = [channels, *(step[0] for step in steps)]
    return nn.Sequential(*(ConvNorm(before, *step) for before, step in zip(widths, steps)))


def pooled(channels: int, width: int) -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(3, 1, 1), ConvNorm(channels, width, 1))


def square(channels: int, width: int) -> nn.Module:
    """Returns a block of filters up to 5 x 5."""
    return Branches(
        chain(channels, (64, 1, 1, 0)),
        chain(channels, (48, 1, 1, 0), (64, 5, 1, 2)),
        chain(channels, (64, 1, 1, 0), (96, 3, 1, 1), (96, 3, 1, 1)),
        pooled(channels, width),
    )


def factored(channels: int, inner: int) -> nn.Module:
    """Returns a block whose 7 x 7 filters are a tall and a wide one each."""
    tall: Step = (inner, TALL, 1, (3, 0))
    wide: Step = (inner, WIDE, 1, (0, 3))
    end = (192, *wide[1:])
    return Branches(
        chain(channels, (192, 1, 1, 0)),
        chain(channels, (inner, 1, 1, 0), wide, (192, *tall[1:])),
        chain(channels, (inner, 1, 1, 0), tall, wide, tall, end),
        pooled(channels, 192),
    )


def spread(channels: int) -> nn.Module:
    """Returns a block that splits its filters."""
    return Branches(
        chain(channels, (320, 1, 1, 0)),
        nn.Sequential(chain(channels, (384, 1, 1, 0)), Split(384)),
        nn.Sequential(chain(channels, (448, 1, 1, 0), (384, 3, 1, 1)), Split(384)),
        pooled(channels, 192),
    )


class InceptionV3(nn.Module):
    """Maps images [n, 3, h, w] of at least 75 x 75 to scores [n, classes]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.scores = nn.Linear(2048, classes)
        self.drop = ScaledDropout(0.2)
        self.entry = nn.Sequential(
            *chain(3, (32, 3, 2, 0), (32, 3, 1, 0), (64, 3, 1, 1)),
            nn.MaxPool2d(3, 2),
            *chain(64, (80, 1, 1, 0), (192, 3, 1, 0)),
            nn.MaxPool2d(3, 2),
        )
        halved = Branches(
            chain(288, (384, 3, 2, 0)),
            chain(288, (64, 1, 1, 0), (96, 3, 1, 1), (96, 3, 2, 0)),
            nn.MaxPool2d(3, 2),
        )
        seven: tuple[Step, Step] = ((192, WIDE, 1, (0, 3)), (192, TALL, 1, (3, 0)))
        halved_again = Branches(
            chain(768, (192, 1, 1, 0), (320, 3, 2, 0)),
            chain(768, (192, 1, 1, 0), *seven, (192, 3, 2, 0)),
            nn.MaxPool2d(3, 2),
        )
        self.blocks = nn.Sequential(
            *(square(channels, width) for channels, width in ((192, 32), (256, 64), (288, 64))),
            halved,
            *(factored(768, inner) for inner in (128, 160, 160, 192)),
            halved_again,
            *(spread(channels) for channels in (1280, 2048)),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.blocks(self.entry(images))
        return self.scores(self.drop(x.mean((2, 3))))


def inception_v3(classes: int = 10) -> nn.Module:
    return draw(InceptionV3(classes))
