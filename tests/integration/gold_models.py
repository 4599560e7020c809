"""Models of the fake framework whose rounding a table does not foresee."""

import fake
import numpy as np
from lockstep_models import Half


class Coarse(fake.Layer):
    """Adds a large number and takes it away again, which rounds to that number's spacing."""

    def __init__(self, offset=4096.0, fault=0.0, gradient=1.0):
        super().__init__()
        self.first = Half()
        self.rounding = _Rounding(offset, fault)
        self.last = _Scaled(gradient)

    def forward(self, x):
        return self.last(self.rounding(self.first(x)))


class _Rounding(fake.Layer):
    def __init__(self, offset, fault):
        super().__init__()
        self.weight = fake.Parameter(np.ones(6, np.float32))
        self._offset, self._fault = offset, fault

    def forward(self, x):
        return (x * self.weight + self._offset) + (self._fault - self._offset)


class _Scaled(fake.Layer):
    """Returns what it takes; the gradient is multiplied."""

    def __init__(self, factor):
        super().__init__()
        self._factor = factor

    def forward(self, x):
        return fake._result(x.array, (x,), lambda gradient: (gradient * np.float32(self._factor),))


class Narrow(Coarse):
    """Runs in float32 alone."""

    def forward(self, x):
        if x.array.dtype != np.float32:
            raise TypeError(f"float32 wanted, got {x.array.dtype}")
        return super().forward(x)


class Stateful(fake.Layer):
    """A norm's statistics, dropout by the framework's generator, and a rounding layer."""

    def __init__(self, offset=4096.0):
        super().__init__()
        self.norm = fake.BatchNorm1D(6)
        self.dropout = fake.Dropout(0.5)
        self.rounding = _Rounding(offset, 0.0)

    def forward(self, x):
        return self.rounding(self.dropout(self.norm(x)))


class Centred(fake.Layer):
    """Takes a mean away from values that are near it; in another order where `is_factored`."""

    def __init__(self, is_factored=False, fault=0.0):
        super().__init__()
        self.far = _Shifted(1000.0)
        self.centre = _Centre(is_factored, fault)

    def forward(self, x):
        return self.centre(self.far(x))


class _Shifted(fake.Layer):
    def __init__(self, by):
        super().__init__()
        self._by = by

    def forward(self, x):
        return x + self._by


class _Centre(fake.Layer):
    def __init__(self, is_factored, fault):
        super().__init__()
        self.weight = fake.Parameter(np.full(6, 0.7, np.float32))
        self._is_factored, self._fault = is_factored, fault

    def forward(self, x):
        if self._is_factored:
            return x * self.weight + self.weight * (self._fault - 1000.0)
        return (x + (self._fault - 1000.0)) * self.weight


class Near(fake.Layer):
    """As `Centred`, in `dtype` throughout: where that is a half, little but rounding is left."""

    def __init__(self, dtype="float16", is_factored=False, fault=0.0, gradient=1.0):
        super().__init__()
        self.first = _Weighted(dtype, 0.5)
        self.far = _Moved(100.0)
        self.centre = _CentreKeeping(dtype, is_factored, fault)
        self.last = _Times(gradient)

    def forward(self, x):
        return self.last(self.centre(self.far(self.first(x))))


class _Times(fake.Layer):
    """Returns what it takes; the gradient is multiplied."""

    def __init__(self, factor):
        super().__init__()
        self._factor = factor

    def forward(self, x):
        return fake.scale_gradient(x, self._factor)


def _plus(x, number):
    return fake._result(x.array + x.array.dtype.type(number), (x,), lambda gradient: (gradient,))


class _Weighted(fake.Layer):
    def __init__(self, dtype, value):
        super().__init__()
        self.weight = fake.Parameter(np.full(6, value, dtype))

    def forward(self, x):
        return x * self.weight


class _Moved(fake.Layer):
    def __init__(self, by):
        super().__init__()
        self._by = by

    def forward(self, x):
        return _plus(x, self._by)


class _CentreKeeping(_Weighted):
    def __init__(self, dtype, is_factored, fault):
        super().__init__(dtype, 0.7)
        self._is_factored, self._fault = is_factored, fault

    def forward(self, x):
        if self._is_factored:
            return x * self.weight + self.weight * fake.Tensor(self._offset(x))
        return (x + fake.Tensor(self._offset(x))) * self.weight

    def _offset(self, x):
        return x.array.dtype.type(self._fault - 100.0)


class Lossy(fake.Layer):
    """The variance of each column; where `is_lossy` as the mean of squares less the square of the mean."""

    def __init__(self, is_lossy=False, offset=300.0):
        super().__init__()
        self.far = _Shifted(offset)
        self.variance = _Variance(is_lossy)
        self.last = _Weighted("float32", 0.25)

    def forward(self, x):
        return self.last(self.variance(self.far(x)))


class _Variance(_Weighted):
    def __init__(self, is_lossy):
        super().__init__("float32", 1.0)
        self._is_lossy = is_lossy

    def forward(self, x):
        array, count = x.array, x.array.dtype.type(len(x.array))
        mean = array.mean(axis=0)
        made = (array - mean) ** 2
        if self._is_lossy:
            made = array * array - mean * mean
        spread = (2 * (array - mean)) / count
        variance = fake._result(made.sum(axis=0) / count, (x,), lambda gradient: (gradient * spread,))
        return variance * self.weight
