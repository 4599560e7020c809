"""GoogLeNet, SqueezeNet and DenseNet in Torch: branches that are called in another order than Paddle's."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_drawing import draw


class ScaledDropout(nn.Module):
    """Drops in training and scales in evaluation, as Paddle's "downscale_in_infer"; Torch's does not."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return x * torch.empty_like(x).bernoulli_(1 - self.p)
        return x * (1 - self.p)


class Mixed(nn.Module):
    """Four branches, the pooled one first; each activates its own end, before they are joined."""

    def __init__(
        self, channels: int, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int
    ) -> None:
        super().__init__()
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(channels, pooled, 1, bias=False))
        self.five = self._chain(channels, *five, size=5)
        self.three = self._chain(channels, *three, size=3)
        self.one = nn.Conv2d(channels, one, 1, bias=False)

    @staticmethod
    def _chain(channels: int, narrow: int, width: int, size: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(channels, narrow, 1, bias=False),
            nn.Conv2d(narrow, width, size, padding=size // 2, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        pooled, five, three, one = self.pooled(x), self.five(x), self.three(x), self.one(x)
        return torch.cat([branch.relu() for branch in (one, three, five, pooled)], 1)


class SideScores(nn.Module):
    """A classifier half-way up."""

    def __init__(self, channels: int, classes: int, is_activated: bool) -> None:
        super().__init__()
        self.is_activated = is_activated
        self.narrow = nn.Conv2d(channels, 128, 1, bias=False)
        self.hidden = nn.Linear(128 * 3 * 3, 1024)
        self.drop = ScaledDropout(0.7)
        self.scores = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.narrow(nn.functional.avg_pool2d(x, 5, 3)).flatten(1)
        x = self.hidden(x)
        return self.scores(self.drop(x.relu() if self.is_activated else x))


class GoogLeNet(nn.Module):
    """Maps images [n, 3, 224, 224] to three scores [n, classes]: main, lower and upper."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.lower = SideScores(512, classes, is_activated=True)
        self.upper = SideScores(528, classes, is_activated=False)
        self.entry = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 64, 1, bias=False),
            nn.Conv2d(64, 192, 3, padding=1, bias=False),
            nn.MaxPool2d(3, 2),
        )
        self.mixed3 = nn.ModuleList(
            [Mixed(192, 64, (96, 128), (16, 32), 32), Mixed(256, 128, (128, 192), (32, 96), 64)]
        )
        self.mixed4 = nn.ModuleList(
            [
                Mixed(480, 192, (96, 208), (16, 48), 64),
                Mixed(512, 160, (112, 224), (24, 64), 64),
                Mixed(512, 128, (128, 256), (24, 64), 64),
                Mixed(512, 112, (144, 288), (32, 64), 64),
                Mixed(528, 256, (160, 320), (32, 128), 128),
            ]
        )
        self.mixed5 = nn.ModuleList(
            [Mixed(832, 256, (160, 320), (32, 128), 128), Mixed(832, 384, (192, 384), (48, 128), 128)]
        )
        self.drop = ScaledDropout(0.4)
        self.scores = nn.Linear(1024, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.entry(images)
        for block in self.mixed3:
            x = block(x)
        x = nn.functional.max_pool2d(x, 3, 2)
        side = []
        for number, block in enumerate(self.mixed4):
            x = block(x)
            # At once, where Paddle's model comes back to them at the end.
            if number == 0:
                side.append(self.lower(x))
            elif number == 3:
                side.append(self.upper(x))
        x = nn.functional.max_pool2d(x, 3, 2)
        for block in self.mixed5:
            x = block(x)
        return self.scores(self.drop(x.mean((2, 3)))), side[0], side[1]


class Fire(nn.Module):
    """Squeeze, then expand two ways, the 3x3 filters first."""

    def __init__(self, channels: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.expand3x3 = nn.Conv2d(narrow, wide, 3, padding=1)
        self.expand1x1 = nn.Conv2d(narrow, wide, 1)
        self.squeeze = nn.Conv2d(channels, narrow, 1)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.squeeze(x))
        large = self.activation(self.expand3x3(x))
        small = self.activation(self.expand1x1(x))
        return torch.cat([small, large], 1)


def squeezenet(classes: int = 10) -> nn.Module:
    """Returns SqueezeNet 1.0 as one flat Sequential of images [n, 3, h, w] to scores [n, classes]."""
    model = nn.Sequential(
        nn.Conv2d(3, 96, 7, stride=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        Fire(96, 16, 64),
        Fire(128, 16, 64),
        Fire(128, 32, 128),
        nn.MaxPool2d(3, 2),
        Fire(256, 32, 128),
        Fire(256, 48, 192),
        Fire(384, 48, 192),
        Fire(384, 64, 256),
        nn.MaxPool2d(3, 2),
        Fire(512, 64, 256),
        ScaledDropout(0.5),
        nn.Conv2d(512, classes, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    return draw(model)


class NormActivation(nn.BatchNorm2d):
    """A norm that activates as well, as Paddle's `BatchNorm(act="relu")` does."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(super().forward(x))


class DenseNet121(nn.Module):
    """Maps images [n, 3, h, w] to scores [n, classes]."""

    def __init__(self, classes: int, growth: int = 32) -> None:
        super().__init__()
        self.entry = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), NormActivation(64), nn.MaxPool2d(3, 2, 1)
        )
        self.blocks, self.transitions = nn.ModuleList(), nn.ModuleList()
        channels = 64
        for stage, depth in enumerate((6, 12, 24, 16)):
            if stage:
                self.transitions.append(self._transition(channels))
                channels //= 2
            self.blocks.append(
                nn.ModuleList(self._dense(channels + growth * n, growth) for n in range(depth))
            )
            channels += growth * depth
        self.exit = NormActivation(channels)
        self.scores = nn.Linear(channels, classes)

    @staticmethod
    def _dense(channels: int, growth: int) -> nn.Module:
        narrow = 4 * growth
        return nn.Sequential(
            NormActivation(channels),
            nn.Conv2d(channels, narrow, 1, bias=False),
            NormActivation(narrow),
            nn.Conv2d(narrow, growth, 3, padding=1, bias=False),
        )

    @staticmethod
    def _transition(channels: int) -> nn.Module:
        return nn.Sequential(
            NormActivation(channels), nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2)
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.entry(images)
        for stage, block in enumerate(self.blocks):
            if stage:
                x = self.transitions[stage - 1](x)
            for layer in block:
                x = torch.cat([x, layer(x)], 1)
        return self.scores(self.exit(x).mean((2, 3)))


def googlenet(classes: int = 10) -> nn.Module:
    return draw(GoogLeNet(classes))


def densenet121(classes: int = 10) -> nn.Module:
    return draw(DenseNet121(classes))
