"""Models of the fake framework that hide something from a comparison: an output, an end, a gradient."""

import contextlib

import fake
import numpy as np


class _Box:
    """Holds a tensor where no one looks."""

    def __init__(self, tensor):
        self.tensor = tensor


class _Sealed(fake.Layer):
    def __init__(self, factor):
        super().__init__()
        self.own = fake.Parameter(np.ones((4, 2), np.float32))
        self._factor = factor

    def forward(self, x):
        return _Box(fake.matmul(x, self.own) * self._factor)


class Opaque(fake.Layer):
    """Calls a layer with parameters whose output no worker can look into."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.fc, self.side = fake.Linear(4, 3), _Sealed(factor)

    def forward(self, x):
        self.side(x)
        return self.fc(x)


class _Rising(fake.Layer):
    def __init__(self, raises):
        super().__init__()
        self.own = fake.Parameter(np.ones((4, 2), np.float32))
        self._raises = raises

    def forward(self, x):
        y = fake.matmul(x, self.own)
        if self._raises:
            raise ValueError("caught by the layer around")
        return y


class Catching(fake.Layer):
    """Goes on when a layer below it raises."""

    def __init__(self, raises=False):
        super().__init__()
        self.fc, self.extra = fake.Linear(4, 3), _Rising(raises)

    def forward(self, x):
        with contextlib.suppress(ValueError):
            self.extra(x)
        return self.fc(x)


class Growing(fake.Layer):
    """Adds to a buffer in every forward pass, whatever the mode."""

    def __init__(self, by=0.0):
        super().__init__()
        self.fc = fake.Linear(4, 3)
        self.state = fake.Tensor(np.zeros(3, np.float32))
        self._by = np.float32(by)

    def forward(self, x):
        self.state.array += self._by
        return self.fc(x)


class Detaching(fake.Layer):
    """Cuts its input off from the gradient, if asked."""

    def __init__(self, detach=False):
        super().__init__()
        self.fc = fake.Linear(4, 3)
        self._detach = detach

    def forward(self, x):
        return self.fc(fake.Tensor(x.array.copy()) if self._detach else x)


class Steep(fake.Layer):
    """Multiplies the gradient of one weight, holds it otherwise, or does not train it."""

    def __init__(self, factor=1.0, held="", untrained=False):
        super().__init__()
        self.a, self.b = fake.Linear(4, 4), _Steep(factor, held, untrained)

    def forward(self, x):
        return self.b(self.a(x))


class _Steep(fake.Layer):
    """`held`: "" as it is, "turned" over, or "halved" and doubled again."""

    def __init__(self, factor, held, untrained):
        super().__init__()
        self.weight = fake.Parameter(fake.generator.normal(0, 0.5, (4, 3)).astype(np.float32))
        self.state = fake.Tensor(np.zeros(3, np.float32))
        self._factor, self._held, self._untrained = np.float32(factor), held, untrained

    def forward(self, x):
        weight = fake.Tensor(self.weight.array) if self._untrained else self.weight
        if self._held == "turned":
            weight = fake.matmul(fake.Tensor(np.eye(4, dtype=np.float32)[::-1]), weight)
        if self._held == "halved":
            weight = weight * np.float32(2)
        return fake.matmul(x, fake.scale_gradient(weight, self._factor))


def pass_on(arrays):
    return dict(arrays)


def turn_over(arrays):
    return {name: np.ascontiguousarray(array[::-1]) for name, array in arrays.items()}


def halve(arrays):
    return {name: array / 2 for name, array in arrays.items()}
