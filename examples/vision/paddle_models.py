"""The candidates: image models as Paddle ships them, with few classes."""

from __future__ import annotations

from paddle import nn
from paddle.vision import models


def resnet18(classes: int = 10) -> nn.Layer:
    return models.resnet18(num_classes=classes)


def vgg16(classes: int = 10) -> nn.Layer:
    return models.vgg16(num_classes=classes)


def mobilenet_v1(classes: int = 10, scale: float = 0.5) -> nn.Layer:
    return models.mobilenet_v1(scale=scale, num_classes=classes)


def mobilenet_v2(classes: int = 10) -> nn.Layer:
    return models.mobilenet_v2(num_classes=classes)


def googlenet(classes: int = 10) -> nn.Layer:
    return models.googlenet(num_classes=classes)


def squeezenet(classes: int = 10) -> nn.Layer:
    return models.squeezenet1_0(num_classes=classes)


def densenet121(classes: int = 10) -> nn.Layer:
    return models.densenet121(num_classes=classes)


def inception_v3(classes: int = 10) -> nn.Layer:
    return models.inception_v3(num_classes=classes)


def shufflenet_v2(classes: int = 10) -> nn.Layer:
    return models.shufflenet_v2_x0_5(num_classes=classes)
