"""Networks with small gradients, and values that cancel; the candidates, with their faults."""

from __future__ import annotations

from typing import Optional

import paddle
from paddle import Tensor, nn
from paddle.vision import models


def mobilenet_v3(tripled: Optional[str] = None) -> nn.Layer:
    """Returns Paddle's own; the gradient of what the layer `tripled` returns is 3 times too large."""
    model = models.mobilenet_v3_small(num_classes=10)
    if tripled is not None:

        def triple(layer: nn.Layer, taken: object, made: Tensor) -> None:
            if not made.stop_gradient:
                made.register_hook(lambda gradient: 3 * gradient)

        dict(model.named_sublayers())[tripled].register_forward_post_hook(triple)
    return model


class Centred(nn.Layer):
    def __init__(self, by: str = "pool", bias: bool = True, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.conv, self.norm = nn.Conv2D(3, 12, 1), nn.InstanceNorm2D(12)
        self.pool = nn.AdaptiveAvgPool2D(1) if by == "pool" else None
        self.head = nn.Linear(12, 10, bias_attr=None if bias else False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        if self.fault == "one row":
            y = y[:, :, :1]
        if self.fault == "shifted":
            y = y + 1e-3
        y = y.mean([2, 3]) if self.pool is None else self.pool(y).flatten(1)
        return self.head(y) + (1e-3 if self.fault == "behind" else 0.0)


class Vanishing(nn.Layer):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.first, self.act, self.second = nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16)
        self.norm = nn.LayerNorm(16)

    def forward(self, x: Tensor) -> Tensor:
        y = x + self.second(self.act(self.first(x)))
        made = self.norm(y)
        # The mean of the sum of squares has a gradient, which flows around the norm.
        return made + 1e-3 * (y - y.detach()) if self.fault == "around" else made


class Spectrum(nn.Layer):
    def __init__(self, form: str = "pair") -> None:
        super().__init__()
        self.form, self.fc = form, nn.Linear(8, 8)
        self.filter = self.create_parameter([8, 2] if form == "pair" else [8])
        if form == "two":
            self.filter_imaginary = self.create_parameter([8])

    def forward(self, x: Tensor) -> Tensor:
        if self.form == "pair":
            weight = paddle.as_complex(self.filter)
        else:
            other = self.filter_imaginary if self.form == "two" else paddle.zeros_like(self.filter)
            weight = paddle.complex(self.filter, other)
        return paddle.fft.ifft(paddle.fft.fft(self.fc(x)) * weight).real()


def adam(model: nn.Layer) -> paddle.optimizer.Optimizer:
    return paddle.optimizer.Adam(1e-2, parameters=model.parameters())
