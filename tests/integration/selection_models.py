"""Models of the fake framework in blocks, one of which may compute something else."""

import fake


class Block(fake.Layer):
    def __init__(self, shift):
        super().__init__()
        self.first, self.act, self.last = fake.Linear(4, 4), fake.ReLU(), fake.Linear(4, 4)
        self._shift = shift

    def forward(self, x):
        return self.last(self.act(self.first(x) + self._shift))


class Net(fake.Layer):
    def __init__(self, wrong=-1):
        super().__init__()
        self.blocks = fake.Sequential(*(Block(0.5 * (number == wrong)) for number in range(3)))
        self.head = fake.Linear(4, 2)

    def forward(self, x):
        return self.head(self.blocks(x))
