"""Paddle's own image models, of which one layer may hand back a wrong gradient."""

from __future__ import annotations

from typing import Optional

import paddle
from paddle import Tensor, nn
from paddle.vision import models


def build(name: str, tripled: Optional[str] = None) -> nn.Layer:
    """Returns a model without dropout, as the references are.

    The gradient of what the layer `tripled` returns is 3 times too large.
    """
    model: nn.Layer = getattr(models, name)(num_classes=10)
    for layer in model.sublayers(include_self=True):
        for own, child in list(layer.named_children()):
            if isinstance(child, nn.Dropout):
                layer.add_sublayer(own, nn.Identity())
    if tripled is not None:

        def triple(layer: nn.Layer, taken: object, made: Tensor) -> None:
            if not made.stop_gradient:
                made.register_hook(lambda gradient: 3 * gradient)

        dict(model.named_sublayers())[tripled].register_forward_post_hook(triple)
    return model


def adam(model: nn.Layer) -> paddle.optimizer.Optimizer:
    return paddle.optimizer.Adam(1e-3, parameters=model.parameters())
