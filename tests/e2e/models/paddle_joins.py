"""Models in Paddle whose code goes on with what a layer took, and ports of them with a fault."""

from __future__ import annotations

import functools

import paddle
from paddle import nn


def scaled(tensor, factor):
    """The same values, whose gradient is multiplied."""
    return tensor * factor + (tensor - tensor * factor).detach()


class Layer(nn.Layer):
    """What it was given with four features more, of what it was given; `inside`: it joins them itself."""

    def __init__(self, features, joins, inside, fault):
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.fc = nn.Linear(features, 4)
        self.joins = joins
        self.inside = inside
        self.fault = fault

    def forward(self, x):
        made = self.fc(self.norm(x))
        made = paddle.tanh(scaled(made, 1.5) if self.fault == "scaled" else made)
        return joined(x, made, self.joins, self.fault) if self.inside else made


def joined(x, made, joins, fault):
    before = x.detach() if fault == "dropped" else x
    return paddle.concat([before, made], -1) if joins else before + made


class Dense(nn.Layer):
    """Dense layers; `faults` maps a layer's number to its fault."""

    def __init__(self, joins=True, outside=False, faults=None):
        super().__init__()
        faults = {int(key): value for key, value in (faults or {}).items()}
        widths = [4 * (number + 1) if joins else 4 for number in range(5)]
        self.stem = nn.Linear(8, 4)
        self.layers = nn.LayerList(
            Layer(width, joins, not outside, faults.get(number)) for number, width in enumerate(widths[:4])
        )
        self.head = nn.Linear(widths[4], 3)
        self.joins = joins
        self.outside = outside
        self.faults = faults

    def forward(self, x):
        x = self.stem(x)
        for number, layer in enumerate(self.layers):
            x = joined(x, layer(x), self.joins, self.faults.get(number)) if self.outside else layer(x)
        return self.head(x)


class Twice(nn.Layer):
    """Two layers take one tensor; with the fault, one of them a tensor without its history."""

    def __init__(self, fault=False):
        super().__init__()
        self.first = nn.Linear(8, 6)
        self.left = nn.Linear(6, 6)
        self.right = nn.Linear(6, 6)
        self.fault = fault

    def forward(self, x):
        h = self.first(x)
        y = h.sin() + h
        return self.left(y) * self.right(y.detach() if self.fault else y) + h


class Dropped(nn.Layer):
    def __init__(self, fault=False):
        super().__init__()
        self.first = nn.Linear(8, 6)
        self.norm = nn.LayerNorm(6)
        self.last = nn.Linear(6, 6)
        self.fault = fault

    def forward(self, x):
        h = self.first(x) * 2
        dropped = nn.functional.dropout(h, 0.5, training=self.training)
        return self.last(self.norm(dropped)) + (h.detach() if self.fault else h).cos() + dropped


def densenet121(fault="", layer="conv4_5"):
    """Paddle's own DenseNet-121, with a fault in one of its layers."""
    model = paddle.vision.models.densenet121(num_classes=10)
    for name, one in model.named_sublayers():
        if fault and name.endswith(f".{layer}"):
            one.forward = functools.partial(_dense_layer, one, fault)
    return model


def _dense_layer(layer, fault, x):
    made = layer.bn_ac_func2(layer.bn_ac_func1(x))
    made = scaled(made, 1.5) if fault == "scaled" else made
    return paddle.concat([x.detach() if fault == "dropped" else x, made], 1)
