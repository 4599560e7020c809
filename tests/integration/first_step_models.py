"""Models of the fake framework whose first call is unlike all others, and can be made once alone."""

import itertools

import fake
import numpy as np
from lockstep_models import Chain
from random_models import Dropped


class Early(fake.Layer):
    """Keeps what its first layer makes in a buffer, off by `factor` in its first call, and adds it."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.first, self.second = fake.Linear(6, 6), fake.Linear(6, 6)
        self.kept = fake.Tensor(np.zeros((5, 6), np.float32))
        self._factor, self._calls = np.float32(factor), itertools.count(1)

    def forward(self, x):
        hidden = self.first(x)
        made = hidden + fake.Tensor(self.kept.array.copy())
        self.kept.array[...] = hidden.array * (self._factor if next(self._calls) == 1 else 1)
        return self.second(made)


class Warming(Chain):
    """Raises in its first call, which is that of a trace, and in no other."""

    def __init__(self, **given):
        super().__init__(**given)
        self._calls = itertools.count(1)

    def forward(self, x):
        if next(self._calls) == 1:
            raise RuntimeError("call me again")
        return super().forward(x)


class LateDrop(Dropped):
    """Dropped, with another rate from its second call on."""

    def __init__(self, late=0.5, **given):
        super().__init__(**given)
        self._late, self._calls = late, itertools.count(1)

    def forward(self, x):
        if next(self._calls) > 1:
            self.drop.p = self._late
        return super().forward(x)
