"""Ports of `torch_hints` with one mistake in each layer."""

import numpy as np
from paddle import nn

WIDTH = 16


def numbers(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32) / 4


class Factor(nn.Layer):
    def __init__(self, number=1.0, half=False):
        super().__init__()
        self.weight = self.create_parameter([WIDTH])
        self.weight.set_value(1 + numbers(WIDTH))
        self.number, self.half = number, half

    def forward(self, x):
        made = x * self.weight * self.number
        return made.astype("float16").astype("float32") if self.half else made


class Affine(nn.Layer):
    """Forgets its bias."""

    def __init__(self):
        super().__init__()
        self.weight = self.create_parameter([WIDTH, 2 * WIDTH])
        self.bias = self.create_parameter([2 * WIDTH])

    def forward(self, x):
        return x @ self.weight + 0.0 * self.bias


class Turned(nn.Linear):
    """Takes its weight transposed."""

    def forward(self, x):
        return x @ self.weight.t() + self.bias


class Many(nn.Layer):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH, epsilon=1e-4)
        self.gelu = nn.GELU(approximate=True)
        self.scale = Factor(1 / WIDTH)
        self.sign = Factor(-1.0)
        self.affine = Affine()
        self.fc = nn.Linear(2 * WIDTH, WIDTH)
        self.last = Factor(half=True)
        self.turned = Turned(WIDTH, WIDTH)

    def forward(self, x):
        x = self.gelu(self.norm(0.1 * x))
        x = self.sign(self.scale(x))
        return self.turned(self.last(self.fc(self.affine(x))))


class Square(nn.Layer):
    """The first weight as the file has it, which is transposed here; the second one is the first."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(WIDTH, WIDTH, bias_attr=False)
        self.two = nn.Linear(WIDTH, WIDTH, bias_attr=False)
        self.one.weight.set_value(numbers(WIDTH, WIDTH))
        self.two.weight.set_value(numbers(WIDTH, WIDTH).T.copy())

    def forward(self, x):
        return self.two(self.one(x))
