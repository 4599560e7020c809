"""Paddle halves: methods for operators, functions for layers; `faults` names the blocks that are wrong."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn


class Block(nn.Layer):
    def __init__(self, wrong: bool) -> None:
        super().__init__()
        self.fc, self.wrong = nn.Linear(8, 8), wrong


class Added(Block):
    def forward(self, x):
        h = self.fc(x)
        return x.subtract(h) if self.wrong else x.add(h)


class Filled(Block):
    def forward(self, x):
        h = self.fc(x)
        low = paddle.full_like(h, 0.25)
        return paddle.where(h < 0.5 if self.wrong else h > 0.5, low, h)


class Scaled(Block):
    def forward(self, x):
        h = self.fc(x)
        return paddle.scale(h, 0.25 if self.wrong else 0.5)


class Activated(Block):
    def forward(self, x):
        h = F.relu(self.fc(x))
        return h - x * 2.0 if self.wrong else h - x


class Normed(Block):
    def forward(self, x):
        h = self.fc(x)
        h = F.layer_norm(h, [8], epsilon=1e-3 if self.wrong else 1e-5)
        return F.gelu(h)


class Up(Block):
    def forward(self, x):
        h = self.fc(x)
        return h * 2.0 if self.wrong else h


class Down(Block):
    def forward(self, x):
        return self.fc(x / 2.0) if self.wrong else self.fc(x)


class Net(nn.Layer):
    def __init__(self, faults: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.added, self.filled, self.scaled = (
            kind(name in faults) for kind, name in ((Added, "added"), (Filled, "filled"), (Scaled, "scaled"))
        )
        self.activated, self.normed = Activated("activated" in faults), Normed("normed" in faults)
        self.up, self.down = Up("halves" in faults), Down("halves" in faults)

    def forward(self, x):
        x = self.scaled(self.filled(self.added(x)))
        x = self.normed(self.activated(x))
        return self.down(paddle.max(self.up(x), axis=1))
