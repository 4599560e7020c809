"""Models of the fake framework with code between their layers, and faults in it."""

import fake
import numpy as np


class Own(fake.Layer):
    """Layers, and a sum and a factor in its own code; `fault` is "scale", "missing" or empty."""

    def __init__(self, fault=""):
        super().__init__()
        self.first, self.second = fake.Linear(6, 6), fake.Linear(6, 6)
        self._fault = fault

    def forward(self, x):
        hidden = self.first(x)
        hidden = hidden * (0.25 if self._fault == "scale" else 0.5)
        hidden = self.second(hidden)
        if self._fault == "missing":
            return hidden
        return hidden + x


class Chain(fake.Layer):
    """`faults` maps a block's number to its fault; `random` drops some of the input."""

    def __init__(self, faults=None, random=False):
        super().__init__()
        for index in range(3):
            setattr(self, f"block{index}", Own((faults or {}).get(str(index), "")))
        self._random = random

    def forward(self, x):
        if self._random:
            x = fake.dropout(x, 0.5)
        for index in range(3):
            x = getattr(self, f"block{index}")(x)
        return x


class Half(Own):
    """Returns 16 bits."""

    def forward(self, x):
        return fake.cast(super().forward(x), np.float16)


class HalfInside(fake.Layer):
    """Hands 16 bits from one layer to another."""

    def __init__(self):
        super().__init__()
        self.first, self.second = Half(), Own()

    def forward(self, x):
        return self.second(fake.cast(self.first(x), np.float32))
