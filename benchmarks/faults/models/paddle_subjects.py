"""The candidates by name, sound or with one planted fault."""

from __future__ import annotations

from typing import Any, Optional

import paddle_images
import paddle_numbers
import paddle_sequences
from paddle import nn
from paddle.vision import models
from paddle_planting import plant


def mobilenet() -> nn.Layer:
    """Returns Paddle's own, whose dropout the reference does without."""
    model = models.mobilenet_v2(num_classes=10)
    model.classifier[0].p = 0.0
    return model


FACTORIES: dict[str, Any] = {
    "resnet50": lambda: models.resnet50(num_classes=10),
    "mobilenet": mobilenet,
    "cnn": paddle_images.Cnn,
    "unet": paddle_images.Unet,
    "detector": paddle_images.Detector,
    "encoder": paddle_sequences.Encoder,
    "decoder": paddle_sequences.Decoder,
    "vit": paddle_sequences.Vit,
    "lstm": paddle_sequences.Lstm,
    "reduction": paddle_numbers.Reduction,
    "ties": paddle_numbers.Ties,
    "decisions": paddle_numbers.Decisions,
}


def build(name: str, fault: Optional[dict[str, Any]] = None, **settings: Any) -> nn.Layer:
    """Returns the candidate `name`; `fault` are the arguments of `plant`."""
    model = FACTORIES[name](**settings)
    if fault is not None:
        plant(model, **fault)
    return model
