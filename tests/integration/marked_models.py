"""Models of the fake framework in which tensors between the layers are marked."""

import fake
import numpy as np

from padiff_worker import mark


class Marked(fake.Layer):
    """Two layers, and code between them: a product, two sums in a loop, and what takes their result on."""

    def __init__(self, factor=2.0, gradient=1.0, also=""):
        super().__init__()
        self.first, self.last = _Times(), _Times()
        self._factor, self._gradient, self._also = factor, gradient, also

    def forward(self, x):
        y = mark("scaled", self.first(x) * np.float32(self._factor))
        if self._also:
            y = mark(self._also, y)
        for _ in range(2):
            y = mark("sums.of loop", y + np.float32(1.0))
        factor = np.float32(self._gradient)
        return self.last(fake._result(y.array, (y,), lambda gradient: (gradient * factor,)))


class _Times(fake.Layer):
    def __init__(self):
        super().__init__()
        self.weight = fake.Parameter(np.linspace(0.5, 1.5, 6).astype(np.float32))

    def forward(self, x):
        return x * self.weight
