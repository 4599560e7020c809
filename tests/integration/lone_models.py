"""Models of the fake framework that keep a weight in another layer, or do without a norm's weights."""

import fake
import numpy as np


def _drawn(*shape):
    return fake.Parameter(fake.generator.normal(0, 0.5, shape).astype(np.float32))


class RootTable(fake.Layer):
    """A product with a bare parameter of the model."""

    def __init__(self):
        super().__init__()
        self.table, self.fc = _drawn(4, 6), fake.Linear(6, 3)

    def forward(self, x):
        return self.fc(fake.relu(fake.matmul(x, self.table)))


class _Inner(fake.Layer):
    def __init__(self, factor, value):
        super().__init__()
        self.kernel = _drawn(4, 6)
        self._factor, self._value = np.float32(factor), value

    def forward(self, x):
        return fake.relu(fake.matmul(x, fake.scale_gradient(self.kernel, self._factor))) * self._value


class InnerTable(fake.Layer):
    """The same in a layer of its own, around the activation too."""

    def __init__(self, factor=1.0, value=1.0):
        super().__init__()
        self.inner, self.fc = _Inner(factor, value), fake.Linear(6, 3)

    def forward(self, x):
        return self.fc(self.inner(x))


class _PlainNorm(fake.BatchNorm1D):
    """A norm without a weight and a bias."""

    def __init__(self, features):
        super().__init__(features)
        self.weight = self.bias = None
        self._parameters.clear()

    def forward(self, x):
        inverse = (1 / np.sqrt(self.running_var.array + np.float32(self.epsilon))).astype(np.float32)
        return (x + fake.Tensor(-self.running_mean.array)) * fake.Tensor(inverse)


class Normed(fake.Layer):
    """A norm between two layers; with a weight of `weight`, or without any."""

    def __init__(self, affine=True, weight=1.0, trained=True):
        super().__init__()
        self.a = fake.Linear(4, 4)
        self.norm = fake.BatchNorm1D(4) if affine else _PlainNorm(4)
        self.b = fake.Linear(4, 3)
        if affine:
            self.norm.weight = fake.Parameter(np.full(4, weight, np.float32), trainable=trained)
            self.norm.bias = fake.Parameter(np.zeros(4, np.float32), trainable=trained)

    def forward(self, x):
        return self.b(self.norm(self.a(x)))


def momentum(model):
    return fake.Momentum(model)
