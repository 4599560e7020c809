"""Ports in Paddle whose norms apply the activation themselves, and ports with a fault."""

from __future__ import annotations

from paddle import nn
from paddle.nn import functional as F
from paddle_joins import scaled


class Fresh(nn.Layer):
    def __init__(self, form="layer", fault=""):
        super().__init__()
        self.conv, self.last = nn.Conv2D(3, 4, 3, padding=1), nn.Conv2D(4, 5, 1)
        self.norm = nn.BatchNorm(4, act=None if fault == "without" else "relu")
        self.form = form
        self.fault = fault

    def forward(self, x):
        x = self.norm(F.max_pool2d(F.relu(self.conv(x)), 2))
        x = scaled(x, 1.5) if self.fault == "scaled" else x
        x = F.avg_pool2d(x, 2) if self.form == "nowhere" else x
        return self.last(x)


class Noisy(nn.Layer):
    def __init__(self):
        super().__init__()
        self.layers = nn.LayerList(nn.Linear(6, 6) for _ in range(8))
        self.norms = nn.LayerList(nn.BatchNorm(6, act="relu") for _ in range(8))

    def forward(self, x):
        for layer, norm in zip(self.layers, self.norms):
            x = norm(layer(x))
        return x
