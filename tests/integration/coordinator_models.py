"""Models of the fake framework that break, grow or stray in chosen ways."""

import itertools
import os
import signal
import time

import fake
import numpy as np
from fake_models import Net


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class _Deadly(fake.Layer):
    """Passes its input on; the process dies in its n-th forward call, or in its backward."""

    def __init__(self, call=None):
        super().__init__()
        # Nothing puts an iterator back.
        self._deadly, self._calls = call, itertools.count(1)

    def forward(self, x):
        if self._deadly is not None:
            if next(self._calls) == self._deadly:
                die()
            return x * 1.0

        def backward(gradient):
            die()

        return fake._result(x.array.copy(), (x,), backward)


class Dying(Net):
    """Net that kills its process at "load", "trace", "forward" or "backward"."""

    def __init__(self, when="never"):
        super().__init__()
        if when == "load":
            die()
        self.last = _Deadly({"trace": 1, "forward": 2, "never": 1000}.get(when))

    def forward(self, x):
        return self.last(super().forward(x))


def deadly_loss(output):
    die()


def plain_loss(output):
    return (output * output).sum()


def deadly_optimizer(model):
    return die


def plain_optimizer(model):
    return fake.SGD(model, lr=0.1)


class Wide(fake.Layer):
    """Captures of `layers` times a mebibyte from a batch of 256 rows of 1024."""

    def __init__(self, layers=20):
        super().__init__()
        for index in range(layers):
            setattr(self, f"relu{index}", fake.ReLU())
        self._count = layers

    def forward(self, x):
        for index in range(self._count):
            x = getattr(self, f"relu{index}")(x * 1.5)
        return x


class Straying(Net):
    """Net that calls fc2 twice from its n-th forward call on, the second time for nothing."""

    def __init__(self, from_call=2):
        super().__init__()
        self._from_call, self._calls = from_call, itertools.count(1)

    def forward(self, x):
        hidden = self.relu(self.norm(self.fc1(x)))
        if next(self._calls) >= self._from_call:
            self.fc2(hidden)
        return self.fc2(hidden)


class Raising(Net):
    """Net whose fc2 raises from its n-th call on."""

    def __init__(self, from_call=1):
        super().__init__()
        self._from_call, self._calls = from_call, itertools.count(1)

    def forward(self, x):
        hidden = self.relu(self.norm(self.fc1(x)))
        if next(self._calls) >= self._from_call:
            raise ValueError("broken on purpose")
        return self.fc2(hidden)


class Plain(fake.Layer):
    """No parameters; two outputs, or three."""

    def __init__(self, outputs=2, factor=1.0):
        super().__init__()
        self.relu = fake.ReLU()
        self._outputs, self._factor = outputs, factor

    def forward(self, x):
        return tuple(self.relu(x) * self._factor for _ in range(self._outputs))


class NotANumber(fake.Layer):
    """Makes NaN in its second layer."""

    def __init__(self):
        super().__init__()
        self.first = fake.ReLU()
        self.second = _Logarithm()
        self.third = fake.ReLU()

    def forward(self, x):
        return self.third(self.second(self.first(x)))


class _Logarithm(fake.Layer):
    def forward(self, x):
        with np.errstate(all="ignore"):
            return fake.Tensor(np.log(x.array - 1.0).astype(np.float32))


class Halved(fake.Layer):
    """Doubles and halves: `factor` in between is invisible at the end."""

    def __init__(self, factor=2.0):
        super().__init__()
        self.up, self.down = _Times(factor), _Times(1.0 / factor)

    def forward(self, x):
        return self.down(self.up(x))


class _Times(fake.Layer):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


def carry(arrays):
    """A special initialiser that does what the built-in rules would."""
    return dict(arrays)


def carry_half(arrays):
    return {"weight": arrays["weight"]}


def carry_nothing(arrays):
    raise KeyError("no such array")


class Slow(Wide):
    """Takes a minute to run forward, a tenth of a second from hook to hook."""

    def __init__(self):
        super().__init__(layers=600)

    def forward(self, x):
        for index in range(self._count):
            time.sleep(0.1)
            x = getattr(self, f"relu{index}")(x)
        return x


class TwoOutputs(fake.Layer):
    """Two outputs, as a tuple or as a mapping that sorts the other way."""

    def __init__(self, as_mapping):
        super().__init__()
        self.fc1 = fake.Linear(4, 4)
        self.fc2 = fake.Linear(4, 4)
        self.as_mapping = as_mapping

    def forward(self, x):
        hidden = self.fc1(x)
        logits = self.fc2(hidden)
        return {"logits": logits, "hidden": hidden} if self.as_mapping else (logits, hidden)


def no_loss(output):
    """Forgets to return."""


class GivesUp(BaseException):
    """What some libraries raise so that nobody catches it."""


def giving_up(output):
    raise GivesUp("enough")


class GivingUp(Net):
    """Raises what is no Exception, when it is built or when it is called."""

    def __init__(self, when):
        super().__init__()
        self.when = when
        if when == "load":
            raise GivesUp("enough")

    def forward(self, x):
        raise GivesUp("enough")
