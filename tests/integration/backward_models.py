"""Models of the fake framework whose backward is missing, or raises, and train steps that call it."""

import fake
import numpy as np


class Gated(fake.Layer):
    """first, gate (which has no backward in eval mode), last; the faults are of the forward."""

    def __init__(self, forward=1.0, gradient=1.0, detached=False, keeps=False):
        super().__init__()
        self.first = fake.Linear(4, 4)
        self.gate = fake.Gate(4, keeps)
        self.last = fake.Linear(4, 3)
        self.settings = (forward, gradient, detached)

    def forward(self, x):
        forward, gradient, detached = self.settings
        hidden = self.first(x)
        gate = self.gate(hidden)
        gate = fake.Tensor(gate.array) if detached else gate
        hidden = fake.scale_gradient(hidden, np.float32(gradient))
        return self.last((hidden + gate) * np.float32(forward))


class Raising(fake.Layer):
    """A layer whose backward raises, as an operator without a gradient does, between two others."""

    def __init__(self, raises=True, forward=1.0):
        super().__init__()
        self.first = fake.Linear(4, 4)
        self.last = fake.Linear(4, 3)
        self.raises, self.factor = raises, forward

    def forward(self, x):
        hidden = self.first(x) * np.float32(self.factor)
        out = fake.scale_gradient(hidden, np.float32(1))
        if self.raises:
            out.node.backward = _raise
        return self.last(out)


def _raise(gradient):
    raise NotImplementedError("mine has no gradient")


def step(model, batch, optimizer):
    loss = model(batch["x"]).sum()
    fake.run_backward(loss)
    return loss


def sgd(model):
    return fake.SGD(model, lr=0.1)
