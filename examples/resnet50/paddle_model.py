"""The candidate: Paddle's own ResNet-50, sound or with one planted fault."""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.vision.models import resnet50
from paddle.vision.models.resnet import BottleneckBlock


class _TripleGradient(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 3


class TripledReLU(nn.ReLU):
    """A ReLU whose backward pass is wrong by a factor of three."""

    def forward(self, x):
        return super().forward(_TripleGradient.apply(x))


class HalvedShortcut(BottleneckBlock):
    """A block whose own code, between its layers, adds but half of what it was given."""

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + x * 0.5)


def build(classes: int = 1000, fault: str = "") -> nn.Layer:
    """Returns the model; `fault` plants "norm_epsilon", "batch_norm_momentum", "gradient_times_3" or
    "halved_shortcut".

    The momentum fault is Torch's 0.1 taken over as it stands: Paddle's 0.9 is the same average. It shows
    in train mode only.
    """
    model = resnet50(num_classes=classes)
    if fault == "norm_epsilon":
        model.layer3[2].bn2._epsilon = 1e-3
    elif fault == "batch_norm_momentum":
        model.layer2[0].bn1._momentum = 0.1
    elif fault == "gradient_times_3":
        model.layer2[1].relu = TripledReLU()
    elif fault == "halved_shortcut":
        model.layer3[2].__class__ = HalvedShortcut
    elif fault:
        raise ValueError(f"no fault is called {fault!r}")
    return model
