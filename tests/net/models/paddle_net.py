"""The same small classifier in Paddle, of any version since 2.6."""

from __future__ import annotations

import paddle
from paddle import nn
from waiting import wait_if_marked


class Head(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8 * 5 * 5, 5)

    def forward(self, features, *, scale):
        return self.fc(features) * scale


class Net(nn.Layer):
    def __init__(self, reached: str, let_go: str) -> None:
        super().__init__()
        self.reached, self.let_go = reached, let_go
        self.conv1 = nn.Conv2D(1, 8, 3, bias_attr=False)
        self.bn1 = nn.BatchNorm2D(8)
        self.relu1 = nn.ReLU()
        self.pool = nn.MaxPool2D(2)
        self.head = Head()

    def forward(self, x):
        features = self.relu1(self.bn1(self.conv1(x)))
        wait_if_marked(float(x.flatten()[0]), self.reached, self.let_go)
        # The scale is a tensor that travels by keyword.
        return self.head(self.pool(features).flatten(1), scale=paddle.full([1], 0.5))


def build(reached: str = "", let_go: str = "") -> nn.Layer:
    return Net(reached, let_go)


def loss(output, target):
    return nn.functional.cross_entropy(output, target)


def optimizer(model):
    return paddle.optimizer.Adam(1e-3, parameters=model.parameters())
