"""Dropout in its forms, and RReLU, computed as Paddle does from numbers that the other side has too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import paddle

from padiff_rpc.tensors import HostTensor
from padiff_worker.draws import Draw
from padiff_worker.randomness import Drawing, Operation
from padiff_worker_paddle.tensors import TENSORS


def kept_factors(draw: Draw, x: Any, p: Any, scale: float = 1.0) -> Any:
    """Returns what a dropout multiplies `x` by: 0 or `scale`."""
    kept = TENSORS.like(x, HostTensor.from_array(draw.kept(tuple(x.shape), float(p))))
    return kept.astype(x.dtype) * scale


def dropped(draw: Draw, x: Any, p: Any) -> Any:
    """Returns `x` with elements dropped and the others scaled up."""
    return x * kept_factors(draw, x, p, 1 / (1 - float(p)))


def _decides(x: Any, seed_tensor: Any, p: Any, is_test: bool, *_: Any) -> bool:
    return bool(not is_test and 0 < p < 1)


def _factors(drawing: Drawing, x: Any, p: Any, mode: str) -> Any:
    """`mode`: scaled up in training, or down in inference, which is not random."""
    return kept_factors(drawing(), x, p, 1 / (1 - float(p)) if mode == "upscale_in_train" else 1.0)


def _dropout(
    drawing: Drawing, original: Any, x: Any, seed_tensor: Any, p: Any, is_test: bool, mode: str, *_: Any
) -> Any:
    return _returned(x * _factors(drawing, x, p, mode))


def _dropout_(
    drawing: Drawing, original: Any, x: Any, seed_tensor: Any, p: Any, is_test: bool, mode: str, *_: Any
) -> Any:
    return x.multiply_(_factors(drawing, x, p, mode))


@functools.lru_cache(maxsize=1)
def _gives_mask() -> bool:
    """Whether the kernel's mask comes back too, as it did before 3.0."""
    nothing = paddle.zeros([1])
    return isinstance(paddle._C_ops.dropout(nothing, None, 0.5, True, "upscale_in_train", 0, False), tuple)


def _returned(out: Any) -> Any:
    return (out, None) if _gives_mask() else out


def _random_slopes(x: Any, lower: float, upper: float, is_test: bool) -> bool:
    return not is_test


def _rrelu(drawing: Drawing, original: Any, x: Any, lower: float, upper: float, is_test: bool) -> Any:
    uniform = drawing().uniform(tuple(x.shape))
    slopes = TENSORS.like(x, HostTensor.from_array(lower + (upper - lower) * uniform))
    return x * paddle.where(x.detach() < 0, slopes, paddle.ones_like(slopes)).astype(x.dtype)


def _off(original: Any, x: Any, *_: Any) -> Any:
    return _returned(x)


# By the names in `paddle._C_ops`.
DROPOUTS = {
    "dropout": Operation(name="dropout", draws=_decides, shared=_dropout, off=_off),
    "dropout_": Operation(name="dropout", draws=_decides, shared=_dropout_, off=lambda original, x, *_: x),
    "rrelu": Operation(
        name="rrelu",
        draws=_random_slopes,
        shared=_rrelu,
        off=lambda original, x, lower, upper, is_test: original(x, lower, upper, True),
    ),
}


def _in_training(x: Any, p: Any = 0.5, training: bool = True, *_: Any, **named: Any) -> bool:
    return bool(training and 0 < p < 1)


def _along_axes(x: Any, p: Any = 0.5, axis: Any = None, training: bool = True, *_: Any, **named: Any) -> bool:
    return axis is not None and bool(training and 0 < p < 1)


def _composed(name: str, decides: Callable[..., bool] = _in_training) -> Operation:
    """A form that Paddle makes of uniform numbers, which are shared as such: those that are `p` or more
    keep their elements."""
    return Operation(name=name, draws=decides, off=lambda original, x, *_, **named: x, is_composed=True)


# By the names in `paddle.nn.functional`.
COMPOSED = {
    "dropout": _composed("dropout", _along_axes),
    "dropout2d": _composed("dropout2d"),
    "dropout3d": _composed("dropout3d"),
    "alpha_dropout": _composed("alpha_dropout"),
    "feature_alpha_dropout": _composed("feature_alpha_dropout"),
}
