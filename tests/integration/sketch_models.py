"""Models of the fake framework, wide enough to be sketched, that may go wrong in one of their blocks."""

import fake


class Block(fake.Layer):
    def __init__(self, factor, gradient):
        super().__init__()
        self.first, self.act, self.last = fake.Linear(32, 32), fake.ReLU(), fake.Linear(32, 32)
        self._factor, self._gradient = factor, gradient

    def forward(self, x):
        hidden = self.act(self.first(x) * self._factor)
        # Of one value, and with a gradient that is multiplied.
        return self.last(hidden * self._gradient + (hidden * (1.0 - self._gradient)).detach())


class Net(fake.Layer):
    def __init__(self, wrong=-1, factor=1.0, gradient=1.0):
        super().__init__()
        blocks = (Block(*((factor, gradient) if number == wrong else (1.0, 1.0))) for number in range(6))
        self.blocks = fake.Sequential(*blocks)
        self.head = fake.Linear(32, 32)

    def forward(self, x):
        return self.head(self.blocks(x))
