"""MobileNets in Torch: separable convolutions with named parts, where Paddle's are nested Sequentials."""

from __future__ import annotations

from torch import Tensor, nn
from torch_drawing import draw


class ConvNorm(nn.Module):
    """A convolution, its norm and an activation that is a function; the norm is defined first."""

    def __init__(self, channels: int, width: int, size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.filter = nn.Conv2d(channels, width, size, stride, size // 2, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.norm(self.filter(x)))


class MobileNetV1(nn.Module):
    """Maps images [n, 3, h, w] to scores [n, classes]; depthwise and pointwise layers in one flat list."""

    SEPARABLE = (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *[(512, 1)] * 5,
        (1024, 2),
        (1024, 1),
    )

    def __init__(self, classes: int, scale: float) -> None:
        super().__init__()
        channels = int(32 * scale)
        layers = [ConvNorm(3, channels, 3, stride=2)]
        for width, stride in self.SEPARABLE:
            layers.append(ConvNorm(channels, channels, 3, stride, groups=channels))
            layers.append(ConvNorm(channels, int(width * scale), 1))
            channels = int(width * scale)
        self.trunk = nn.Sequential(*layers)
        self.classify = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.trunk(images).mean((2, 3)))


class Inverted(nn.Module):
    """Widen, filter each channel, narrow; the narrow ends are added where they fit."""

    def __init__(self, channels: int, width: int, stride: int, factor: int) -> None:
        super().__init__()
        wide = channels * factor
        self.is_residual = stride == 1 and channels == width
        self.narrow = nn.Conv2d(wide, width, 1, bias=False)
        self.narrow_norm = nn.BatchNorm2d(width)
        self.filter = nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False)
        self.filter_norm = nn.BatchNorm2d(wide)
        self.widen = nn.Conv2d(channels, wide, 1, bias=False) if factor != 1 else None
        self.widen_norm = nn.BatchNorm2d(wide) if factor != 1 else None
        self.clip = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.widen is not None:
            y = self.clip(self.widen_norm(self.widen(y)))
        y = self.clip(self.filter_norm(self.filter(y)))
        y = self.narrow_norm(self.narrow(y))
        return y + x if self.is_residual else y


class MobileNetV2(nn.Module):
    """Maps images [n, 3, h, w] to scores [n, classes]; a stage for each row of the paper's table."""

    # Factor, width, blocks, stride of the first.
    TABLE = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(32)
        channels, stages = 32, []
        for factor, width, blocks, stride in self.TABLE:
            stage = []
            for number in range(blocks):
                stage.append(Inverted(channels, width, stride if number == 0 else 1, factor))
                channels = width
            stages.append(nn.Sequential(*stage))
        self.stages = nn.Sequential(*stages)
        self.last = nn.Conv2d(channels, 1280, 1, bias=False)
        self.last_norm = nn.BatchNorm2d(1280)
        self.classify = nn.Linear(1280, classes)

    def forward(self, images: Tensor) -> Tensor:
        clip = nn.functional.relu6
        x = self.stages(clip(self.first_norm(self.first(images))))
        x = clip(self.last_norm(self.last(x)))
        return self.classify(x.mean((2, 3)))


def mobilenet_v1(classes: int = 10, scale: float = 0.5) -> nn.Module:
    return draw(MobileNetV1(classes, scale))


def mobilenet_v2(classes: int = 10) -> nn.Module:
    return draw(MobileNetV2(classes))
