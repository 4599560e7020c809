"""Models of the fake framework that are compiled, in whole or in part."""

import fake
import numpy as np


class Model(fake.Layer):
    """first, inner (two layers of one size and one of another), last; `factor` is inside of inner."""

    def __init__(self, compiled=False, factor=1.0, frozen=False):
        super().__init__()
        self.first = fake.Linear(4, 4)
        kind = fake.Compiled if compiled else fake.Sequential
        self.inner = kind(fake.Linear(4, 4), Times(factor), fake.ReLU(), fake.Linear(4, 4), fake.Linear(4, 3))
        self.last = fake.Linear(3, 2)
        if frozen:
            layer = self.inner._layers["3"]
            layer.weight = fake.Parameter(layer.weight.array, trainable=False)

    def forward(self, x):
        return self.last(self.inner(self.first(x)))


class Times(fake.Layer):
    def __init__(self, factor):
        super().__init__()
        self._factor = np.float32(factor)

    def forward(self, x):
        return x * self._factor


def whole(compiled=False, factor=1.0):
    return Model(compiled, factor).inner


def sgd(model):
    return fake.SGD(model, lr=0.1)
