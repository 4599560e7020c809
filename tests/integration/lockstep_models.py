"""Models of the fake framework for lockstep, healthy and with faults in chosen places."""

import fake
import numpy as np


class Passing(fake.Layer):
    """Passes its input on; multiplies its gradient."""

    def __init__(self, factor):
        super().__init__()
        self._factor = factor

    def forward(self, x):
        return fake.scale_gradient(x, np.float32(self._factor))


class Half(fake.Layer):
    """Linear and a factor in one layer."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.weight = fake.Parameter(fake.generator.normal(0, 0.5, (6, 6)).astype(np.float32))
        self._factor = factor

    def forward(self, x):
        return fake.matmul(x, self.weight) * self._factor


class Block(fake.Layer):
    """Residual: x + second(relu(first(x))); `between` multiplies in the block's own code."""

    def __init__(self, factor=1.0, between=1.0, gradient=1.0, inplace=True):
        super().__init__()
        self.first = Half(factor)
        self.relu = fake.ReLU(inplace)
        self.passing = Passing(gradient)
        self.second = Half()
        self._between = between

    def forward(self, x):
        hidden = self.passing(self.relu(self.first(x)))
        if self._between != 1.0:
            hidden = hidden * self._between
        return x + self.second(hidden)


class Chain(fake.Layer):
    """Blocks with faults: `faults` maps a block's number to its arguments."""

    def __init__(self, count=4, faults=None, inplace=True):
        super().__init__()
        faults = {int(key): value for key, value in (faults or {}).items()}
        for index in range(count):
            setattr(self, f"block{index}", Block(inplace=inplace, **faults.get(index, {})))
        self._count = count

    def forward(self, x):
        for index in range(self._count):
            x = getattr(self, f"block{index}")(x)
        return x


class Branches(fake.Layer):
    """Independent branches of `rows`, run in the order given and added in a fixed one."""

    def __init__(self, order, factors=None):
        super().__init__()
        factors = {int(key): value for key, value in (factors or {}).items()}
        for index in sorted(order):
            setattr(self, f"branch{index}", Half(factors.get(index, 1.0)))
        self._order = list(order)

    def forward(self, x):
        made = {}
        for index in self._order:
            made[index] = getattr(self, f"branch{index}")(x)
        total = x
        for index in sorted(made):
            total = total + made[index]
        return total


class Pair(fake.Layer):
    """Returns a tuple; shares one layer between two calls; ignores what an in-place layer returns."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.split = Splitting(factor)
        self.shared = Half()
        self.relu = fake.ReLU(inplace=True)

    def forward(self, x):
        left, right = self.split(x)
        left = self.shared(left)
        self.relu(left)
        return {"sum": self.shared(left + right["more"]), "right": right["more"]}


class Splitting(fake.Layer):
    def __init__(self, factor):
        super().__init__()
        self._factor = factor

    def forward(self, x):
        return x * 2.0, {"more": x * self._factor}


class Viewing(fake.Layer):
    """Returns a view of its input in which rows are `turned`, if asked."""

    def __init__(self, turned=False):
        super().__init__()
        self._turned = turned

    def forward(self, x):
        out = x.view(-1)
        if self._turned:
            out = fake._result(x.array.T.reshape(-1), (x,), lambda g: (g.reshape(x.shape[::-1]).T,))
        return out


class Views(fake.Layer):
    """Uses a layer's output and a view of it."""

    def __init__(self, turned=False):
        super().__init__()
        self.first = Half()
        self.view = Viewing(turned)
        self.last = fake.ReLU()

    def forward(self, x):
        hidden = self.first(x)
        return self.last(self.view(hidden)), self.last(hidden)
