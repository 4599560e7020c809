"""Models of the fake framework that hang in several ways, leave the process, or end it."""

import ctypes
import itertools
import os
import re
import signal
import sys
import time

import fake
import fake_models


def sleep():
    time.sleep(3600)


def spin():
    while True:
        pass


def hold():
    """Sleeps in C, as no Python thread can while this one does."""
    ctypes.PyDLL(None).usleep(3600 * 1_000_000)


def search():
    """Spins in C with the lock held: the pattern tries each way to split the text."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def interrupt():
    raise KeyboardInterrupt("the model's own")


def leave():
    sys.exit(3)


def end():
    os._exit(7)


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


WAYS = {way.__name__: way for way in (sleep, spin, hold, search, interrupt, leave, end, crash)}


class Hanging(fake_models.Net):
    """Hangs in one of its layers, in the `at`-th forward from 1, or when the gradient passes there."""

    def __init__(self, way="sleep", at=1, when="forward"):
        super().__init__()
        self.stuck = _Stuck(way, at, when)

    def forward(self, x):
        return self.stuck(super().forward(x))


class _Stuck(fake.Layer):
    def __init__(self, way, at, when):
        super().__init__()
        self._way, self._at, self._when = WAYS[way], at, when
        # A count that nothing puts back.
        self._calls = itertools.count(1)

    def forward(self, x):
        if next(self._calls) < self._at:
            return x
        if self._when == "forward":
            self._way()

        def hang(gradient):
            self._way()

        return fake._result(x.array.copy(), (x,), hang)


class _Pausing(fake.Layer):
    def __init__(self, seconds):
        super().__init__()
        self._seconds = seconds

    def forward(self, x):
        time.sleep(self._seconds)
        return x


def build(way="sleep"):
    """Hangs before there is a model."""
    WAYS[way]()


def batches():
    """A loader that hangs at its second batch."""
    import numpy as np

    yield {"x": np.ones((5, 4), np.float32)}
    time.sleep(3600)


def rule(arrays):
    time.sleep(3600)


class SlowStart(fake.Layer):
    """Computes the same, after as many pauses as it has layers in front."""

    def __init__(self, layers=0, seconds=0.4):
        super().__init__()
        self.slow = fake.Sequential(*(_Pausing(seconds) for _ in range(layers)))
        self.net = fake_models.Net()

    def forward(self, x):
        return self.net(self.slow(x))


class HangingOptimizer(fake.SGD):
    def step(self):
        time.sleep(3600)
