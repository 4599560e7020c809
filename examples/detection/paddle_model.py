"""The candidate: the same detector in Paddle, written on its own: other names, other nesting."""

from __future__ import annotations

import paddle.nn.functional as F
from paddle import Tensor, nn


class ConvNormAct(nn.Layer):
    """A convolution with its norm and activation."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2D(inputs, outputs, 3, stride=stride, padding=1, bias_attr=False)
        self.bn = nn.BatchNorm2D(outputs)
        self.act = nn.Silu()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class FPN(nn.Layer):
    """Carries coarse features down to finer ones."""

    def __init__(self, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.lateral_convs = nn.LayerList([nn.Conv2D(width, 32, 1) for width in (32, 64, 128)])
        self.fpn_convs = nn.LayerList([nn.Conv2D(32, 32, 3, padding=1) for _ in range(3)])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        maps = [layer(one) for layer, one in zip(self.lateral_convs, features)]
        for n in (1, 0):
            size = maps[n].shape[-2:]
            maps[n] = maps[n] + F.interpolate(
                maps[n + 1], size=size, mode="bilinear", align_corners=self.align_corners
            )
        return [layer(one) for layer, one in zip(self.fpn_convs, maps)]


class Backbone(nn.Layer):
    """Features of three strides."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(3, 16, 2)
        self.blocks = nn.LayerList([ConvNormAct(16, 32, 2), ConvNormAct(32, 64, 2), ConvNormAct(64, 128, 2)])

    def forward(self, images: Tensor) -> list[Tensor]:
        x, features = self.conv1(images), []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features


class Detector(nn.Layer):
    """Maps images [n, 3, h, w] to boxes and scores of three scales."""

    def __init__(self, classes: int, align_corners: bool) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.neck = FPN(align_corners)
        self.reg_head = nn.Conv2D(32, 4, 1)
        self.cls_head = nn.Conv2D(32, classes, 1)

    def forward(self, images: Tensor) -> dict[str, list[Tensor]]:
        levels = self.neck(self.backbone(images))
        return {
            "boxes": [F.sigmoid(self.reg_head(level)) for level in levels],
            "scores": [self.cls_head(level) for level in levels],
        }


def build(align_corners: bool = False) -> nn.Layer:
    """Returns the model; `align_corners` plants a mistake in the pyramid."""
    return Detector(20, align_corners)
