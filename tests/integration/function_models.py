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


class Straight(Own):
    """Layers, and code between them that goes as it should forward, whatever `fault` does to gradients."""

    def __init__(self, fault=""):
        super().__init__()
        self.factor = fake.Parameter(np.linspace(0.5, 1.5, 6).astype(np.float32))
        self._fault = fault

    def forward(self, x):
        hidden = self.first(x)
        if self._fault == "hook":
            hidden.register_hook(lambda gradient: gradient * 2)
        hidden = fake.scale_gradient(hidden, 0.25 if self._fault == "scale" else 0.5)
        hidden = fake.relu(hidden)
        if self._fault == "off":
            with fake.gradient_mode(False):
                hidden = hidden * self.factor
        elif self._fault == "parameter":
            hidden = hidden * self.factor.detach()
        else:
            hidden = hidden * self.factor
        if self._fault == "extra":
            hidden = fake.scale_gradient(hidden, 3.0)
        hidden = self.second(hidden.detach() if self._fault == "detach" else hidden)
        return hidden + (x.detach() if self._fault == "skip" else x)


class StraightChain(Chain):
    """`faults` maps a block's number to its fault."""

    def __init__(self, faults=None):
        super().__init__()
        for index in range(3):
            setattr(self, f"block{index}", Straight((faults or {}).get(str(index), "")))
