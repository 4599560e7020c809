"""Models of the fake framework for tests, healthy and faulty."""

import fake
import numpy as np


class Net(fake.Layer):
    """fc1, relu, norm, fc2."""

    def __init__(self, width=8, inplace=False, epsilon=1e-5, momentum=0.1, bias=True):
        super().__init__()
        self.fc1 = fake.Linear(4, width)
        self.norm = fake.BatchNorm1D(width, momentum=momentum, epsilon=epsilon)
        self.relu = fake.ReLU(inplace)
        self.fc2 = fake.Linear(width, 3, bias=bias)

    def forward(self, x):
        return self.fc2(self.relu(self.norm(self.fc1(x))))


class Tripled(fake.Layer):
    """Passes its input on; triples its gradient."""

    def forward(self, x):
        return fake.scale_gradient(x, np.float32(3))


class Faulty(Net):
    """Net with a fault: "gradient" between fc1 and norm, "raise" in fc2's place, or "between"."""

    def __init__(self, fault, **kwargs):
        super().__init__(**kwargs)
        self.fault = fault
        if fault == "gradient":
            self.relu = fake.Sequential(self.relu, Tripled())

    def forward(self, x):
        if self.fault == "raise":
            raise ValueError("broken on purpose")
        hidden = self.fc1(x)
        if self.fault == "between":
            hidden = hidden * 1.5
        return self.fc2(self.relu(self.norm(hidden)))


def net(**kwargs):
    return Net(**kwargs)


def faulty(**kwargs):
    return Faulty(**kwargs)


def not_a_model():
    return {"a": 1}


def raising():
    raise RuntimeError("no such luck")


def sgd(model):
    return fake.SGD(model, lr=0.1)


def sgd_with_decay(model):
    return fake.SGD(model, lr=0.1, weight_decay=0.5)


def squares(output):
    return (output * output).sum()


def squares_plus_100(output):
    return (output * output).sum() + 100.0


def against(output, target):
    difference = output + target * -1.0
    return (difference * difference).mean()
