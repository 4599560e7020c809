"""Models of the fake framework that decide between values that are equal but for rounding."""

import fake
import numpy as np
from lockstep_models import Half

# How many of the rows are equal.
TIED = 5


class Deciding(fake.Layer):
    """A layer of `kind`, with these arguments, decides between values that a layer before makes equal."""

    def __init__(self, kind, **given):
        super().__init__()
        self.first = Half()
        before, decides = KINDS[kind]
        self.before = before()
        self.decide = decides(**given)
        self.last = Half()

    def forward(self, x):
        decided = self.decide(self.before(self.first(x)))
        return self.last(decided[0] if isinstance(decided, tuple) else decided)


class _Doubled(fake.Layer):
    """Every value twice, one behind the other; but for a few rows the second is larger."""

    def forward(self, x):
        pairs = np.repeat(x.array, 2, axis=-1)
        pairs[TIED:, 1::2] += 0.25
        return fake._result(pairs, (x,), _pairs_summed)


def _pairs_summed(gradient):
    return (gradient.reshape(*gradient.shape[:-1], -1, 2).sum(-1),)


class _Pooled(fake.Layer):
    """The larger of each two; of equals the first, or the last. `fault` is added."""

    def __init__(self, last=False, smaller=False, fault=0.0, gradient=1.0):
        super().__init__()
        self._last, self._smaller, self._fault, self._gradient = last, smaller, fault, gradient

    def forward(self, x):
        pairs = x.array.reshape(*x.array.shape[:-1], -1, 2)
        first, second = pairs[..., 0], pairs[..., 1]
        takes_second = second < first if self._smaller else second > first
        if self._last:
            takes_second = takes_second | (second == first)
        taken = np.where(takes_second, second, first) + np.asarray(self._fault, pairs.dtype)

        def backward(gradient):
            given = np.zeros_like(pairs)
            given[..., 0], given[..., 1] = gradient * ~takes_second, gradient * takes_second
            return (given.reshape(x.array.shape) * np.asarray(self._gradient, given.dtype),)

        return fake._result(taken, (x,), backward)


class _Chosen(fake.Layer):
    """Values and places of the largest; of equals the first, or the last. `shift` is added to the places."""

    def __init__(self, last=False, shift=0, at=(), smallest=False):
        super().__init__()
        self._last, self._shift, self._at, self._smallest = last, shift, list(at), smallest

    def forward(self, x):
        array = x.array[..., ::-1] if self._last else x.array
        places = np.argmin(array, -1) if self._smallest else np.argmax(array, -1)
        if self._last:
            places = array.shape[-1] - 1 - places
        rows = np.arange(len(places))
        values = x.array[rows, places][:, None] * np.ones(6, array.dtype)

        def backward(gradient):
            given = np.zeros_like(x.array)
            given[rows, places] = gradient.sum(-1)
            return (given,)

        told = places.copy()
        told[self._at or slice(None)] += self._shift
        return fake._result(values, (x,), backward), fake.Tensor(told)


class _Sixteenths(fake.Layer):
    """Odd sixteenths, the middles of eighths; but for a few rows even ones."""

    def forward(self, x):
        odd = 2 * np.floor(x.array * 8) + (np.arange(len(x.array)) < TIED)[:, None]
        return fake._result((odd / 16).astype(x.array.dtype), (x,), lambda gradient: (gradient,))


class _Rounded(fake.Layer):
    """Eighths: what lies in the middle goes up, or down. `tilt` moves the middle; `scale`: of all."""

    def __init__(self, down=False, tilt=0.0, scale=1.0):
        super().__init__()
        self._down, self._tilt, self._scale = down, tilt, scale

    def forward(self, x):
        eighths = x.array * 8 - self._tilt
        steps = np.ceil(eighths - 0.5) if self._down else np.floor(eighths + 0.5)
        # Beside what is rounded, so that other elements' rounding shows as well.
        made = (np.sin(x.array) + steps / 8) * self._scale
        return fake._result(made.astype(x.array.dtype), (x,), lambda gradient: (gradient,))


KINDS = {
    "pooled": (_Doubled, _Pooled),
    "chosen": (_Doubled, _Chosen),
    "rounded": (_Sixteenths, _Rounded),
}
