"""Operations that fill a tensor with random numbers: Torch makes the tensor, and ours overwrite its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from padiff_rpc.tensors import FLOATING, Array, HostTensor
from padiff_worker.draws import Draw
from padiff_worker.randomness import Drawing, Operation
from padiff_worker_torch.dropouts import is_real
from padiff_worker_torch.tensors import TENSORS


def _filled(
    drawing: Drawing, made: Any, values: Callable[[Draw, tuple[int, ...]], Array], *, any_dtype: bool = False
) -> Any:
    """Overwrites `made` with what `values(draw, shape)` gives."""
    if not is_real(made) or not (any_dtype or TENSORS.spec(made).dtype in FLOATING):
        return NotImplemented
    value = HostTensor.from_array(values(drawing(), tuple(made.shape)))
    return made if TENSORS.overwrite(made, value) else NotImplemented


def _uniform(drawing: Drawing, original: Any, *args: Any, **kwargs: Any) -> Any:
    """rand, rand_like"""
    if kwargs.get("generator") is not None:
        return NotImplemented
    made = original(*args, **kwargs)
    return _filled(drawing, made, lambda draw, shape: draw.uniform(shape, TENSORS.spec(made).dtype))


def _standard_normal(drawing: Drawing, original: Any, *args: Any, **kwargs: Any) -> Any:
    """randn, randn_like"""
    if kwargs.get("generator") is not None:
        return NotImplemented
    return _filled(drawing, original(*args, **kwargs), lambda draw, shape: draw.normal(shape))


def _normal(drawing: Drawing, original: Any, *args: Any, **kwargs: Any) -> Any:
    """normal(mean, std), either a number or a tensor; normal(mean, std, size); normal(mean)"""
    if kwargs.get("generator") is not None:
        return NotImplemented
    named = dict(zip(("mean", "std"), args), **kwargs)

    def values(draw: Draw, shape: tuple[int, ...]) -> Any:
        mean, std = (_array(named.get(name, default)) for name, default in (("mean", 0.0), ("std", 1.0)))
        return mean + std * draw.normal(shape)

    return _filled(drawing, original(*args, **kwargs), values)


def _array(given: Any) -> Any:
    return given.detach().cpu().double().numpy() if isinstance(given, torch.Tensor) else given


def _uniform_(
    drawing: Drawing, original: Any, tensor: Any, low: Any = 0.0, high: Any = 1.0, **named: Any
) -> Any:
    """Tensor.uniform_(from, to)"""
    low, high = named.get("from", low), named.get("to", high)
    if named.get("generator") is not None:
        return NotImplemented
    made = original(tensor, low, high)
    return _filled(
        drawing,
        made,
        lambda draw, shape: low + (high - low) * draw.uniform(shape, TENSORS.spec(made).dtype),
    )


def _normal_(
    drawing: Drawing, original: Any, tensor: Any, mean: Any = 0.0, std: Any = 1.0, *, generator: Any = None
) -> Any:
    if generator is not None:
        return NotImplemented
    return _filled(drawing, original(tensor, mean, std), lambda draw, shape: mean + std * draw.normal(shape))


def _bernoulli(drawing: Drawing, original: Any, input: Any, *args: Any, **kwargs: Any) -> Any:
    """torch.bernoulli and Tensor.bernoulli: of the input's own elements, or of `p`"""
    if kwargs.get("generator") is not None:
        return NotImplemented
    probability = args[0] if args else kwargs.get("p", input)
    return _trials(drawing, original(input, *args, **kwargs), probability)


def _bernoulli_(drawing: Drawing, original: Any, tensor: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
    if generator is not None:
        return NotImplemented
    return _trials(drawing, original(tensor, p), p)


def _trials(drawing: Drawing, made: Any, probability: Any) -> Any:
    return _filled(drawing, made, lambda draw, shape: draw.ones(shape, _array(probability)), any_dtype=True)


# By the names in `torch`, and by those of `torch.Tensor`'s methods.
FILLS = {
    "rand": Operation(name="rand", shared=_uniform),
    "rand_like": Operation(name="rand_like", shared=_uniform),
    "randn": Operation(name="randn", shared=_standard_normal),
    "randn_like": Operation(name="randn_like", shared=_standard_normal),
    "normal": Operation(name="normal", shared=_normal),
    "bernoulli": Operation(name="bernoulli", shared=_bernoulli),
}
METHODS = {
    "bernoulli": Operation(name="bernoulli", shared=_bernoulli),
    "bernoulli_": Operation(name="bernoulli_", shared=_bernoulli_),
    "uniform_": Operation(name="uniform_", shared=_uniform_),
    "normal_": Operation(name="normal_", shared=_normal_),
}
