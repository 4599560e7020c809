"""Layouts: how the elements of one tensor may lie in the shape of another that holds the same ones."""

from __future__ import annotations

import math
from collections.abc import Iterator

from padiff_compare.alignment.slots import Meeting
from padiff_compare.layout_rules import (
    IDENTITY,
    MOST_AXES,
    Rule,
    Shape,
    axes,
    chain,
    distinct_orders,
    moved_axes,
    reshape_to,
)
from padiff_rpc.records import record
from padiff_rpc.v1.records import Reason, TensorSpec
from padiff_rpc.v1.words import Cause


@record
class Layout:
    """The candidate's layout by the reference's: axes in another order, elements in another shape, or both.

    It holds for tensors of any size, so that batches of other sizes keep it.

    Attributes:
        before: the order of the reference's axes, before its elements take another shape.
        after: the order of axes after that; empty tuples are no change.
    """

    before: Shape = ()
    after: Shape = ()

    def rule(self, reference: Shape, candidate: Shape) -> Rule:
        """Returns the rule for two tensors of these shapes; where they do not fit, it cannot be applied."""
        turned = axes(self.before) if self.before else IDENTITY
        shape = turned.shape_or_none(reference) or reference
        back = self.after if len(self.after) == len(candidate) else ()
        inner = tuple(candidate[back.index(axis)] for axis in range(len(back))) if back else candidate
        return chain(
            turned,
            reshape_to(inner) if inner != shape else IDENTITY,
            axes(back) if back else IDENTITY,
        )

    def values(self, reference: TensorSpec, candidate: TensorSpec) -> Meeting:
        """Returns what is applied to the values of each side before they are compared."""
        return Meeting(reference=self.rule(reference.shape, candidate.shape))

    def gradients(self, reference: TensorSpec, candidate: TensorSpec) -> Meeting:
        """Returns what is applied to the gradients of each side before they are compared."""
        return self.values(reference, candidate)

    def reasons(self, reference: Shape, candidate: Shape) -> tuple[Reason, ...]:
        """Returns what a row of tensors of these shapes says of their layout."""
        order = self.before or self.after
        axes_moved = Reason(cause=Cause.AXES, numbers=tuple(map(float, order)))
        if not order:
            return (Reason(cause=Cause.RESHAPED),)
        is_turned = sorted(reference) == sorted(candidate) and len(reference) == len(candidate)
        return (axes_moved,) if is_turned else (axes_moved, Reason(cause=Cause.RESHAPED))


def layouts(reference: Shape, candidate: Shape) -> Iterator[Layout]:
    """Yields the layouts that two shapes allow, other than none at all, the simplest first.

    What moves the same elements is yielded once: axes in another order rather than a reshape, since a
    reshape of a batch of one says nothing of larger ones.
    """
    if math.prod(reference) != math.prod(candidate) or not math.prod(reference):
        return
    is_finer = len(reference) >= len(candidate)
    finer, coarser = (reference, candidate) if is_finer else (candidate, reference)
    natural = tuple(range(len(finer)))
    if len(finer) > MOST_AXES:
        orders = [natural]
    else:
        found = distinct_orders(finer, coarser.__eq__)
        found.setdefault(moved_axes(finer, natural), natural)
        for key, order in distinct_orders(finer, lambda shape: _merges_to(shape, coarser)).items():
            found.setdefault(key, order)
        orders = list(found.values())
    for order in orders:
        if order != natural:
            yield Layout(before=order) if is_finer else Layout(after=_inverse(order))
        elif reference != candidate:
            yield Layout()


def _inverse(order: Shape) -> Shape:
    return tuple(order.index(axis) for axis in range(len(order)))


def _merges_to(finer: Shape, coarser: Shape) -> bool:
    """Whether joining neighbouring axes of one shape gives the other."""
    sizes = iter(finer)
    for size in coarser:
        joined = next(sizes, None)
        while joined is not None and joined < size:
            following = next(sizes, None)
            joined = None if following is None else joined * following
        if joined != size:
            return False
    return all(size == 1 for size in sizes)
