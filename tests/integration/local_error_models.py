"""Models of the fake framework for local errors: a fault in one step alone, state that must not move."""

import itertools

import fake
import numpy as np
from coordinator_models import die
from fake_models import Net
from lockstep_models import Chain, Half


class OneStepFault(Chain):
    """Chain whose second block multiplies by `factor` in one step alone; its steps count in a buffer."""

    def __init__(self, step=-1, factor=1.5, **kwargs):
        super().__init__(**kwargs)
        self.steps = fake.Tensor(np.zeros(1, np.float32))
        self._step, self._factor = step, factor

    def forward(self, x):
        self.block1.first._factor = self._factor if self.steps.array[0] == self._step else 1.0
        self.steps.array[...] += 1
        return super().forward(x)


class Drawing(fake.Layer):
    """Dropout by the framework's generator, a batch norm's statistics and a counter of its calls."""

    def __init__(self):
        super().__init__()
        self.first = Half()
        self.norm = fake.BatchNorm1D(6)
        self.dropout = fake.Dropout(0.5)
        self.second = Half()
        self.count = fake.Tensor(np.zeros(1, np.float32))

    def forward(self, x):
        self.count.array[...] += 1
        return self.second(self.dropout(self.norm(self.first(x)))) * (1.0 + 0.125 * self.count.array)


class Cancelling(fake.Layer):
    """Takes one off what is almost one, which makes a large error of a tiny one before it."""

    def __init__(self, rounding=0.0):
        super().__init__()
        self.nearly = _Affine(1.0 + rounding, 0.0)
        self.minus_one = _Affine(1.0, -1.0)
        self.last = Half()

    def forward(self, x):
        return self.last(self.minus_one(self.nearly(x)))


class _Affine(fake.Layer):
    def __init__(self, factor, offset):
        super().__init__()
        self._factor, self._offset = factor, offset

    def forward(self, x):
        return x * self._factor + self._offset


class Averaging(fake.Layer):
    """Keeps an average of what it makes, off by `factor` after each step, and adds that of the one before."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.first, self.second = Half(), Half()
        self.average = fake.Tensor(np.full(6, 3, np.float32))
        self._factor = np.float32(factor)

    def forward(self, x):
        hidden = self.first(x)
        made = hidden + fake.Tensor(self.average.array.copy())
        self.average.array[...] = (0.9 * self.average.array + 0.1 * hidden.array.mean(0)) * self._factor
        return self.second(made)


class Remembering(fake.Layer):
    """Counts its calls where nothing can put it back, and multiplies in its own code at every other one."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.first, self.second = Half(), Half()
        self._factor, self._calls = factor, itertools.count(1)

    def forward(self, x):
        hidden = self.first(x)
        return self.second(hidden * self._factor if next(self._calls) % 2 else hidden)


class Dying(Net):
    """Net whose process ends in its n-th forward call."""

    def __init__(self, call):
        super().__init__()
        self._deadly, self._calls = call, itertools.count(1)

    def forward(self, x):
        if next(self._calls) == self._deadly:
            die()
        return super().forward(x)


def momentum(model):
    return fake.Momentum(model, lr=0.1)


def function(model):
    return _stepping(momentum(model))


def hasty_function(model):
    return _stepping(fake.Momentum(model, lr=0.102))


def _stepping(optimizer):
    def step():
        optimizer.step()
        optimizer.clear()

    return step
