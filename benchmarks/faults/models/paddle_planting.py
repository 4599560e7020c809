"""A fault planted in a candidate: an attribute is set, or a method replaced by one that changes a tensor.

Layers keep their paths, classes and weights. Changes of weights apply while a layer runs, to whatever weights
it has by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle_training import LOSS, OPTIMIZER

Change = Callable[[Tensor], Tensor]


def plant(model: nn.Layer, site: str, member: str, where: str, what: str, value: Any) -> None:
    """Plants one fault at `site`: a layer's path, "" for the model, "loss" or "optimizer".

    Args:
        member: the attribute that is set, or the method whose tensors change.
        where: "setting", "instead" (another function, `what`), or what `what` changes: "result", "argument",
            "second" (argument), "gradient" (of the result), and "weight", "weight_gradient", "buffer", each
            with a dot and a name behind it.
    """
    layers = {"": model, "loss": LOSS, "optimizer": OPTIMIZER, **dict(model.named_sublayers())}
    target = layers[site]
    where, _, name = where.partition(".")
    if where == "setting":
        assert hasattr(target, member), f"{site} has no {member}"
        setattr(target, member, value)
        return
    method = getattr(target, member)
    if where == "instead":
        setattr(target, member, lambda *given: INSTEAD[what](target, value, *given))
    elif where == "buffer":
        setattr(target, member, _with_buffer(target, method, name, what, value))
    elif what == "other":
        other, _, its = value.rpartition(".")
        setattr(target, member, _with_weight(target, method, name, lambda _: getattr(layers[other], its)))
    elif what == "stale":
        old = getattr(target, name).detach().clone()
        setattr(target, member, _with_weight(target, method, name, lambda new: new + (old - new).detach()))
    else:
        setattr(target, member, WHERE[where](target, method, name, _change(what, value)))


def _change(what: str, value: Any) -> Change:
    return lambda tensor: CHANGES[what](tensor, value)


def _with_result(target: Any, method: Any, name: str, change: Change) -> Any:
    def changed(*given: Any, **named: Any) -> Any:
        made = method(*given, **named)
        if isinstance(made, (list, tuple)):
            return type(made)((change(made[0]), *made[1:]))
        return change(made)

    return changed


def _with_argument(target: Any, method: Any, name: str, change: Change) -> Any:
    return lambda first, *given, **named: method(change(first), *given, **named)


def _with_second(target: Any, method: Any, name: str, change: Change) -> Any:
    return lambda first, second, *given: method(first, change(second), *given)


def _with_gradient(target: Any, method: Any, name: str, change: Change) -> Any:
    return _with_result(target, method, name, lambda tensor: _Backward.apply(tensor, change))


def _with_weight(target: Any, method: Any, name: str, change: Change) -> Any:
    def changed(*given: Any, **named: Any) -> Any:
        own = target._parameters[name]
        target._parameters[name] = change(own)
        try:
            return method(*given, **named)
        finally:
            target._parameters[name] = own

    return changed


def _with_weight_gradient(target: Any, method: Any, name: str, change: Change) -> Any:
    return _with_weight(target, method, name, lambda weight: _Backward.apply(weight, change))


def _with_buffer(target: Any, method: Any, name: str, what: str, value: Any) -> Any:
    def changed(*given: Any) -> Any:
        buffer = getattr(target, name)
        before = buffer.clone()
        made = method(*given)
        if target.training:
            with paddle.no_grad():
                buffer.set_value(before if what == "stale" else CHANGES[what](buffer, value))
        return made

    return changed


class _Backward(paddle.autograd.PyLayer):
    """The same value, with a gradient that is changed."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, change: Change) -> Tensor:
        ctx.change = change
        return tensor.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return ctx.change(gradient)


def _channels(tensor: Tensor, value: float) -> Tensor:
    """The channel (axis 1 of an image, else the last) in the middle times `value`."""
    axis = 1 if tensor.ndim == 4 else tensor.ndim - 1
    size = tensor.shape[axis]
    factors = paddle.where(
        paddle.arange(size) == size // 2,
        paddle.full([size], value, tensor.dtype),
        paddle.ones([size], tensor.dtype),
    )
    return tensor * factors.reshape([size, *[1] * (tensor.ndim - 1 - axis)])


def _elements(tensor: Tensor, value: float, every: int) -> Tensor:
    """One element in `every`, from a third on, off by `value` times the largest."""
    count = tensor.size
    chosen = (paddle.arange(count) - count // 3) % every == 0
    off = value * tensor.detach().abs().max() * chosen.astype(tensor.dtype)
    return tensor + off.reshape(tensor.shape)


def _scrambled(tensor: Tensor, axes: list[int]) -> Tensor:
    """The elements in the order of other axes, in the old shape: one transpose too few, or too many."""
    return tensor.transpose(axes).reshape(tensor.shape)


def _tainted(tensor: Tensor, value: str) -> Tensor:
    mark = paddle.to_tensor(float(value), tensor.dtype)
    return paddle.where(paddle.arange(tensor.size).reshape(tensor.shape) == tensor.size // 2, mark, tensor)


def _counting(tensor: Tensor, value: float) -> Tensor:
    """Larger with each call that this process has made."""
    _calls[0] += 1
    return tensor * (1 + value * _calls[0])


_calls = [0]
CHANGES: Mapping[str, Callable[[Tensor, Any], Tensor]] = {
    "scale": lambda tensor, value: tensor * value,
    "offset": lambda tensor, value: tensor + value,
    "channel": _channels,
    "element": lambda tensor, value: _elements(tensor, value, tensor.size),
    "elements": lambda tensor, value: _elements(tensor, value, max(tensor.size // 20, 1)),
    "roll": lambda tensor, value: paddle.roll(tensor, 1, value),
    "flip": lambda tensor, value: paddle.flip(tensor, value),
    "transpose": lambda tensor, value: tensor.transpose([*range(tensor.ndim - 2), -1, -2]),
    "scrambled": _scrambled,
    "rounded": lambda tensor, value: tensor.astype(value).astype(tensor.dtype),
    "cast": lambda tensor, value: tensor.astype(value),
    "zero": lambda tensor, value: tensor * 0,
    "clipped": lambda tensor, value: paddle.clip(
        tensor, *(float(k * tensor.detach().abs().max()) for k in (-value, value))
    ),
    "positive": lambda tensor, value: F.relu(tensor),
    "detached": lambda tensor, value: tensor.detach(),
    "dropped": lambda tensor, value: F.dropout(tensor, value, training=True),
    "tainted": _tainted,
    "counting": _counting,
    "softmax": lambda tensor, value: F.softmax(tensor, -1),
}
WHERE: Mapping[str, Callable[[Any, Any, str, Change], Any]] = {
    "result": _with_result,
    "argument": _with_argument,
    "second": _with_second,
    "gradient": _with_gradient,
    "weight": _with_weight,
    "weight_gradient": _with_weight_gradient,
}
# What stands in a method's place; the object and the fault's value, then the method's own arguments.
INSTEAD: Mapping[str, Callable[..., Any]] = {
    "first": lambda layer, value, first, *others: first,
    "second": lambda layer, value, first, second: second,
    "softmax": lambda layer, axis, scores: F.softmax(scores, axis),
    "swapped_join": lambda layer, axis, first, second: paddle.concat([second, first], axis),
    "weighed_add": lambda layer, value, first, second: first + value * second,
    "detached_add": lambda layer, value, first, second: first.detach() + second,
    "last": lambda layer, value, x: x[:, -1],
    "mean": lambda layer, value, x: x.mean(1),
    "interpolated": lambda layer, value, x: F.interpolate(x, scale_factor=2, **value),
    "activated": lambda layer, name, x: getattr(F, name)(x),
    "average_pool": lambda layer, value, x: F.avg_pool2d(x, *value),
    "replicated": lambda layer, value, x: F.conv2d(
        F.pad(x, [value] * 4, "replicate"), layer.weight, layer.bias, layer._stride
    ),
    "tiled": lambda layer, value, x: paddle.concat([x, x], 1),
    "scores": lambda layer, value, query, key: paddle.matmul(query, key, transpose_y=True) * value,
    "added": lambda layer, value, scores, mask: (
        scores + (1.0 - mask.unsqueeze([1, 2]).astype(scores.dtype)) * value
    ),
    "seen": lambda layer, value, start, length: (
        paddle.arange(start + length) <= paddle.arange(start, start + length).unsqueeze(1) + value
    ),
    "forgetful": lambda layer, value, kept, new: paddle.concat([kept[:, :, 1:], new, kept[:, :, :1]], 2),
    "unpacked": lambda layer, value, packed: (
        packed.reshape([*packed.shape[:2], layer.heads, 3, -1]).transpose([3, 0, 2, 1, 4]).unbind(0)
    ),
    "reordered": lambda layer, parts, packed: [type(layer).unpacked(layer, packed)[part] for part in parts],
}
