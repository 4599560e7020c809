"""Models of the fake framework that are recorded: two outputs, and a parameter in a model's own code."""

import fake
import numpy as np


class Outputs(fake.Layer):
    """Returns a mapping of two outputs, in either order."""

    def __init__(self, order="zb"):
        super().__init__()
        self.first, self.second = fake.Linear(6, 6), fake.Linear(6, 3)
        self._order = order

    def forward(self, x):
        hidden = self.first(x)
        made = {"z": hidden, "b": self.second(hidden)}
        return {name: made[name] for name in self._order}


class OwnParameter(fake.Layer):
    """Multiplies by a parameter in its own code, and then by a number."""

    def __init__(self, factor=0.5):
        super().__init__()
        self.first = fake.Linear(6, 6)
        self.scale = fake.Parameter(np.full(6, 2, np.float32))
        self._factor = factor

    def forward(self, x):
        hidden = self.first(x) * self.scale
        return hidden * self._factor
