"""DenseNet-121 in Torch as torchvision builds it: every layer joins all that its block has, anew."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_drawing import draw

DEPTHS = (6, 12, 24, 16)


class DenseLayer(nn.Module):
    """Makes `growth` channels of all that its block has so far."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, made: list[Tensor]) -> Tensor:
        x = self.conv1(self.relu1(self.norm1(torch.cat(made, 1))))
        return self.conv2(self.relu2(self.norm2(x)))


class DenseBlock(nn.ModuleDict):
    """Layers that each take what those before made; [n, c, h, w] -> [n, c + depth * growth, h, w]."""

    def __init__(self, depth: int, channels: int, growth: int) -> None:
        names = [f"denselayer{number + 1}" for number in range(depth)]
        super().__init__(
            {name: DenseLayer(channels + number * growth, growth) for number, name in enumerate(names)}
        )

    def forward(self, x: Tensor) -> Tensor:
        made = [x]
        for layer in self.values():
            made.append(layer(made))
        return torch.cat(made, 1)


class Transition(nn.Sequential):
    """Halves channels and image between two blocks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2)


class DenseNet121(nn.Module):
    """Maps images [n, 3, h, w] to scores [n, classes]."""

    def __init__(self, classes: int, growth: int = 32) -> None:
        super().__init__()
        self.features = nn.Sequential()
        self.features.conv0 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.features.norm0 = nn.BatchNorm2d(64)
        self.features.relu0 = nn.ReLU(inplace=True)
        self.features.pool0 = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for number, depth in enumerate(DEPTHS, start=1):
            setattr(self.features, f"denseblock{number}", DenseBlock(depth, channels, growth))
            channels += depth * growth
            if number < len(DEPTHS):
                setattr(self.features, f"transition{number}", Transition(channels))
                channels //= 2
        self.features.norm5 = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.features(images), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(x, 1).flatten(1))


def densenet121(classes: int = 10) -> nn.Module:
    return draw(DenseNet121(classes))
