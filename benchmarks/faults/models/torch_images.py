"""References that look at images: a small CNN, a U-Net, a detector over two levels of a pyramid."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Unit(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(y)))


class Cnn(nn.Module):
    """Maps images [n, 3, 16, 16] to scores [n, 10]."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem, self.stem_norm, self.act = (
            nn.Conv2d(3, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.units = nn.ModuleList(Unit(width) for _ in range(3))
        self.shrink = nn.AvgPool2d(3, 2, 1, count_include_pad=False)
        self.drop = nn.Dropout(0.1)
        self.hidden, self.head = nn.Linear(width * 16, 32), nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.pool(self.act(self.stem_norm(self.stem(images))))
        for unit in self.units:
            x = unit(x)
        x = self.shrink(x).flatten(1)
        return self.head(self.drop(F.relu(self.hidden(x))))


class Stage(nn.Module):
    """A convolution, its norm over groups of channels, and a leaky activation."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, width, 3, padding=1), nn.GroupNorm(4, width)
        self.act = nn.LeakyReLU(0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


class Unet(nn.Module):
    """Maps images [n, 3, 16, 16] to logits [n, 2, 16, 16]."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.down1, self.down2 = Stage(3, width), Stage(width, 2 * width)
        self.pool, self.bottom = nn.MaxPool2d(2), Stage(2 * width, 4 * width)
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.up2 = Stage(6 * width, 2 * width)
        self.raise1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.up1, self.last = Stage(2 * width, width), nn.Conv2d(width, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        high = self.down1(images)
        middle = self.down2(self.pool(high))
        low = self.bottom(self.pool(middle))
        x = self.up2(torch.cat([middle, self.enlarge(low)], 1))
        x = self.up1(torch.cat([high, self.raise1(x)], 1))
        return self.last(x)


class Detector(nn.Module):
    """Maps images [n, 3, 32, 32] to scores [n, 80, 4] and boxes [n, 80, 4] on two levels."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.norm3 = nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False), nn.BatchNorm2d(2 * width)
        self.act = nn.SiLU()
        self.side2, self.side3 = nn.Conv2d(width, width, 1), nn.Conv2d(2 * width, width, 1)
        self.smooth = nn.Conv2d(width, width, 3, padding=1)
        self.scores, self.boxes = nn.Conv2d(width, 4, 3, padding=1), nn.Conv2d(width, 4, 3, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.act(self.norm1(self.conv1(images)))
        level2 = self.act(self.norm2(self.conv2(x)))
        level3 = self.act(self.norm3(self.conv3(level2)))
        low = self.side3(level3)
        high = self.smooth(self.side2(level2) + F.interpolate(low, scale_factor=2, mode="nearest"))
        scores = [self.scores(level).flatten(2).transpose(1, 2) for level in (high, low)]
        boxes = [self._decoded(self.boxes(level), step) for level, step in ((high, 4), (low, 8))]
        return torch.cat(scores, 1), torch.cat(boxes, 1)

    @staticmethod
    def _decoded(raw: Tensor, step: int) -> Tensor:
        """Returns boxes [n, h * w, 4] of centres and sizes, in pixels, of raw ones [n, 4, h, w]."""
        height, width = raw.shape[2:]
        rows = (torch.arange(height, dtype=raw.dtype) + 0.5).view(1, 1, height, 1).expand(1, 1, height, width)
        columns = (
            (torch.arange(width, dtype=raw.dtype) + 0.5).view(1, 1, 1, width).expand(1, 1, height, width)
        )
        centres = (torch.sigmoid(raw[:, :2]) - 0.5 + torch.cat([columns, rows], 1)) * step
        sizes = torch.exp(torch.clamp(0.1 * raw[:, 2:], max=4.0)) * (2 * step)
        return torch.cat([centres, sizes], 1).flatten(2).transpose(1, 2)
