"""The candidate: the same classifier in Paddle, sound or with one planted fault."""

from __future__ import annotations

import paddle
from paddle import nn


class _TripleGradient(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 3


class TripledMaxPool(nn.MaxPool2D):
    """A pool whose backward pass is wrong by a factor of three."""

    def forward(self, x):
        return super().forward(_TripleGradient.apply(x))


class DigitsNet(nn.Layer):
    """Maps images [n, 1, 8, 8] to scores [n, 10]."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        epsilon = 1e-3 if fault == "norm_epsilon" else 1e-5
        # Paddle's momentum is the share of the old value, Torch's that of the new one.
        momentum = 0.1 if fault == "batch_norm_momentum" else 0.9
        self.conv1 = nn.Conv2D(1, 16, 3, padding=1, bias_attr=False)
        self.bn1 = nn.BatchNorm2D(16)
        self.conv2 = nn.Conv2D(16, 32, 3, padding=1, bias_attr=False)
        self.bn2 = nn.BatchNorm2D(32, momentum=momentum, epsilon=epsilon)
        self.relu = nn.ReLU()
        self.pool = TripledMaxPool(2) if fault == "gradient_times_3" else nn.MaxPool2D(2)
        self.fc = nn.Linear(32 * 4 * 4, 10)

    def forward(self, images):
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.pool(self.relu(self.bn2(self.conv2(x))))
        return self.fc(x.flatten(1))


FAULTS = ("", "norm_epsilon", "batch_norm_momentum", "gradient_times_3", "weight_decay")


def build(fault: str = "") -> nn.Layer:
    """Returns the model; `fault` plants one of FAULTS, the last in the optimizer."""
    if fault not in FAULTS:
        raise ValueError(f"no fault is called {fault!r}")
    return DigitsNet(fault)


def cross_entropy(scores, labels):
    return nn.functional.cross_entropy(scores, labels)


def adam(model: DigitsNet) -> paddle.optimizer.Optimizer:
    decay = 0.1 if model.fault == "weight_decay" else 0.01
    return paddle.optimizer.AdamW(0.01, parameters=model.parameters(), weight_decay=decay)
