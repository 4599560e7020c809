"""Models of the fake framework that keep in plain attributes what goes on from call to call."""

import random
from collections import deque

import fake
import numpy as np
from lockstep_models import Half


class Keeping(fake.Layer):
    """Multiplies between two layers by what a layer of a `kind` makes of its calls."""

    def __init__(self, kind="count", by=1):
        super().__init__()
        self.first, self.second = Half(), Half()
        self.weight = fake.Parameter(np.ones(6, np.float32))
        self.factor = _KINDS[kind](by)

    def forward(self, x):
        hidden = self.first(x)
        return self.second(hidden * self.factor(hidden) * self.weight)


class _Going(fake.Layer):
    """Goes on at each call, `by` so many at a time, and returns the last number that it comes to."""

    def __init__(self, by):
        super().__init__()
        self._by = by

    def forward(self, x):
        for _ in range(self._by):
            made = self.go(x.array)
        return fake._tensor(made)


class _Count(_Going):
    calls = 0

    def go(self, values):
        self.calls += 1
        return 1 + 0.125 * self.calls


class _WarmUp(_Going):
    """Another number from the third time on."""

    calls = 0

    def go(self, values):
        self.calls += 1
        return 1 if self.calls < 3 else 2


class _Cache(_Going):
    """Sums up all that was ever given to it, as a cache of keys does."""

    def __init__(self, by):
        super().__init__(by)
        self.cache = {"keys": []}

    def go(self, values):
        self.cache["keys"].append(fake.Tensor(np.abs(values)))
        return 1 + np.sum([one.array for one in self.cache["keys"]], axis=0)


class _Recent(_Going):
    """Averages the last two of the numbers of its calls, which it marks in a set."""

    def __init__(self, by):
        super().__init__(by)
        self.recent, self.seen = deque(maxlen=2), set()

    def go(self, values):
        self.recent.append(len(self.seen))
        self.seen.add(len(self.seen))
        return 1 + np.mean(self.recent)


class _Average(_Going):
    """A running average that takes the place of a registered buffer."""

    def __init__(self, by):
        super().__init__(by)
        self.average = fake.Tensor(np.full(6, 3, np.float32))

    def go(self, values):
        self.average = self.average * 0.5 + 1.0
        return self.average.array


class _History(_Going):
    """An array that changes in place, and generators of its own."""

    def __init__(self, by):
        super().__init__(by)
        self.array = np.ones(6, np.float32)
        self.generator, self.dice = np.random.default_rng(3), random.Random(3)

    def go(self, values):
        self.array *= np.float32(1 + self.generator.random() + self.dice.random())
        return self.array


_KINDS = {
    "count": _Count,
    "warm_up": _WarmUp,
    "cache": _Cache,
    "recent": _Recent,
    "average": _Average,
    "history": _History,
}


class Codebook(fake.Layer):
    """Halves a large parameter in each forward pass, or in each backward, which no trace makes."""

    def __init__(self, when="forward"):
        super().__init__()
        self.first, self.second = Half(), Half()
        self.book = fake.Parameter(np.full((128, 128), 2, np.float32))
        self._when = when

    def forward(self, x):
        hidden = self.first(x)
        if self._when == "forward":
            self._move()
        elif self._when == "backward":
            hidden.register_hook(self._move)
        return self.second(hidden * self.book.mean())

    def _move(self, gradient=None):
        self.book.array *= np.float32(0.5)


class Growing(fake.Layer):
    """A loss that counts its calls."""

    calls = 0

    def forward(self, output):
        self.calls += 1
        return (output * output).sum() * (1 + 0.5 * self.calls)


growing = Growing()
