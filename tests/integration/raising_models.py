"""Stacks of blocks of the fake framework that raise in the middle, forward or backward."""

import fake


class _Inner(fake.Layer):
    """Two layers, one inside another layer; raises between them, or when its gradient passes, if asked."""

    def __init__(self, raises):
        super().__init__()
        self.first, self.second = fake.Linear(4, 4), fake.Linear(4, 4)
        self._raises = raises

    def forward(self, x):
        x = self.first(x)
        if self._raises == "forward":
            raise NotImplementedError("not ported yet")
        return self.second(_refusing(x) if self._raises == "backward" else x)


def _refusing(x):
    def refuse(gradient):
        raise RuntimeError("no backward yet")

    return fake._result(x.array.copy(), (x,), refuse)


class _Block(fake.Layer):
    def __init__(self, raises, factor=1.0):
        super().__init__()
        self.norm, self.inner, self.drop = fake.BatchNorm1D(4), _Inner(raises), fake.Dropout(0.3)
        self._factor = factor

    def forward(self, x):
        return x + self.drop(self.inner(self.norm(x))) * self._factor


class Stack(fake.Layer):
    """`blocks` of `of` are there; the `at`-th raises, and the `faulty`-th computes something else."""

    def __init__(self, blocks=5, of=5, at=-1, raises="forward", faulty=-1, names="blocks"):
        super().__init__()
        self.stem, self.relu = fake.Linear(4, 4), fake.ReLU()
        made = [_Block(raises if n == at else "", 2.0 if n == faulty else 1.0) for n in range(blocks)]
        self._names = names
        setattr(self, names, fake.Sequential(*made))
        if blocks == of:
            self.head = fake.Linear(4, 3)
        self._whole = blocks == of

    def forward(self, x):
        x = self.stem(x)
        for block in getattr(self, self._names)._layers.values():
            x = self.relu(block(x))
        if not self._whole:
            raise NotImplementedError("the rest is not ported")
        return self.head(x)


class Refusing(Stack):
    """Raises before it calls anything."""

    def forward(self, x):
        raise TypeError("wrong arguments")
