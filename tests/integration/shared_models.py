"""A stack of layers with one activation for all, or with one for each."""

import fake
import numpy as np


class _Doubled(fake.ReLU):
    """An activation at fault."""

    def forward(self, x):
        return super().forward(x) * np.float32(2)


class Activated(fake.Layer):
    """Three layers; `shared`: one activation works for all; the `faulty`-th call doubles."""

    def __init__(self, shared, faulty=-1, wrapped=False):
        super().__init__()
        self._shared = shared
        self.layers = fake.Sequential(*(fake.Linear(4, 4) for _ in range(3)))
        if shared:
            self.act = fake.ReLU()
        else:
            for n in range(3):
                made = _Doubled() if n == faulty else fake.ReLU()
                setattr(self, f"act{n}", fake.Sequential(made) if wrapped else made)

    def forward(self, x):
        for n, layer in enumerate(self.layers._layers.values()):
            x = layer(x)
            x = self.act(x) if self._shared else getattr(self, f"act{n}")(x)
        return x
