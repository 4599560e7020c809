"""The framework's part of the suites besides its adapter, and toys made of it."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Optional

import numpy as np

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import Array, HostTensor, numpy_dtype, widen
from padiff_rpc.v1.words import DType
from padiff_worker.adapter import FrameworkAdapter

# Dtypes that a framework may lack.
OPTIONAL_DTYPES = {DType.BFLOAT16, DType.UINT16, DType.UINT32, DType.UINT64}
SHAPES = ((), (3,), (2, 3), (0, 3), (2, 0))

_NOT_RANDOM = "no random operation of this kind"
Recomputation = Callable[[Callable[[Any], Any], Any], Any]


def sample(dtype: DType, shape: tuple[int, ...]) -> HostTensor:
    """Returns values that fill every byte with something."""
    size = int(np.prod(shape)) * numpy_dtype(dtype).itemsize
    raw = np.random.PCG64(7).random_raw(max(size, 1)).astype(np.uint8)[:size]
    if dtype is DType.BOOL:
        raw %= 2
    return HostTensor(array=raw.view(numpy_dtype(dtype)).reshape(shape), dtype=dtype)


class AdapterCase:
    """One framework's toys. What it does not have raises SkipTest, as the defaults here do.

    Attributes:
        adapter: the adapter under test.
        layer_class: the framework's base class for layers; it registers children and parameters that
            are assigned to attributes, and calls `forward`.
        batch_norm_names: what a batch norm calls its weight, bias, mean and variance.
        suffixes: the state files that the adapter reads and writes, the framework's own format first.
        recomputations: functions (function, tensor) -> tensor, one for each way of the framework to
            recompute a forward in backward.
        random_recomputations: those of them that keep the generators' states, as dropout needs it.
        nested_recomputations: those of the latter that may lie in each other.
    """

    adapter: FrameworkAdapter
    layer_class: Any
    batch_norm_names: tuple[str, str, str, str] = ("weight", "bias", "running_mean", "running_var")
    suffixes: tuple[str, ...] = ()
    recomputations: tuple[Recomputation, ...] = ()
    random_recomputations: tuple[Recomputation, ...] = ()
    nested_recomputations: tuple[Recomputation, ...] = ()

    def known_layers(self) -> Mapping[str, Callable[[], Any]]:
        """Returns how to make the layers that `known_layers.LAYERS` names, as far as the framework has them.

        Sizes and settings are those that the table says; what it does not say is the framework's default.
        """
        return {}

    def parameter(self, array: Array) -> Any:
        """Returns a trainable parameter."""
        raise NotImplementedError

    def relu_(self, tensor: Any) -> Any:
        """Applies ReLU in place and returns the same object."""
        raise NotImplementedError

    def scale_(self, tensor: Any, factor: float) -> None:
        """Multiplies a parameter in place, without gradients."""
        raise NotImplementedError

    def scale_data(self, tensor: Any, factor: float) -> None:
        """Multiplies the elements in place, as user code does it past autograd: through `data`."""
        raise NotImplementedError

    def flat(self, tensor: Any) -> Any:
        """Returns a one-dimensional view."""
        raise NotImplementedError

    def transposed(self, tensor: Any) -> Any:
        """Returns a view of a matrix with its axes exchanged; not contiguous."""
        raise unittest.SkipTest("no transposed views")

    def columns(self, tensor: Any, start: int, end: int) -> Any:
        """Returns a view of some columns of a matrix; not contiguous."""
        raise unittest.SkipTest("no slices")

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

    def momentum(self, model: Any, rate: float) -> Any:
        """Returns the framework's gradient descent with a momentum of 0.5 over all parameters."""
        raise NotImplementedError

    def adam(self, model: Any, rate: float) -> Any:
        """Returns the framework's Adam with the betas 0.5 and 0.75 over all parameters."""
        raise unittest.SkipTest("no Adam")

    def loader(self, count: int, workers: int) -> Any:
        """Returns the framework's DataLoader over the numbers 0.0 ... `count` - 1, two to a batch."""
        raise unittest.SkipTest("no DataLoader")

    # Random operations.

    def dropout(self, x: Any, p: float, training: bool = True) -> Any:
        raise NotImplementedError

    def rand(self, shape: tuple[int, ...]) -> Any:
        """Returns uniform float32 numbers."""
        raise NotImplementedError

    def unshared(self) -> str:
        """Runs an operation that no numbers of ours can stand for; returns its name."""
        raise NotImplementedError

    def hidden_drawing(self) -> Callable[[], Any]:
        """Returns what draws one number in a way that none of the adapter's patches sees."""
        raise NotImplementedError

    def random_functions(self) -> list[Any]:
        """Returns functions of the framework that the adapter puts its own in place of."""
        raise NotImplementedError

    def feature_dropout(self, x: Any, p: float) -> Any:
        """Drops whole channels of [batch, channels, height, width]."""
        raise unittest.SkipTest(_NOT_RANDOM)

    def alpha_dropout(self, x: Any, p: float) -> Any:
        raise unittest.SkipTest(_NOT_RANDOM)

    def rrelu(self, x: Any, lower: float, upper: float) -> Any:
        raise unittest.SkipTest(_NOT_RANDOM)

    def dot_product_attention(self, query: Any, key: Any, value: Any, p: float) -> Any:
        """Returns the framework's own attention with dropout, all of [batch, heads, length, size]."""
        raise unittest.SkipTest(_NOT_RANDOM)

    def randn(self, shape: tuple[int, ...]) -> Any:
        raise unittest.SkipTest(_NOT_RANDOM)

    def bernoulli(self, probability: Any) -> Any:
        raise unittest.SkipTest(_NOT_RANDOM)

    def bernoulli_(self, tensor: Any, probability: float) -> Any:
        raise unittest.SkipTest(_NOT_RANDOM)

    def floor(self, tensor: Any) -> Any:
        raise unittest.SkipTest(_NOT_RANDOM)

    def linear(self, inputs: int, outputs: int) -> Any:
        """Returns the framework's linear layer."""
        raise NotImplementedError

    def only_trained(self) -> Any:
        """Returns a layer [2, 3, 4] -> [2, 3, 4] in train mode that has no backward in eval mode."""
        raise unittest.SkipTest("every layer has a backward in eval mode")

    def user_backward(self, loss: Any) -> None:
        """Runs backward as user code does."""
        loss.backward()

    # Made of the above.

    def tensor(self, values: Any, requires_grad: bool = False, dtype: Optional[DType] = None) -> Any:
        array = np.asarray(values, None if isinstance(values, np.ndarray) else np.float32)
        value = HostTensor.from_array(array, dtype)
        return self.adapter.from_host(value, device="cpu", requires_grad=requires_grad)

    def value(self, tensor: Any) -> Array:
        """Returns the values for NumPy's arithmetic: float64, complex128, integers or bools."""
        copy = self.adapter.host_copy(tensor)
        return widen(copy.array, copy.dtype)

    def has(self, dtype: DType) -> bool:
        try:
            self.adapter.from_host(sample(dtype, ()), device="cpu", requires_grad=False)
        except InvalidRequestError:
            return False
        return True

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

    def family(self) -> Any:
        """Returns a model with a shared layer, a tied parameter and a parameter of the root's own."""
        shared = self.scale(2.0, 3.0)
        tied = self.scale(1.0, 1.0)
        tied.factor = shared.factor
        left = self.layer(lambda layer, x: layer.inner(x), inner=shared)
        right = self.layer(lambda layer, x: layer.tied(layer.inner(x)), inner=shared, tied=tied)
        return self.layer(
            lambda layer, x: layer.right(layer.left(x)) + layer.offset,
            left=left,
            right=right,
            offset=self.parameter(np.array([1, 2], np.float32)),
        )


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
