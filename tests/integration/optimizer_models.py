"""Optimizers of the fake framework, alike and unlike, and models with parameters that are not trained."""

import fake
import numpy as np
from fake_models import Net


def momentum(model):
    return fake.Momentum(model, lr=0.1, momentum=0.5)


def more_momentum(model):
    return fake.Momentum(model, lr=0.1, momentum=0.9)


def faster(model):
    return fake.Momentum(model, lr=0.2, momentum=0.5)


def faster_in_fc2(model):
    return fake.Momentum(model, lr=0.1, momentum=0.5, factors={"fc2.weight": 2.0, "fc2.bias": 2.0})


def sgd(model):
    return fake.SGD(model, lr=0.1)


def hardly_decaying_weights(model):
    return fake.SGD(model, lr=0.1, weight_decay=1e-9)


class Partial(fake.SGD):
    """Was not given the parameters of `fc1`, and steps so little that it hardly shows."""

    def rates(self):
        left_out = [id(one) for one in self.model.fc1._parameters.values()]
        return [(one, rate) for one, rate in super().rates() if id(one) not in left_out]


def faint_sgd(model):
    return fake.SGD(model, lr=1e-9)


def faint_without_fc1(model):
    return Partial(model, lr=1e-9)


def unlike_conventions(model):
    made = momentum(model)
    # One that matters, and one of a setting that is 0.
    made.conventions = {"algorithm": "sgd", "momentum": "of another kind", "weight_decay": "decoupled"}
    return made


def conventional(model):
    made = momentum(model)
    made.conventions = {"algorithm": "sgd", "momentum": "of one kind", "weight_decay": "added"}
    return made


class Decaying(fake.Momentum):
    """Its learning rate is halved behind each step, as by a scheduler."""

    def step(self):
        super().step()
        self.lr *= 0.5


def decaying(model):
    return Decaying(model, lr=0.1, momentum=0.5)


class Forgetful(fake.Momentum):
    """Its momentum is off from one step on."""

    def __init__(self, model, at):
        super().__init__(model, lr=0.1, momentum=0.5)
        self.at, self.made = at, 0

    def step(self):
        super().step()
        self.made += 1
        if self.made > self.at:
            self.velocities = {place: one * np.float32(1.01) for place, one in self.velocities.items()}


def forgetful(model):
    return Forgetful(model, at=1)


class Spoiled(fake.Momentum):
    """The momenta of the layer `faint` are far from what its gradients made."""

    def step(self):
        super().step()
        for parameter in self.model.faint._parameters.values():
            self.velocities[self._place(parameter)] += np.float32(0.01)


def spoiled(model):
    return Spoiled(model, lr=0.1, momentum=0.5)


class Stubborn(fake.Momentum):
    """Takes no state from outside."""

    writable = ()


def stubborn(model):
    return Stubborn(model, lr=0.1, momentum=0.5)


def function(model):
    made = momentum(model)

    def step():
        made.step()
        made.clear()

    return step


def frozen(*names):
    """Returns a net of which the named layers are not trained."""
    model = Net()
    for name in names:
        for weight in ("weight", "bias"):
            before = getattr(getattr(model, name), weight)
            setattr(getattr(model, name), weight, fake.Parameter(before.array, trainable=False))
    return model


def frozen_fc1():
    return frozen("fc1")
