"""A small classifier in Torch."""

from __future__ import annotations

import torch
from torch import nn
from waiting import wait_if_marked


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8 * 5 * 5, 5)

    def forward(self, features, *, scale):
        return self.fc(features) * scale


class Net(nn.Module):
    def __init__(self, reached: str, let_go: str) -> None:
        super().__init__()
        self.reached, self.let_go = reached, let_go
        self.conv1 = nn.Conv2d(1, 8, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu1 = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.head = Head()

    def forward(self, x):
        features = self.relu1(self.bn1(self.conv1(x)))
        wait_if_marked(float(x.flatten()[0]), self.reached, self.let_go)
        # The scale is a tensor that travels by keyword.
        return self.head(self.pool(features).flatten(1), scale=features.new_full([1], 0.5))


def build(reached: str = "", let_go: str = "") -> nn.Module:
    return Net(reached, let_go)


def loss(output, target):
    return nn.functional.cross_entropy(output, target)


def optimizer(model):
    return torch.optim.Adam(model.parameters(), lr=1e-3)
