"""Models of the fake framework whose faults lie where a loose bound would hide them."""

import fake
import numpy as np


class Optimizer:
    """SGD that leaves chosen weights at a chosen value."""

    def __init__(self, model, lr=0.1, weight_decay=0.0, spoil=None):
        self.model, self.spoil = model, spoil
        self._sgd = fake.SGD(model, lr=lr, weight_decay=weight_decay)

    def __call__(self):
        self._sgd.step()
        self._sgd.clear()
        if self.spoil is not None:
            self.model.last.weight.array[...] = self.spoil


def sgd(model):
    return Optimizer(model)


def standing(model):
    return Optimizer(model, lr=0.0)


def decaying(model):
    return Optimizer(model, weight_decay=1.0)


def spoiling_nan(model):
    return Optimizer(model, spoil=np.nan)


def spoiling_five(model):
    return Optimizer(model, spoil=5.0)


class Off(fake.Layer):
    """All of its gradients are off by one factor, within the tolerance of gradients."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.first, self.act, self.last = fake.Linear(4, 8), fake.ReLU(), fake.Linear(8, 3)
        self.factor = np.float32(factor)

    def forward(self, x):
        return fake.scale_gradient(self.last(self.act(self.first(x))), self.factor)


class Faint(fake.Layer):
    """The gradients of `faint` are noise below the rounding of the others, another with each seed."""

    def __init__(self, seed=1):
        super().__init__()
        self.fc, self.faint = fake.Linear(4, 3), fake.Linear(4, 3)
        self.noise = np.float32(1e-8) * np.random.default_rng(seed).standard_normal(3).astype(np.float32)

    def forward(self, x):
        return self.fc(x) + fake.scale_gradient(self.faint(x), self.noise)


class Masked(fake.Layer):
    """Scores with one column masked out."""

    def __init__(self, wrong=1.0, mask=-1e9):
        super().__init__()
        self.fc = fake.Linear(4, 3)
        self.wrong, self.mask = wrong, np.float32(mask)

    def forward(self, x):
        scores = self.fc(x) * self.wrong
        blocked = np.arange(3) == 0
        return fake.Tensor(np.where(blocked, self.mask, scores.array).astype(np.float32))


class Bend(fake.Layer):
    def __init__(self, factor):
        super().__init__()
        self.factor = np.float32(factor)

    def forward(self, x):
        return fake.scale_gradient(x, self.factor)


class OwnMean(fake.Layer):
    """Returns its own mean loss, whose gradient is far larger than any element's of the activations."""

    def __init__(self, fault=1.0):
        super().__init__()
        self.act, self.bend = fake.ReLU(), Bend(fault)

    def forward(self, x):
        y = self.bend(self.act(x))
        return (y * y).mean()


def itself(output):
    return output * 1.0


class Frozen(fake.Layer):
    """Nothing in it requires a gradient."""

    def __init__(self):
        super().__init__()
        self.fc = fake.Linear(4, 3)
        for name in ("weight", "bias"):
            setattr(self.fc, name, fake.Parameter(getattr(self.fc, name).array, trainable=False))

    def forward(self, x):
        return self.fc(x)


def mean_loss(output):
    return (output * output).mean()


def sum_loss(output):
    return (output * output).sum()
