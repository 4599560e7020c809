"""Torch's side of the random graphs."""

from __future__ import annotations

import torch
from random_graphs import HALF, SHAPES, WIDTH, program
from torch import nn


class _Twice(torch.autograd.Function):
    """x -> 2 x, by a function of its own."""

    @staticmethod
    def forward(context, x):
        return x * 2

    @staticmethod
    def backward(context, gradient):
        return gradient * 2


class _Louder(torch.autograd.Function):
    """The identity, whose gradient is too large."""

    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient * 1.5


class Function(nn.Module):
    def forward(self, x):
        return _Twice.apply(x)


class Split(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return self.linear(x).chunk(2, -1)


class Both(nn.Module):
    """Returns its input beside what it makes of it."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return x, self.linear(x)


class Table(nn.Module):
    """Returns its weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(WIDTH))

    def forward(self):
        return self.weight


MAKE = {
    "linear": lambda: nn.Linear(WIDTH, WIDTH),
    "linear_half": lambda: nn.Linear(HALF, HALF),
    "norm": lambda: nn.LayerNorm(WIDTH),
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "relu_": lambda: nn.ReLU(inplace=True),
    "relu_ignored": lambda: nn.ReLU(inplace=True),
    "dropout": lambda: nn.Dropout(0.0),
    "identity": nn.Identity,
    "function": Function,
    "flatten": lambda: nn.Flatten(0, 1),
    "split": Split,
    "both": Both,
    "table": Table,
}


def _full(x, shape):
    if shape == "turned":
        return x.transpose(1, 2)
    return torch.cat([x, x], -1) if shape == "half" else x.reshape(SHAPES["full"])


CODE = {
    "add": lambda a, b: a + b,
    "scaled_add": lambda a, b: a + 0.5 * b,
    "gated": lambda a, b: a * torch.sigmoid(b),
    "scale": lambda a: 0.5 * a,
    "shift": lambda a: a + 1.0,
    "add_": lambda a, b: a.add_(b),
    "code_relu_": torch.relu_,
    "same_shape": lambda a: a.reshape(a.shape),
    "code_function": _Twice.apply,
    "detach": lambda a: a.detach(),
    "to_flat": lambda a: a.reshape(SHAPES["flat"]),
    "to_full": lambda a: a.reshape(SHAPES["full"]),
    "turn": lambda a: a.transpose(1, 2),
    "turn_back": lambda a: a.transpose(1, 2),
    "chunk": lambda a: a.chunk(2, -1),
    "slice": lambda a: a[..., :HALF],
    "concat": lambda a, b: torch.cat([a, b], -1),
    "expand": lambda a: a.mean(1, keepdim=True).expand(SHAPES["full"]),
}


class Graph(nn.Module):
    def __init__(self, graph, fault=None):
        """`fault`: a layer's name and what is wrong there, "value" or "gradient"."""
        super().__init__()
        self._graph = graph
        self._fault = fault or {}
        for name, call in graph.layers().items():
            layer = Graph(call.program) if call.program is not None else MAKE[call.operation]()
            self.add_module(name, layer)
        for name, what in self._fault.items():
            spoil(getattr(self, name), what)

    def forward(self, x):
        held = {0: x}
        for one in self._graph.instructions:
            taken = [held[index] for index in one.taken]
            held.update(zip(one.made, self._results(one, taken)))
        total = 0
        for index in self._graph.outputs:
            total = total + _full(held[index], self._graph.shapes[index])
        return total

    def _results(self, one, taken):
        layer = getattr(self, one.layer) if one.layer else None
        if one.operation == "table":
            return (taken[0] + layer() * layer.weight,)
        if one.operation == "relu_ignored":
            layer(taken[0])
            return (taken[0],)
        made = layer(*taken) if layer is not None else CODE[one.operation](*taken)
        return made if isinstance(made, (tuple, list)) else (made,)


def spoil(layer, what):
    plain = layer.forward

    def value(x):
        out = plain(x)
        return out + (0.01 * out + 0.01).detach()

    layer.forward = value if what == "value" else lambda x: plain(_Louder.apply(x))


class Graphs(nn.Module):
    """One graph after the other, each on a slice of what a layer of its own width makes of the input."""

    def __init__(self, seeds, faults):
        super().__init__()
        self._seeds = list(seeds)
        for index, seed in enumerate(self._seeds, 1):
            self.add_module(f"enter{seed}", nn.Linear(WIDTH, WIDTH + index))
            self.add_module(f"graph{seed}", Graph(program(seed), faults.get(str(seed))))

    def forward(self, x):
        made = {}
        for seed in self._seeds:
            entered = getattr(self, f"enter{seed}")(x)[..., :WIDTH]
            made[str(seed)] = getattr(self, f"graph{seed}")(entered)
        return made


def graphs(first, count, faults=None):
    return Graphs(range(first, first + count), faults or {})
