"""Operations that fill a tensor with random numbers: Paddle makes the tensor, and ours overwrite its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle

from padiff_rpc.tensors import FLOATING, Array, HostTensor
from padiff_worker.draws import Draw
from padiff_worker.randomness import Drawing, Operation
from padiff_worker_paddle.tensors import TENSORS


def _filled(drawing: Drawing, made: Any, values: Callable[[Draw, tuple[int, ...]], Array]) -> Any:
    """Overwrites `made` with what `values(draw, shape)` gives."""
    if not made.is_contiguous() or TENSORS.spec(made).dtype not in FLOATING:
        return NotImplemented
    found = HostTensor.from_array(values(drawing(), tuple(made.shape)))
    value = TENSORS.host_copy(TENSORS.like(made, found).astype(made.dtype))
    return made if TENSORS.overwrite(made, value) else NotImplemented


def _between(made: Any, low: float, high: float) -> Callable[[Draw, tuple[int, ...]], Array]:
    dtype = TENSORS.spec(made).dtype
    return lambda draw, shape: low + (high - low) * draw.uniform(shape, dtype)


def _uniform(
    drawing: Drawing,
    original: Any,
    shape: Any,
    dtype: Any,
    low: float,
    high: float,
    seed: int,
    *rest: Any,
    **named: Any,
) -> Any:
    if seed:
        return NotImplemented
    made = original(shape, dtype, low, high, seed, *rest, **named)
    return _filled(drawing, made, _between(made, low, high))


def _uniform_(drawing: Drawing, original: Any, x: Any, low: float, high: float, seed: int, *rest: Any) -> Any:
    if seed:
        return NotImplemented
    made = original(x, low, high, seed, *rest)
    return _filled(drawing, made, _between(made, low, high))


def _normal(
    drawing: Drawing, original: Any, shape: Any, mean: float, std: float, seed: int, *rest: Any, **named: Any
) -> Any:
    if seed:
        return NotImplemented
    made = original(shape, mean, std, seed, *rest, **named)
    return _filled(drawing, made, lambda draw, dims: mean + std * draw.normal(dims))


def _normal_(drawing: Drawing, original: Any, x: Any, mean: float, std: float, seed: int) -> Any:
    if seed:
        return NotImplemented
    made = original(x, mean, std, seed)
    return _filled(drawing, made, lambda draw, dims: mean + std * draw.normal(dims))


def _bernoulli(drawing: Drawing, original: Any, x: Any) -> Any:
    return _filled(drawing, original(x), lambda draw, shape: draw.ones(shape, _array(x)))


def _bernoulli_(drawing: Drawing, original: Any, x: Any, p: Any = 0.5, name: Any = None) -> Any:
    return _filled(drawing, original(x, p), lambda draw, shape: draw.ones(shape, _array(p)))


def _array(given: Any) -> Any:
    if not isinstance(given, paddle.Tensor):
        return given
    return TENSORS.host_copy(given.astype("float32")).array


# By the names in `paddle._C_ops`.
FILLS = {
    "uniform": Operation(name="uniform", shared=_uniform),
    "uniform_inplace_": Operation(name="uniform_", shared=_uniform_),
    "gaussian": Operation(name="gaussian", shared=_normal),
    "gaussian_inplace_": Operation(name="normal_", shared=_normal_),
    "bernoulli": Operation(name="bernoulli", shared=_bernoulli),
}
# Made of a uniform number of which Paddle takes the small ones, as nothing else does.
BERNOULLI_ = Operation(name="bernoulli_", shared=_bernoulli_)
