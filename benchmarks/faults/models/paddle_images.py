"""Candidates that look at images. Code between layers is a method of its own, which faults can replace."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F


class Unit(nn.Layer):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2D(width, width, 3, padding=1, bias_attr=False)
        self.norm1 = nn.BatchNorm2D(width)
        self.conv2 = nn.Conv2D(width, width, 3, padding=1, bias_attr=False)
        self.norm2 = nn.BatchNorm2D(width)
        self.act = nn.ReLU()

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.norm1(self.conv1(x)))
        return F.relu(self.add(x, self.norm2(self.conv2(y))))


class Cnn(nn.Layer):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem, self.stem_norm, self.act = (
            nn.Conv2D(3, width, 3, padding=1),
            nn.BatchNorm2D(width),
            nn.ReLU(),
        )
        self.pool = nn.MaxPool2D(3, 2, 1)
        self.units = nn.LayerList(Unit(width) for _ in range(3))
        self.shrink = nn.AvgPool2D(3, 2, 1, exclusive=True)
        self.drop = nn.Dropout(0.1)
        self.hidden, self.head = nn.Linear(width * 16, 32), nn.Linear(32, 10)

    def flat(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def activate(self, x: Tensor) -> Tensor:
        return F.relu(x)

    def forward(self, images: Tensor) -> Tensor:
        x = self.pool(self.act(self.stem_norm(self.stem(images))))
        for unit in self.units:
            x = unit(x)
        x = self.flat(self.shrink(x))
        return self.head(self.drop(self.activate(self.hidden(x))))


class Stage(nn.Layer):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2D(channels, width, 3, padding=1), nn.GroupNorm(4, width)
        self.act = nn.LeakyReLU(0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


class Unet(nn.Layer):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.down1, self.down2 = Stage(3, width), Stage(width, 2 * width)
        self.pool, self.bottom = nn.MaxPool2D(2), Stage(2 * width, 4 * width)
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.up2 = Stage(6 * width, 2 * width)
        self.raise1 = nn.Conv2DTranspose(2 * width, width, 2, stride=2)
        self.up1, self.last = Stage(2 * width, width), nn.Conv2D(width, 2, 1)

    def join(self, kept: Tensor, raised: Tensor) -> Tensor:
        return paddle.concat([kept, raised], 1)

    def forward(self, images: Tensor) -> Tensor:
        high = self.down1(images)
        middle = self.down2(self.pool(high))
        low = self.bottom(self.pool(middle))
        x = self.up2(self.join(middle, self.enlarge(low)))
        x = self.up1(self.join(high, self.raise1(x)))
        return self.last(x)


class Detector(nn.Layer):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2D(3, width, 3, 2, 1, bias_attr=False), nn.BatchNorm2D(width)
        self.conv2, self.norm2 = nn.Conv2D(width, width, 3, 2, 1, bias_attr=False), nn.BatchNorm2D(width)
        self.conv3 = nn.Conv2D(width, 2 * width, 3, 2, 1, bias_attr=False)
        self.norm3 = nn.BatchNorm2D(2 * width)
        self.act = nn.Silu()
        self.side2, self.side3 = nn.Conv2D(width, width, 1), nn.Conv2D(2 * width, width, 1)
        self.smooth = nn.Conv2D(width, width, 3, padding=1)
        self.scores, self.boxes = nn.Conv2D(width, 4, 3, padding=1), nn.Conv2D(width, 4, 3, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.act(self.norm1(self.conv1(images)))
        level2 = self.act(self.norm2(self.conv2(x)))
        level3 = self.act(self.norm3(self.conv3(level2)))
        low = self.side3(level3)
        high = self.smooth(self.add(self.side2(level2), self.enlarged(low)))
        scores = [self.scores(level).flatten(2).transpose([0, 2, 1]) for level in (high, low)]
        boxes = [self.decoded(self.boxes(level), step) for level, step in ((high, 4), (low, 8))]
        return paddle.concat(scores, 1), paddle.concat(boxes, 1)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y

    def enlarged(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="nearest")

    def sizes(self, raw: Tensor, step: int) -> Tensor:
        return paddle.exp(paddle.clip(0.1 * raw, max=4.0)) * (2 * step)

    def centres(self, raw: Tensor, step: int) -> Tensor:
        height, width = raw.shape[2:]
        rows = (paddle.arange(height, dtype=raw.dtype) + 0.5).reshape([1, 1, height, 1])
        columns = (paddle.arange(width, dtype=raw.dtype) + 0.5).reshape([1, 1, 1, width])
        grid = [columns.expand([1, 1, height, width]), rows.expand([1, 1, height, width])]
        return (F.sigmoid(raw) - 0.5 + paddle.concat(grid, 1)) * step

    def decoded(self, raw: Tensor, step: int) -> Tensor:
        made = paddle.concat([self.centres(raw[:, :2], step), self.sizes(raw[:, 2:], step)], 1)
        return made.flatten(2).transpose([0, 2, 1])
