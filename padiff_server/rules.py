"""Layout rules: how a reference's weight becomes the candidate's, by name.

A rule turns the reference's layout into the candidate's, for values and for gradients alike. With the
roles swapped, `weight_plan` chooses the rule of the opposite direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.tensors import Array, HostTensor
from padiff_rpc.types import TensorSpec

Shape = tuple[int, ...]

IDENTITY = "identity"
TRANSPOSE = "transpose"


@record
class Rule:
    """A named change of layout.

    Attributes:
        name: as reports show it.
        apply: reference layout -> candidate layout; may return a view.
        shape: the shape that `apply` gives. Raises InvalidRequestError for a shape it cannot take.
    """

    name: str
    apply: Callable[[Array], Array]
    shape: Callable[[Shape], Shape]


def reshape_to(shape: Shape) -> str:
    """Returns the name of the rule that keeps the elements' order and gives `shape`."""
    return f"reshape({', '.join(map(str, shape))})"


def rule_named(name: str) -> Rule:
    """Returns the rule of that name. Raises InvalidRequestError, listing the allowed names."""
    if name in _RULES:
        return _RULES[name]
    if name.startswith("reshape(") and name.endswith(")"):
        sizes = [size.strip() for size in name[len("reshape(") : -1].split(",") if size.strip()]
        if all(size.isdigit() for size in sizes):
            return _reshape(tuple(map(int, sizes)))
    raise InvalidRequestError(f"rule: {name!r} is not known; allowed: {', '.join(_RULES)}, reshape(sizes)")


def apply_rule(rule: str, value: HostTensor) -> HostTensor:
    """Returns `value` in the candidate's layout, C-contiguous; `value` itself under "identity".

    Raises InvalidRequestError for a shape that the rule cannot take.
    """
    if rule == IDENTITY:
        return value
    named = rule_named(rule)
    named.shape(tuple(value.array.shape))
    return HostTensor(array=np.ascontiguousarray(named.apply(value.array)), dtype=value.dtype)


def transposed(rule: str, spec: TensorSpec) -> TensorSpec:
    """Returns the spec that a reference tensor of `spec` has under the rule."""
    return TensorSpec(dtype=spec.dtype, shape=rule_named(rule).shape(spec.shape))


def _transposed_shape(shape: Shape) -> Shape:
    if len(shape) != 2:
        raise InvalidRequestError(f"rule transpose: needs a matrix, not the shape {list(shape)}")
    return shape[::-1]


def _reshape(target: Shape) -> Rule:
    name = reshape_to(target)

    def shape_of(shape: Shape) -> Shape:
        if math.prod(shape) != math.prod(target):
            raise InvalidRequestError(f"rule {name}: does not fit the shape {list(shape)}")
        return target

    return Rule(name=name, apply=lambda array: array.reshape(target), shape=shape_of)


_RULES = {
    rule.name: rule
    for rule in (
        Rule(name=IDENTITY, apply=lambda array: array, shape=lambda shape: shape),
        Rule(name=TRANSPOSE, apply=lambda array: array.T, shape=_transposed_shape),
    )
}
