"""Models in Torch with an activation behind a norm, which their ports in Paddle let the norm apply."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F


class Fresh(nn.Module):
    """A fresh norm behind a pool of what a ReLU made: before its own ReLU, nothing is negative in eval mode.

    `form`: what shows the ReLU's result: a layer that works in place, the next layer's input, or nothing.
    """

    def __init__(self, form="layer", fault=""):
        super().__init__()
        self.conv, self.norm, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 1)
        if form == "layer":
            self.relu = nn.ReLU(inplace=True)
        self.form = form
        self.fault = fault

    def forward(self, x):
        x = self.norm(F.max_pool2d(F.relu(self.conv(x)), 2))
        if self.fault != "without":
            x = self.relu(x) if self.form == "layer" else F.relu(x)
        x = F.avg_pool2d(x, 2) if self.form == "nowhere" else x
        return self.last(x)


class Noisy(nn.Module):
    """Norms over so few values that rounding noise grows from one to the next."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(8))
        self.norms = nn.ModuleList(nn.BatchNorm1d(6) for _ in range(8))

    def forward(self, x):
        for layer, norm in zip(self.layers, self.norms):
            x = F.relu(norm(layer(x)))
        return x


class Activated(nn.BatchNorm2d):
    """A norm that applies its ReLU and says nothing of it."""

    def forward(self, x):
        return F.relu(super().forward(x))


class Silent(Fresh):
    def __init__(self):
        super().__init__("nowhere", "without")
        self.norm = Activated(4)
