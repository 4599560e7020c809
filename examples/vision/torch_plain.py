"""ResNet-18 and VGG-16 in Torch, written another way than Paddle's: names, nesting, order of definition."""

from __future__ import annotations

from torch import Tensor, nn
from torch_drawing import draw


class ResidualUnit(nn.Module):
    """Two convolutions on a branch, defined after the shortcut that joins them."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.skip = nn.Identity()
        if stride != 1 or channels != width:
            self.skip = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
            )
        self.branch = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        # The shortcut first, where Paddle's block computes it last.
        skip = self.skip(x)
        return nn.functional.relu(self.branch(x) + skip)


class ResNet18(nn.Module):
    """Maps images [n, 3, h, w] to scores [n, classes]; eight units in one flat list."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(512, classes)
        self.units = nn.ModuleList()
        channels = 64
        for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            self.units.append(ResidualUnit(channels, width, stride))
            self.units.append(ResidualUnit(width, width, 1))
            channels = width
        self.entry = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.entry(images)
        for unit in self.units:
            x = unit(x)
        return self.head(x.mean((2, 3)))


class Stage(nn.Module):
    """Convolutions of one width, then a pool."""

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels if number == 0 else width, width, 3, padding=1) for number in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        for convolution in self.convolutions:
            x = nn.functional.relu(convolution(x))
        return nn.functional.max_pool2d(x, 2)


class Vgg16(nn.Module):
    """Maps images [n, 3, h, w] to scores [n, classes], or to features [n, 512, 7, 7] without classes.

    Activations and pools are functions.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.scores = nn.Linear(4096, classes) if classes else None
        self.hidden = nn.ModuleDict()
        if classes:
            self.hidden["second"] = nn.Linear(4096, 4096)
            self.hidden["first"] = nn.Linear(512 * 7 * 7, 4096)
        self.stages = nn.ModuleList()
        channels = 3
        for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            self.stages.append(Stage(channels, width, depth))
            channels = width

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for stage in self.stages:
            x = stage(x)
        x = nn.functional.adaptive_avg_pool2d(x, 7)
        if self.scores is None:
            return x
        x = x.flatten(1)
        x = self.hidden["first"](x).relu()
        x = self.hidden["second"](x).relu()
        return self.scores(x)


def resnet18(classes: int = 10) -> nn.Module:
    return draw(ResNet18(classes))


def vgg16(classes: int = 10) -> nn.Module:
    return draw(Vgg16(classes))
