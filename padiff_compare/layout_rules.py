"""Layout rules: how a reference's weights become a candidate's.

A rule is a chain of small steps, each of which takes arrays and gives arrays; what is left at its end is the
candidate's weight. Rules only move elements (the parts of a complex
one too, where the other side keeps them apart), so they serve values, gradients and optimizer state
alike. The opposite direction is a rule of its own (`STACK` against `part_of`), which `weight_plan` chooses
as it chose the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import permutations
from typing import Optional

import numpy as np

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, Array, HostTensor, cast, widen
from padiff_rpc.v1.records import LayoutRule, LayoutStep
from padiff_rpc.v1.words import DType, LayoutChange

Shape = tuple[int, ...]

# As many as a convolution over three axes has; 6 axes have 720 orders.
MOST_AXES = 5


@record
class Step:
    """A change of layout.

    Attributes:
        told: as reports hold it.
        apply: arrays in the reference's layout -> arrays in the candidate's; may return views.
        shapes: the shapes that `apply` gives. Raises InvalidRequestError for those it cannot take.
        computes: whether it makes other numbers of the elements, and so serves values alone.
        dtypes: those that it changes, and to what.
    """

    told: LayoutStep
    apply: Callable[[list[Array]], list[Array]]
    shapes: Callable[[list[Shape]], list[Shape]]
    computes: bool = False
    dtypes: tuple[tuple[DType, DType], ...] = ()


@record
class Rule:
    """A chain of steps; without any, the candidate has what the reference has."""

    steps: tuple[Step, ...] = ()

    @property
    def told(self) -> LayoutRule:
        """Returns the rule as reports hold it."""
        return LayoutRule(steps=tuple(step.told for step in self.steps))

    @property
    def computes(self) -> bool:
        """Whether the values that come out are others."""
        return any(step.computes for step in self.steps)

    @property
    def part(self) -> Optional[tuple[int, int]]:
        """Returns which part the rule takes and of how many, from 0; None for a rule that takes all."""
        parts = (step.told.numbers for step in self.steps if step.told.change is LayoutChange.PART)
        return next(((index, count) for index, count in parts), None)

    def apply(self, *values: HostTensor) -> HostTensor:
        """Returns `values` in the candidate's layout, C-contiguous; the value itself under `IDENTITY`.

        Raises InvalidRequestError for shapes that the rule cannot take, and for values of several dtypes.
        """
        seen = self.view(*values)
        if seen.array.flags.c_contiguous:
            return seen
        # By asarray, since ascontiguousarray makes 0-d arrays 1-d.
        return HostTensor(array=np.asarray(seen.array, order="C"), dtype=seen.dtype)

    def view(self, *values: HostTensor) -> HostTensor:
        """Returns what `apply` does, but with the elements where they are, if the rule only moves axes.

        For what takes arrays of any strides, as the comparison of two tensors does.
        """
        if not self.steps and len(values) == 1:
            return values[0]
        dtypes = {value.dtype for value in values}
        if len(dtypes) != 1:
            raise InvalidRequestError(
                f"rule {self.told}: takes values of one dtype, not {sorted(map(str, dtypes))}"
            )
        self.shape(*(value.array.shape for value in values))
        arrays = [value.array for value in values]
        for step in self.steps:
            arrays = step.apply(arrays)
        return HostTensor(array=np.asarray(arrays[0]), dtype=self.dtype(values[0].dtype))

    def dtype(self, dtype: DType) -> DType:
        """Returns the dtype that the rule makes of values of this one."""
        for step in self.steps:
            dtype = dict(step.dtypes).get(dtype, dtype)
        return dtype

    def shape(self, *shapes: Shape) -> Shape:
        """Returns the shape that the rule gives. Raises InvalidRequestError for shapes it cannot take."""
        given = list(shapes)
        for step in self.steps:
            given = step.shapes(given)
        if len(given) != 1:
            raise InvalidRequestError(
                f"rule {self.told}: makes {len(given)} weights of {len(shapes)}, not one"
            )
        return given[0]

    def shape_or_none(self, *shapes: Shape) -> Optional[Shape]:
        """Returns the shape that the rule gives; None where it cannot take `shapes`."""
        try:
            return self.shape(*shapes)
        except InvalidRequestError:
            return None


def chain(*rules: Rule) -> Rule:
    """Returns the rule of all their steps, in this order."""
    return Rule(steps=tuple(step for rule in rules for step in rule.steps))


@lru_cache(maxsize=256)
def reshape_to(target: Shape) -> Rule:
    """Returns the rule that keeps the elements' order and gives `target`."""
    told = LayoutStep(change=LayoutChange.RESHAPE, numbers=target)

    def shapes_of(shapes: list[Shape]) -> list[Shape]:
        for shape in shapes:
            if math.prod(shape) != math.prod(target):
                raise InvalidRequestError(f"rule {told}: does not fit the shape {list(shape)}")
        return [target] * len(shapes)

    return _rule(told, lambda arrays: [a.reshape(target) for a in arrays], shapes_of)


@lru_cache(maxsize=256)
def repeated_to(target: Shape) -> Rule:
    """Returns the rule that repeats elements along axes of one element, as NumPy broadcasts, to `target`."""
    told = LayoutStep(change=LayoutChange.REPEAT, numbers=target)

    def shapes_of(shapes: list[Shape]) -> list[Shape]:
        for shape in shapes:
            if len(shape) != len(target) or any(one not in (1, size) for one, size in zip(shape, target)):
                raise InvalidRequestError(f"rule {told}: does not fit the shape {list(shape)}")
        return [target] * len(shapes)

    return _rule(told, lambda arrays: [np.broadcast_to(a, target) for a in arrays], shapes_of)


@lru_cache(maxsize=256)
def summed_over(axes: Shape, dtype: DType) -> Rule:
    """Returns the rule that sums tensors of a floating or complex `dtype` over axes, and keeps these as 1."""
    told = LayoutStep(change=LayoutChange.SUM, numbers=axes)

    def shapes_of(shapes: list[Shape]) -> list[Shape]:
        for shape in shapes:
            if axes and max(axes) >= len(shape):
                raise InvalidRequestError(f"rule {told}: the shape {list(shape)} has no such axis")
        return [tuple(1 if n in axes else size for n, size in enumerate(shape)) for shape in shapes]

    def apply(arrays: list[Array]) -> list[Array]:
        with np.errstate(all="ignore"):
            sums = [np.add.reduce(widen(array, dtype), axis=axes, keepdims=True) for array in arrays]
        wide = DType.COMPLEX128 if dtype in COMPLEX else DType.FLOAT64
        return [cast(HostTensor(array=one, dtype=wide), dtype).array for one in sums]

    return Rule(steps=(Step(told=told, apply=apply, shapes=shapes_of, computes=True),))


@lru_cache(maxsize=256)
def part_of(index: int, count: int) -> Rule:
    """Returns the rule that takes one of `count` equal parts along the first axis; from 0."""
    told = LayoutStep(change=LayoutChange.PART, numbers=(index, count))

    def shapes_of(shapes: list[Shape]) -> list[Shape]:
        for shape in shapes:
            if not shape or shape[0] % count:
                raise InvalidRequestError(
                    f"rule {told}: the shape {list(shape)} has no {count} equal parts along its first axis"
                )
        return [(shape[0] // count, *shape[1:]) for shape in shapes]

    def apply(arrays: list[Array]) -> list[Array]:
        return [np.split(array, count)[index] for array in arrays]

    return Rule(steps=(Step(told=told, apply=apply, shapes=shapes_of),))


@lru_cache(maxsize=256)
def axes(order: Shape) -> Rule:
    """Returns the rule whose n-th axis is the reference's `order[n]`-th."""
    if order == tuple(range(len(order))):
        return IDENTITY
    if order == (1, 0):
        return TRANSPOSE
    told = LayoutStep(change=LayoutChange.AXES, numbers=order)

    def shapes_of(shapes: list[Shape]) -> list[Shape]:
        for shape in shapes:
            if len(shape) != len(order):
                raise InvalidRequestError(f"rule {told}: the shape {list(shape)} has no {len(order)} axes")
        return [tuple(shape[axis] for axis in order) for shape in shapes]

    return _rule(told, lambda arrays: [a.transpose(order) for a in arrays], shapes_of)


def fitting_axes(shape: Shape, wanted: Shape) -> tuple[Rule, ...]:
    """Returns the rules of all `fitting_orders`."""
    return tuple(map(axes, fitting_orders(shape, wanted)))


@lru_cache(maxsize=1024)
def fitting_orders(shape: Shape, wanted: Shape) -> tuple[Shape, ...]:
    """Returns the orders of axes that make `wanted` of `shape`, those that leave most axes in place first.

    Orders that differ in axes of one element are one. More axes than a convolution has fit only as they are.
    """
    if sorted(shape) != sorted(wanted) or len(shape) > MOST_AXES:
        return ()
    return tuple(distinct_orders(shape, wanted.__eq__).values())


def distinct_orders(shape: Shape, fits: Callable[[Shape], bool]) -> dict[Shape, Shape]:
    """Returns the orders of axes that give a shape that `fits`, those that leave most axes in place first.

    Of orders that differ in axes of one element alone, which move no element, the first. The key is the order
    of the other axes.
    """
    found: dict[Shape, Shape] = {}
    for order in _orders(len(shape)):
        if fits(tuple(shape[axis] for axis in order)):
            found.setdefault(moved_axes(shape, order), order)
    return found


def moved_axes(shape: Shape, order: Shape) -> Shape:
    """Returns an order without the axes of one element."""
    return tuple(axis for axis in order if shape[axis] != 1)


@lru_cache(maxsize=MOST_AXES + 1)
def _orders(count: int) -> list[Shape]:
    orders = permutations(range(count))
    return sorted(orders, key=lambda order: sum(place != axis for place, axis in enumerate(order)))


def _rule(
    told: LayoutStep,
    apply: Callable[[list[Array]], list[Array]],
    shapes: Callable[[list[Shape]], list[Shape]],
) -> Rule:
    return Rule(steps=(Step(told=told, apply=apply, shapes=shapes),))


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


def _real_shapes(shapes: list[Shape]) -> list[Shape]:
    return [(*shape, 2) for shape in shapes]


def _complex_shapes(shapes: list[Shape]) -> list[Shape]:
    for shape in shapes:
        if shape[-1:] != (2,):
            raise InvalidRequestError(
                f"rule as complex: the last axis of {list(shape)} holds no real and imaginary parts"
            )
    return [shape[:-1] for shape in shapes]


def _as_real(array: Array) -> Array:
    return np.stack([array.real, array.imag], axis=-1)


def _as_complex(array: Array) -> Array:
    return np.ascontiguousarray(array).view(np.result_type(array.dtype, np.complex64))[..., 0]


_PARTS = ((DType.COMPLEX64, DType.FLOAT32), (DType.COMPLEX128, DType.FLOAT64))
IDENTITY = Rule()
# Frameworks call these view_as_real and as_real, view_as_complex and as_complex. A gradient's parts are those
# of the parts' gradients.
AS_REAL = Rule(
    steps=(
        Step(
            told=LayoutStep(change=LayoutChange.AS_REAL),
            apply=lambda arrays: [_as_real(array) for array in arrays],
            shapes=_real_shapes,
            dtypes=_PARTS,
        ),
    )
)
AS_COMPLEX = Rule(
    steps=(
        Step(
            told=LayoutStep(change=LayoutChange.AS_COMPLEX),
            apply=lambda arrays: [_as_complex(array) for array in arrays],
            shapes=_complex_shapes,
            dtypes=tuple((real, whole) for whole, real in _PARTS),
        ),
    )
)
TRANSPOSE = _rule(
    LayoutStep(change=LayoutChange.TRANSPOSE), lambda arrays: [a.T for a in arrays], _transposed_shapes
)
STACK = _rule(LayoutStep(change=LayoutChange.STACK), lambda arrays: [np.concatenate(arrays)], _stacked_shapes)
