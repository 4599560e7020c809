"""A framework of three hundred lines over NumPy, just real enough to compare models of it.

Tensors with versions, views and a tape; layers with hooks; SGD; checkpointing. Its `Linear` stores
its weight as [in, out], and layers' bases end at `Layer`, as in the frameworks that it stands for.
"""

from __future__ import annotations

import contextlib
import itertools

import numpy as np

__version__ = "1.0"

_grad_enabled = True
_autocast = None
_default_dtype = np.float32
generator = np.random.Generator(np.random.PCG64(0))


@contextlib.contextmanager
def autocast(dtype):
    """Linear layers compute in `dtype`."""
    global _autocast
    before, _autocast = _autocast, dtype
    try:
        yield
    finally:
        _autocast = before


@contextlib.contextmanager
def default_dtype(dtype):
    """Numbers become tensors of `dtype`."""
    global _default_dtype
    before, _default_dtype = _default_dtype, dtype
    try:
        yield
    finally:
        _default_dtype = before


@contextlib.contextmanager
def gradient_mode(enabled):
    global _grad_enabled
    before, _grad_enabled = _grad_enabled, enabled
    try:
        yield
    finally:
        _grad_enabled = before


def is_grad_enabled():
    return _grad_enabled


def seed(value):
    global generator
    generator = np.random.Generator(np.random.PCG64(value % 2**64))


class Node:
    """A step of the tape: where a gradient arrives, and how it goes on."""

    _order = itertools.count()

    def __init__(self, inputs, backward, leaf=None):
        self.order = next(Node._order)
        self.inputs = inputs
        self.backward = backward
        self.leaf = leaf
        self.hooks = {}
        self.keeps_nothing = None


class Tensor:
    """An array with a version, and a node where a gradient can reach it."""

    def __init__(self, array, requires_grad=False):
        self.array = np.asarray(array)
        self.version = [0]  # shared by views
        self.grad = None
        self.node = Node((), None, leaf=self) if requires_grad else None

    @property
    def shape(self):
        return self.array.shape

    @property
    def dtype(self):
        return self.array.dtype

    @property
    def requires_grad(self):
        return self.node is not None

    def view(self, *shape):
        out = _result(self.array.reshape(*shape), (self,), lambda g: (g.reshape(self.shape),))
        out.version = self.version
        return out

    def __add__(self, other):
        return add(self, other)

    def __mul__(self, other):
        return mul(self, other)

    def __truediv__(self, number):
        return self * (1 / number)

    def clone(self):
        return _result(self.array.copy(), (self,), lambda g: (g,))

    def detach(self):
        out = Tensor(self.array)
        out.version = self.version
        return out

    def register_hook(self, hook):
        self.node.hooks[object()] = hook

    __radd__ = __add__
    __rmul__ = __mul__

    def sum(self):
        return _result(np.sum(self.array), (self,), lambda g: (np.broadcast_to(g, self.shape),))

    def mean(self):
        size = max(self.array.size, 1)
        return _result(np.mean(self.array), (self,), lambda g: (np.broadcast_to(g / size, self.shape),))


class Parameter(Tensor):
    def __init__(self, array, trainable=True):
        super().__init__(np.array(array), requires_grad=trainable)
        self.trainable = trainable


def _result(array, inputs, backward):
    out = Tensor(array)
    if _grad_enabled and any(item.node is not None for item in inputs):
        out.node = Node(tuple(item.node for item in inputs), backward)
    return out


def _unbroadcast(gradient, shape):
    while gradient.ndim > len(shape):
        gradient = gradient.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1 and gradient.shape[axis] != 1:
            gradient = gradient.sum(axis=axis, keepdims=True)
    return gradient


def _tensor(value):
    return value if isinstance(value, Tensor) else Tensor(np.asarray(value, dtype=_default_dtype))


def add(a, b):
    a, b = _tensor(a), _tensor(b)
    return _result(a.array + b.array, (a, b), lambda g: (_unbroadcast(g, a.shape), _unbroadcast(g, b.shape)))


def mul(a, b):
    a, b = _tensor(a), _tensor(b)
    x, y = a.array, b.array
    return _result(x * y, (a, b), lambda g: (_unbroadcast(g * y, a.shape), _unbroadcast(g * x, b.shape)))


def matmul(a, b):
    x, y = a.array, b.array
    return _result(
        x @ y, (a, b), lambda g: (g @ y.T, x.reshape(-1, x.shape[-1]).T @ g.reshape(-1, g.shape[-1]))
    )


def relu(x):
    mask = x.array > 0
    return _result(x.array * mask, (x,), lambda g: (g * mask,))


def relu_(x):
    """In place: same object, next version, new node."""
    mask = x.array > 0
    before = x.node
    np.multiply(x.array, mask, out=x.array)
    x.version[0] += 1
    if _grad_enabled and before is not None:
        x.node = Node((before,), lambda g: (g * mask,))
    return x


def cast(x, dtype):
    return _result(x.array.astype(dtype), (x,), lambda g: (g.astype(x.array.dtype),))


def dropout(x, p, training=True):
    if not training or not p:
        return x
    kept = (generator.random(x.shape) >= p).astype(np.float32)
    return x * Tensor(kept / np.float32(1 - p) if p < 1 else kept)


def rand(shape):
    return Tensor(generator.random(shape).astype(np.float32))


def permutation(count):
    return Tensor(generator.permutation(count))


def random_state():
    return generator.bit_generator.state


def set_random_state(state):
    generator.bit_generator.state = state


def scale_gradient(x, factor):
    """The identity, whose gradient is multiplied."""
    return _result(x.array.copy(), (x,), lambda g: (g * factor,))


def checkpoint(function, x):
    """Calls `function(x)`, keeping nothing but x; runs it again in backward."""
    before = random_state()
    with gradient_mode(False):
        out = function(x)
    if not _grad_enabled:
        return out
    result = Tensor(out.array)

    def backward(gradient):
        inner = Tensor(x.array, requires_grad=True)
        now = random_state()
        set_random_state(before)
        with gradient_mode(True):
            again = function(inner)
            set_random_state(now)
            run_backward(again, gradient)
        return (inner.grad.array,)

    result.node = Node((x.node,), backward)
    return result


def run_backward(tensor, gradient=None):
    """Accumulates gradients into leaves; a node's hooks see its total gradient, once."""
    if tensor.node is None:
        raise RuntimeError("this tensor has no graph")
    totals = {tensor.node: np.ones_like(tensor.array) if gradient is None else gradient}
    waiting = {tensor.node}
    while waiting:
        node = max(waiting, key=lambda one: one.order)
        waiting.discard(node)
        total = totals.pop(node)
        for hook in list(node.hooks.values()):
            replaced = hook(Tensor(total))
            total = total if replaced is None else replaced.array
        if node.leaf is not None:
            leaf = node.leaf
            leaf.grad = Tensor(total.copy() if leaf.grad is None else leaf.grad.array + total)
            continue
        for source, part in zip(node.inputs, node.backward(total)):
            if source is not None:
                totals[source] = part if source not in totals else totals[source] + part
                waiting.add(source)


class Layer:
    """The base of all layers: children, parameters, buffers, hooks, train and eval mode."""

    def __init__(self):
        self.__dict__.update(_layers={}, _parameters={}, _buffers={}, _pre={}, _post={}, training=True)

    def __setattr__(self, name, value):
        store = (
            self._layers
            if isinstance(value, Layer)
            else self._parameters
            if isinstance(value, Parameter)
            else self._buffers
            if isinstance(value, Tensor)
            else None
        )
        if store is not None:
            store[name] = value
        object.__setattr__(self, name, value)

    def __call__(self, *args, **kwargs):
        for hook in list(self._pre.values()):
            replaced = hook(args, kwargs)
            args, kwargs = (args, kwargs) if replaced is None else replaced
        output = self.forward(*args, **kwargs)
        for hook in list(self._post.values()):
            replaced = hook(output)
            output = output if replaced is None else replaced
        return output

    def forward(self, *args, **kwargs):
        raise NotImplementedError

    def state_dict(self):
        return {
            f"{path}.{name}" if path else name: tensor
            for path, layer in walk(self)
            for name, tensor in {**layer._parameters, **layer._buffers}.items()
        }

    def train(self, mode=True):
        self.training = mode
        for child in self._layers.values():
            child.train(mode)


class Linear(Layer):
    def __init__(self, inputs, outputs, bias=True):
        super().__init__()
        self.in_features, self.out_features = inputs, outputs
        self.weight = Parameter(generator.normal(0, inputs**-0.5, (inputs, outputs)).astype(np.float32))
        self.bias = Parameter(generator.normal(0, 0.1, outputs).astype(np.float32)) if bias else None

    def forward(self, x):
        out = matmul(x, self.weight)
        out = out if self.bias is None else out + self.bias
        return out if _autocast is None else cast(out, _autocast)


class ReLU(Layer):
    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def forward(self, x):
        return relu_(x) if self.inplace else relu(x)


class BatchNorm1D(Layer):
    """Normalises by batch statistics in train mode and tracks them; by the tracked ones in eval mode."""

    def __init__(self, features, momentum=0.1, epsilon=1e-5):
        super().__init__()
        self.num_features, self.momentum, self.epsilon = features, momentum, epsilon
        self.weight = Parameter(np.ones(features, np.float32))
        self.bias = Parameter(np.zeros(features, np.float32))
        self.running_mean = Tensor(np.zeros(features, np.float32))
        self.running_var = Tensor(np.ones(features, np.float32))

    def forward(self, x):
        mean, var = self.running_mean.array, self.running_var.array
        if self.training:
            m = np.float32(self.momentum)
            batch_mean, batch_var = x.array.mean(axis=0), x.array.var(axis=0)
            self.running_mean.array[...] = (1 - m) * mean + m * batch_mean
            self.running_var.array[...] = (1 - m) * var + m * batch_var
            mean, var = batch_mean, batch_var
        # Statistics count as constants in backward: enough for a fake.
        inverse = (1 / np.sqrt(var + np.float32(self.epsilon))).astype(np.float32)
        return (x + Tensor(-mean)) * Tensor(inverse) * self.weight + self.bias


class Dropout(Layer):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        return dropout(x, self.p, self.training)


class Gate(Layer):
    """Multiplies by a weight. As some recurrent layers, keeps what its backward needs in train mode alone.

    Unless it always `keeps` it.
    """

    def __init__(self, features, keeps=False):
        super().__init__()
        self._keeps = keeps
        self.weight = Parameter(generator.normal(1, 0.1, features).astype(np.float32))

    def forward(self, x):
        out = x * self.weight
        if not (self.training or self._keeps) and out.node is not None:
            out.node.keeps_nothing = self
            out.node.backward = _no_backward
        return out


def _no_backward(gradient):
    raise RuntimeError("tensor holds no memory")


class Sequential(Layer):
    def __init__(self, *layers):
        super().__init__()
        for index, layer in enumerate(layers):
            setattr(self, str(index), layer)

    def forward(self, x):
        for layer in self._layers.values():
            x = layer(x)
        return x


class Compiled(Sequential):
    """Runs its layers where no hook sees them."""

    def forward(self, x):
        for layer in self._layers.values():
            x = layer.forward(x)
        return x


class SGD:
    """Gradient descent; `factors` multiply the learning rate of parameters by their full names."""

    # What it keeps of a parameter, and what of that can be set from outside.
    states = writable = ()

    def __init__(self, model, lr=0.1, weight_decay=0.0, factors=None):
        self.model, self.lr, self.weight_decay = model, lr, weight_decay
        self.factors = factors or {}
        self.conventions = {"algorithm": "sgd", "weight_decay": "added to the gradient"}

    def rates(self):
        """Returns (parameter, learning rate) for all that are trained, each once."""
        names = {id(one): name for name, one in named_parameters(self.model)}
        trained = [one for one in parameters(self.model) if one.trainable]
        return [(one, self.lr * self.factors.get(names[id(one)], 1.0)) for one in trained]

    def step(self):
        for parameter, rate in self.rates():
            if parameter.grad is not None:
                parameter.array -= np.float32(rate) * self.change(parameter)

    def change(self, parameter):
        return parameter.grad.array + np.float32(self.weight_decay) * parameter.array

    def clear(self):
        for parameter in parameters(self.model):
            parameter.grad = None

    # What an adapter asks.

    def settings(self, parameter):
        rate = next(rate for one, rate in self.rates() if one is parameter)
        return {"learning_rate": rate, "weight_decay": self.weight_decay, "momentum": 0.0}

    def state(self, parameter):
        return {}


class Momentum(SGD):
    """Steps along a running sum of gradients, kept by the parameters' places in the model."""

    states = writable = ("momentum", "step")

    def __init__(self, model, lr=0.1, momentum=0.9, **kwargs):
        super().__init__(model, lr, **kwargs)
        self.momentum = momentum
        self.velocities = {}
        self.steps = {}

    def _place(self, parameter):
        return next(i for i, one in enumerate(parameters(self.model)) if one is parameter)

    def change(self, parameter):
        place = self._place(parameter)
        velocity = np.float32(self.momentum) * self.velocities.get(place, np.float32(0))
        self.velocities[place] = velocity + super().change(parameter)
        self.steps[place] = self.steps.get(place, 0) + 1
        return self.velocities[place]

    def settings(self, parameter):
        return {**super().settings(parameter), "momentum": self.momentum}

    def state(self, parameter):
        place = self._place(parameter)
        if place not in self.velocities:
            return {}
        return {
            "momentum": lambda: self.velocities[place].copy(),
            "step": lambda: np.array(self.steps[place], np.int64),
        }

    def write(self, parameter, state, array):
        place = self._place(parameter)
        self.velocities.setdefault(place, np.zeros_like(parameter.array))
        self.steps.setdefault(place, 0)
        if state == "momentum":
            self.velocities[place] = array.copy()
        else:
            self.steps[place] = int(array)


def walk(layer, path=""):
    """Yields (path, layer), parents first; a shared layer once for each path."""
    yield path, layer
    for name, child in layer._layers.items():
        yield from walk(child, f"{path}.{name}" if path else name)


def parameters(model):
    seen = set()
    for _, layer in walk(model):
        for parameter in layer._parameters.values():
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield parameter


def named_parameters(model):
    for path, layer in walk(model):
        for name, parameter in layer._parameters.items():
            yield f"{path}.{name}" if path else name, parameter
