"""Dropout in its forms, and RReLU, computed as Torch does from numbers that the other side has too."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from padiff_rpc.tensors import HostTensor
from padiff_worker.draws import Draw
from padiff_worker.randomness import Drawing, Operation
from padiff_worker_torch.tensors import TENSORS

# What an alpha dropout puts in place of what it drops, with its sign turned: scale * alpha of SELU.
_ALPHA = 1.7580993408473766


def is_real(tensor: Any) -> bool:
    """Whether a tensor has elements, as it has not while Torch compiles or maps a function."""
    return TENSORS.is_tensor(tensor) and not isinstance(tensor, torch._subclasses.FakeTensor)


def kept_factors(draw: Draw, input: Any, p: float, shape: tuple[int, ...]) -> Any:
    """Returns what a dropout multiplies the input by: 0 or 1 / (1 - p).

    On the host, Torch rounds that factor to the input's dtype; on a device it rounds the product alone.
    """
    kept = TENSORS.like(input, HostTensor.from_array(draw.kept(shape, p)))
    on_host = input.device.type == "cpu"
    return kept.to(input.dtype if on_host else torch.promote_types(input.dtype, torch.float32)).div_(1 - p)


def _plain_terms(draw: Draw, input: Any, p: float, shape: tuple[int, ...]) -> tuple[Any, Any]:
    return kept_factors(draw, input, p, shape), None


def _alpha_terms(draw: Draw, input: Any, p: float, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Drops to -alpha, then scales and shifts so that mean and variance stay what they were."""
    kept = TENSORS.like(input, HostTensor.from_array(draw.kept(shape, p))).to(input.dtype)
    scale = 1 / math.sqrt((_ALPHA**2 * p + 1) * (1 - p))
    return kept * scale, (kept - 1) * (_ALPHA * scale) + _ALPHA * scale * p


def _every_element(input: Any) -> tuple[int, ...]:
    return tuple(input.shape)


def _every_channel(input: Any) -> tuple[int, ...]:
    return (*input.shape[:2], *(1 for _ in input.shape[2:]))


def _decides(input: Any, p: float, train: bool) -> bool:
    return train and 0 < p < 1


def _form(
    name: str, terms: Callable[..., tuple[Any, Any]], shape: Callable[[Any], tuple[int, ...]], in_place: bool
) -> Operation:
    def shared(drawing: Drawing, original: Any, input: Any, p: float, train: bool) -> Any:
        if not is_real(input) or (shape is _every_channel and input.dim() < 2):
            return NotImplemented
        factor, addend = terms(drawing(), input, p, shape(input))
        if in_place:
            input.mul_(factor)
            return input if addend is None else input.add_(addend)
        product = (input * factor).to(input.dtype)
        return product if addend is None else product + addend

    return Operation(name=name, draws=_decides, shared=shared, off=lambda original, input, p, train: input)


def _native_dropout(drawing: Drawing, original: Any, input: Any, p: float, train: bool) -> Any:
    if not is_real(input):
        return NotImplemented
    factors = kept_factors(drawing(), input, p, tuple(input.shape))
    return (input * factors).to(input.dtype), factors != 0


_FORMS = (
    ("dropout", _plain_terms, _every_element),
    ("feature_dropout", _plain_terms, _every_channel),
    ("alpha_dropout", _alpha_terms, _every_element),
    ("feature_alpha_dropout", _alpha_terms, _every_channel),
)
# By the names in `torch` and `torch._VF`.
DROPOUTS = {
    **{name: _form(name, terms, shape, in_place=False) for name, terms, shape in _FORMS},
    **{f"{name}_": _form(name, terms, shape, in_place=True) for name, terms, shape in _FORMS},
    "native_dropout": Operation(
        name="dropout",
        draws=_decides,
        shared=_native_dropout,
        off=lambda original, input, p, train: original(input, p, False),
    ),
}


def _rrelu(in_place: bool) -> Operation:
    def decides(
        input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, generator: Any = None
    ) -> bool:
        return training

    def shared(
        drawing: Drawing,
        original: Any,
        input: Any,
        lower: float = 1 / 8,
        upper: float = 1 / 3,
        training: bool = False,
        generator: Any = None,
    ) -> Any:
        if generator is not None or not is_real(input):
            return NotImplemented
        uniform = drawing().uniform(tuple(input.shape))
        slopes = TENSORS.like(input, HostTensor.from_array(lower + (upper - lower) * uniform))
        factors = torch.where(input.detach() <= 0, slopes, 1.0).to(input.dtype)
        return input.mul_(factors) if in_place else input * factors

    def off(
        original: Any, input: Any, lower: float = 1 / 8, upper: float = 1 / 3, *_: Any, **named: Any
    ) -> Any:
        return original(input, lower, upper, False)

    return Operation(name="rrelu", draws=decides, shared=shared, off=off)


RRELUS = {"rrelu": _rrelu(in_place=False), "rrelu_": _rrelu(in_place=True)}
