"""Models of the fake framework that are large enough to be missed when they stay."""

import fake
import numpy as np

MEBIBYTES = 48


class Large(fake.Layer):
    """Scales by a parameter of 48 mebibytes, of which it uses the first element."""

    def __init__(self):
        super().__init__()
        self.table = fake.Parameter(np.ones((MEBIBYTES, 1 << 18), np.float32))
        self.relu = fake.ReLU()

    def forward(self, x):
        return self.relu(x * 2.0)


class LargeAndRaising(Large):
    """The same, but it raises behind its first layer, and keeps itself in a cycle."""

    def __init__(self):
        super().__init__()
        self.__dict__["me"] = self

    def forward(self, x):
        super().forward(x)
        raise ValueError("broken on purpose")
