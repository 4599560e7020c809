"""Layouts: how the elements of one tensor may lie in the shape of another that holds the same ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from padiff_rpc.records import record
from padiff_server.weights.rules import IDENTITY, Rule, Shape, axes, chain, reshape_to

# 6 axes have 720 orders; models have 5 at most (batch, head, depth, height, width).
_MOST_AXES = 5


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

    def words(self, reference: Shape, candidate: Shape) -> str:
        """Returns the layout of tensors of these shapes as a note says it."""
        turned = sorted(reference) == sorted(candidate) and len(reference) == len(candidate)
        order = self.before or self.after
        moved = [axis for axis, source in enumerate(order) if axis != source]
        if len(moved) == 2:
            text = f"axes {moved[0]} and {moved[1]} exchanged"
        else:
            text = f"axes in the order {', '.join(map(str, order))}" if order else ""
        return ", ".join(filter(None, (text, "" if turned and text else "reshaped")))


def layouts(reference: Shape, candidate: Shape) -> Iterator[Layout]:
    """Yields the layouts that two shapes allow, other than none at all, the simplest first."""
    most = max(len(reference), len(candidate))
    if math.prod(reference) != math.prod(candidate) or not math.prod(reference):
        return
    if reference != candidate:
        yield Layout()
    if most > _MOST_AXES:
        return
    if len(reference) >= len(candidate):
        for order in _orders(len(reference)):
            turned = tuple(reference[axis] for axis in order)
            if _merges_to(turned, candidate):
                yield Layout(before=order)
    else:
        for order in _orders(len(candidate)):
            inner = tuple(candidate[order.index(axis)] for axis in range(len(order)))
            if _merges_to(inner, reference):
                yield Layout(after=order)


def _orders(count: int) -> list[Shape]:
    """Returns all orders but the natural one, those first that move the fewest axes."""
    natural = tuple(range(count))
    orders = [order for order in itertools.permutations(natural) if order != natural]
    return sorted(orders, key=lambda order: sum(axis != source for axis, source in enumerate(order)))


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
