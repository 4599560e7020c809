"""What the suites need of a framework besides its adapter, and toys made of it."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Optional

import numpy as np

from padiff_rpc.tensors import Array, HostTensor, widen
from padiff_rpc.words import DType
from padiff_worker.adapter import FrameworkAdapter


class AdapterCase:
    """One framework's toys. What it does not have raises SkipTest, as the defaults here do.

    Attributes:
        adapter: the adapter under test.
        layer_class: the framework's base class for layers; it registers children and parameters that
            are assigned to attributes, and calls `forward`.
        suffixes: the state files that the adapter reads and writes, the framework's own format first.
        recomputations: functions (function, tensor) -> tensor, one for each way of the framework to
            recompute a forward in backward.
    """

    adapter: FrameworkAdapter
    layer_class: Any
    suffixes: tuple[str, ...] = ()
    recomputations: tuple[Callable[[Callable[[Any], Any], Any], Any], ...] = ()

    def parameter(self, array: Array) -> Any:
        """Returns a trainable parameter."""
        raise NotImplementedError

    def relu_(self, tensor: Any) -> Any:
        """Applies ReLU in place and returns the same object."""
        raise NotImplementedError

    def flat(self, tensor: Any) -> Any:
        """Returns a one-dimensional view."""
        raise NotImplementedError

    def transposed(self, tensor: Any) -> Any:
        """Returns a view of a matrix with its axes exchanged; not contiguous."""
        raise unittest.SkipTest("no transposed views")

    def halves(self, tensor: Any) -> tuple[Any, Any]:
        """Returns the two halves of the first axis as outputs of one operation."""
        raise unittest.SkipTest("no operation with two outputs")

    def add_buffer(self, layer: Any, name: str, array: Array, *, persistent: bool) -> None:
        raise unittest.SkipTest("no buffers that are not saved")

    def batch_norm(self, features: int) -> Any:
        """Returns a batch norm over the second axis, in train mode."""
        raise NotImplementedError

    def random(self, count: int) -> Any:
        """Returns that many numbers of the framework's generator."""
        raise NotImplementedError

    def sgd(self, model: Any, rate: float) -> Any:
        """Returns the framework's plain gradient descent over all parameters."""
        raise NotImplementedError

    def loader(self, count: int, workers: int) -> Any:
        """Returns the framework's DataLoader over the numbers 0.0 ... `count` - 1, two to a batch."""
        raise unittest.SkipTest("no DataLoader")

    # Made of the above.

    def tensor(self, values: Any, requires_grad: bool = False, dtype: Optional[DType] = None) -> Any:
        array = np.asarray(values, None if isinstance(values, np.ndarray) else np.float32)
        value = HostTensor.from_array(array, dtype)
        return self.adapter.from_host(value, device="cpu", requires_grad=requires_grad)

    def value(self, tensor: Any) -> Array:
        """Returns the values for NumPy's arithmetic: float64, complex128, integers or bools."""
        copy = self.adapter.host_copy(tensor)
        return widen(copy.array, copy.dtype)

    def total(self, *tensors: Any) -> Any:
        """Returns a loss whose gradient is 1 at every element of each tensor."""
        total = tensors[0].sum()
        for tensor in tensors[1:]:
            total = total + tensor.sum()
        return total

    def layer(self, forward: Callable[..., Any], **attributes: Any) -> Any:
        """Returns a layer that holds `attributes` (layers, parameters) and calls forward(self, ...)."""
        made = type("Toy", (self.layer_class,), {"forward": forward})()
        for name, value in attributes.items():
            setattr(made, name, value)
        return made

    def scale(self, *factors: float) -> Any:
        """Returns a layer that multiplies by a parameter."""
        parameter = self.parameter(np.array(factors, np.float32))
        return self.layer(lambda layer, x: x * layer.factor, factor=parameter)


@contextmanager
def raises(error: type[BaseException], *texts: str) -> Iterator[None]:
    """Passes if the block raises `error` with all `texts` in its one line."""
    try:
        yield
    except error as raised:
        message = str(raised)
        for text in texts:
            assert text in message, message
        assert "\n" not in message, message
        return
    raise AssertionError(f"nothing raised {error.__name__}")
