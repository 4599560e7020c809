"""Models of the fake framework with code between their layers."""

import fake
import numpy as np

from padiff_worker import mark


class Scaled(fake.Layer):
    """Multiplies between two layers."""

    def __init__(self, factor=2.0, fails=False):
        super().__init__()
        self.first = fake.Linear(4, 4)
        self.second = fake.Linear(4, 2)
        self._factor, self._fails = factor, fails

    def forward(self, x):
        hidden = mark("hidden", self.first(x) * self._factor)
        hidden = fake.relu_(hidden + 1.0)
        if self._fails:
            raise ValueError("mine")
        return self.second(hidden)


class Looping(fake.Layer):
    """Adds up many times, and drops at random."""

    def __init__(self, count, p=0.0):
        super().__init__()
        self.last = fake.Linear(4, 2)
        self._count, self._p = count, p

    def forward(self, x):
        for _ in range(self._count):
            x = x + np.float32(0.5)
        return self.last(fake.dropout(x, self._p, self.training))


def scaled(factor=2.0, fails=False):
    return Scaled(factor, fails)


def looping(count, p=0.0):
    return Looping(count, p)
