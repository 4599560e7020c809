"""Models of the fake framework that decide by chance, in layers and in their own code."""

import itertools

import fake
import numpy as np
from lockstep_models import Half, Passing


def keep(x, p):
    return fake.dropout(x, p)


class Dropped(fake.Layer):
    """Half, dropout, half; with faults before and behind the dropout, in values and gradients."""

    def __init__(self, p=0.5, before=1.0, behind=1.0, gradient=1.0, inner_gradient=1.0):
        super().__init__()
        self.first = Half(before)
        self.passing = Passing(inner_gradient)
        self.drop = fake.Dropout(p)
        self.norm = fake.BatchNorm1D(6)
        self.later = Passing(gradient)
        self.last = Half(behind)

    def forward(self, x):
        hidden = self.drop(self.passing(self.first(x)))
        return self.last(self.later(self.norm(hidden)))


class ByFunction(Dropped):
    """The same with the dropout as a function of the model's own code."""

    def __init__(self, p=0.5, **given):
        super().__init__(p, **given)
        del self._layers["drop"]
        self._p = p

    def forward(self, x):
        hidden = fake.dropout(self.passing(self.first(x)), self._p)
        return self.last(self.later(self.norm(hidden)))


class Residual(fake.Layer):
    """x + dropout(second(dropout(first(x)))), by a module called twice, two modules, or functions."""

    def __init__(self, kind="modules", factor=1.0):
        super().__init__()
        self.first, self.second = Half(), Half(factor)
        self._kind = kind
        if kind == "modules":
            self.drop, self.last_drop = fake.Dropout(0.3), fake.Dropout(0.3)
        elif kind == "module":
            self.drop = fake.Dropout(0.3)

    def forward(self, x):
        if self._kind == "functions":
            return x + fake.dropout(self.second(fake.dropout(self.first(x), 0.3)), 0.3)
        last = self.last_drop if self._kind == "modules" else self.drop
        return x + last(self.second(self.drop(self.first(x))))


class Residuals(fake.Layer):
    """Blocks of different kinds, and a last layer."""

    def __init__(self, kinds=("modules", "modules", "modules"), factor=1.0):
        super().__init__()
        for index, kind in enumerate(kinds):
            setattr(self, f"block{index}", Residual(kind, factor if index == 1 else 1.0))
        self._count = len(kinds)
        self.last = Half()

    def forward(self, x):
        for index in range(self._count):
            x = getattr(self, f"block{index}")(x)
        return self.last(x)


class Weighted(fake.Layer):
    """A layer with a parameter and a dropout of its own."""

    def __init__(self):
        super().__init__()
        self.scale = fake.Parameter(np.full(6, 2, np.float32))

    def forward(self, x):
        return fake.dropout(x * self.scale, 0.5)


class HoldsWeighted(fake.Layer):
    def __init__(self):
        super().__init__()
        self.first, self.weighted, self.last = Half(), Weighted(), Half()

    def forward(self, x):
        return self.last(self.weighted(self.first(x)))


class Shuffling(fake.Layer):
    """Adds numbers that the two sides cannot be given alike."""

    def forward(self, x):
        return x + fake.permutation(6)


class Shuffled(fake.Layer):
    def __init__(self, behind=1.0):
        super().__init__()
        self.first, self.shuffling, self.drop, self.last = Half(), Shuffling(), fake.Dropout(), Half(behind)

    def forward(self, x):
        return self.last(self.drop(self.shuffling(self.first(x))))


class Late(fake.Layer):
    """Decides from its third call on, behind both passes of a trace: by dropout, or by a permutation."""

    def __init__(self, shuffles=False):
        super().__init__()
        self.first, self.last = Half(), Half()
        self._shuffles, self._calls = shuffles, itertools.count(1)

    def forward(self, x):
        hidden = self.first(x)
        if next(self._calls) > 2:
            hidden = hidden + fake.permutation(6) if self._shuffles else fake.dropout(hidden, 0.5)
        return self.last(hidden)


class Recomputed(fake.Layer):
    """A dropout in a segment that is computed twice."""

    def __init__(self):
        super().__init__()
        self.first, self.drop, self.last = Half(), fake.Dropout(), Half()

    def forward(self, x):
        return fake.checkpoint(lambda h: self.last(self.drop(h)), self.first(x))


class Drifting(fake.Layer):
    """Returns more at each call, whatever is put back."""

    def __init__(self):
        super().__init__()
        self.first, self.drift = Half(), _Drift()

    def forward(self, x):
        return self.drift(self.first(x))


class _Drift(fake.Layer):
    def __init__(self):
        super().__init__()
        self._calls = itertools.count(1)

    def forward(self, x):
        return x * (1 + 2e-7 * next(self._calls))
