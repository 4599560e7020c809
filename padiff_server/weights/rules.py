"""Layout rules: how a reference's weights become a candidate's, by name.

A rule is a chain of small steps ("part(1 of 3) then transpose"), each of which takes arrays and gives
arrays; what is left at its end is the candidate's weight. Rules serve values and gradients alike. The
opposite direction is a rule of its own (`stack` against `part`), which `weight_plan` chooses as it chose
the first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Optional

import numpy as np

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.tensors import Array, HostTensor

Shape = tuple[int, ...]

IDENTITY = "identity"
TRANSPOSE = "transpose"
STACK = "stack"
_THEN = " then "
_PART = re.compile(r"part\((\d+) of (\d+)\)")


@record
class Step:
    """A change of layout.

    Attributes:
        name: as reports show it.
        apply: arrays in the reference's layout -> arrays in the candidate's; may return views.
        shapes: the shapes that `apply` gives. Raises InvalidRequestError for those it cannot take.
    """

    name: str
    apply: Callable[[list[Array]], list[Array]]
    shapes: Callable[[list[Shape]], list[Shape]]


def reshape_to(shape: Shape) -> str:
    """Returns the name of the step that keeps the elements' order and gives `shape`."""
    return f"reshape({', '.join(map(str, shape))})"


def part_of(index: int, count: int) -> str:
    """Returns the name of the step that takes one of `count` equal parts along the first axis; from 0."""
    return f"part({index + 1} of {count})"


def chain(*names: str) -> str:
    """Returns the name of the rule of these steps, in this order."""
    return _THEN.join(name for name in names if name != IDENTITY) or IDENTITY


def apply_rule(rule: str, *values: HostTensor) -> HostTensor:
    """Returns `values` in the candidate's layout, C-contiguous; the value itself under "identity".

    Raises InvalidRequestError for shapes that the rule cannot take, and for values of several dtypes.
    """
    if rule == IDENTITY and len(values) == 1:
        return values[0]
    dtypes = {value.dtype for value in values}
    if len(dtypes) != 1:
        raise InvalidRequestError(f"rule {rule}: takes values of one dtype, not {sorted(map(str, dtypes))}")
    steps = steps_of(rule)
    _shapes(rule, steps, [value.array.shape for value in values])
    arrays = [value.array for value in values]
    for step in steps:
        arrays = step.apply(arrays)
    return HostTensor(array=np.ascontiguousarray(arrays[0]), dtype=values[0].dtype)


def shape_under(rule: str, *shapes: Shape) -> Shape:
    """Returns the shape that the rule gives. Raises InvalidRequestError for shapes it cannot take."""
    return _shapes(rule, steps_of(rule), shapes)


def part_in(rule: str) -> Optional[tuple[int, int]]:
    """Returns which part the rule takes and of how many, from 0; None for a rule that takes all."""
    part = _PART.search(rule)
    return (int(part[1]) - 1, int(part[2])) if part is not None else None


@lru_cache(maxsize=256)
def steps_of(rule: str) -> tuple[Step, ...]:
    """Returns the steps of a rule. Raises InvalidRequestError, listing the allowed ones."""
    return tuple(_step_named(name, rule) for name in rule.split(_THEN))


def _shapes(rule: str, steps: Sequence[Step], shapes: Sequence[Shape]) -> Shape:
    given = list(shapes)
    for step in steps:
        given = step.shapes(given)
    if len(given) != 1:
        raise InvalidRequestError(f"rule {rule}: makes {len(given)} weights of {len(shapes)}, not one")
    return given[0]


def _step_named(name: str, rule: str) -> Step:
    if name in _STEPS:
        return _STEPS[name]
    part = _PART.fullmatch(name)
    if part is not None and 0 < int(part[1]) <= int(part[2]):
        return _part(int(part[1]) - 1, int(part[2]))
    sizes = re.fullmatch(r"reshape\(((?:\d+(?:, *\d+)*)?)\)", name)
    if sizes is not None:
        return _reshape(tuple(map(int, re.findall(r"\d+", sizes[1]))))
    raise InvalidRequestError(
        f"rule: {rule!r} is not known; allowed: {', '.join(_STEPS)}, reshape(sizes), part(i of n), "
        "and chains of these with 'then'"
    )


def _transposed_shapes(shapes: list[Shape]) -> list[Shape]:
    for shape in shapes:
        if len(shape) != 2:
            raise InvalidRequestError(f"rule transpose: needs a matrix, not the shape {list(shape)}")
    return [shape[::-1] for shape in shapes]


def _stacked_shapes(shapes: list[Shape]) -> list[Shape]:
    if not all(shapes) or len({shape[1:] for shape in shapes}) != 1:
        listed = ", ".join(str(list(shape)) for shape in shapes)
        raise InvalidRequestError(f"rule stack: cannot join the shapes {listed} along their first axis")
    return [(sum(shape[0] for shape in shapes), *shapes[0][1:])]


def _part(index: int, count: int) -> Step:
    name = part_of(index, count)

    def shapes_of(shapes: list[Shape]) -> list[Shape]:
        for shape in shapes:
            if not shape or shape[0] % count:
                raise InvalidRequestError(
                    f"rule {name}: the shape {list(shape)} has no {count} equal parts along its first axis"
                )
        return [(shape[0] // count, *shape[1:]) for shape in shapes]

    def apply(arrays: list[Array]) -> list[Array]:
        return [np.split(array, count)[index] for array in arrays]

    return Step(name=name, apply=apply, shapes=shapes_of)


def _reshape(target: Shape) -> Step:
    name = reshape_to(target)

    def shapes_of(shapes: list[Shape]) -> list[Shape]:
        for shape in shapes:
            if math.prod(shape) != math.prod(target):
                raise InvalidRequestError(f"rule {name}: does not fit the shape {list(shape)}")
        return [target] * len(shapes)

    return Step(name=name, apply=lambda arrays: [a.reshape(target) for a in arrays], shapes=shapes_of)


_STEPS = {
    step.name: step
    for step in (
        Step(name=IDENTITY, apply=lambda arrays: arrays, shapes=lambda shapes: shapes),
        Step(name=TRANSPOSE, apply=lambda arrays: [a.T for a in arrays], shapes=_transposed_shapes),
        Step(name=STACK, apply=lambda arrays: [np.concatenate(arrays)], shapes=_stacked_shapes),
    )
}
