"""Torch halves of blocks that each call something as Torch's users do: operators, layers, in place."""

from __future__ import annotations

import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)


class Added(Block):
    def forward(self, x):
        return self.fc(x) + x


class Filled(Block):
    def forward(self, x):
        h = self.fc(x)
        return h.masked_fill(h > 0.5, 0.25)


class Scaled(Block):
    def forward(self, x):
        h = self.fc(x)
        h.mul_(0.5)
        return h


class Activated(Block):
    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.fc(x)) - x


class Normed(Block):
    def forward(self, x):
        h = self.fc(x)
        h = F.layer_norm(h, (8,), eps=1e-5)
        return F.gelu(h)


class Up(Block):
    def forward(self, x):
        return self.fc(x)


class Down(Block):
    def forward(self, x):
        return self.fc(x)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.added, self.filled, self.scaled = Added(), Filled(), Scaled()
        self.activated, self.normed = Activated(), Normed()
        self.up, self.down = Up(), Down()

    def forward(self, x):
        x = self.scaled(self.filled(self.added(x)))
        x = self.normed(self.activated(x))
        return self.down(self.up(x).amax(1))
