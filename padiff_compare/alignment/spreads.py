"""Spreads: tensors that one side holds once, and the other repeated along axes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from padiff_compare.alignment.slots import Meeting
from padiff_compare.capture.sides import SIDES
from padiff_compare.layout_rules import (
    IDENTITY,
    MOST_AXES,
    Rule,
    Shape,
    chain,
    repeated_to,
    reshape_to,
    summed_over,
)
from padiff_rpc.records import record
from padiff_rpc.v1.records import Reason, TensorSpec
from padiff_rpc.v1.words import Cause, DType, Side


@record
class Spread:
    """A tensor repeated by one side along axes that the other has once, or not at all.

    All elements are compared. The gradient of what is there once is the sum of those of its repetitions.
    It holds for tensors of any size.

    Attributes:
        side: which one repeats it.
        axes: those of its tensor along which it does.
    """

    side: Side
    axes: Shape

    def values(self, reference: TensorSpec, candidate: TensorSpec) -> Meeting:
        """Returns what is applied to the values of each side before they are compared."""
        if self.side is Side.CANDIDATE:
            return Meeting(reference=self._repeated(reference.shape, candidate.shape))
        return Meeting(candidate=self._repeated(candidate.shape, reference.shape))

    def gradients(self, reference: TensorSpec, candidate: TensorSpec) -> Meeting:
        """Returns what is applied to the gradients of each side before they are compared."""
        if self.side is Side.CANDIDATE:
            return Meeting(candidate=self._summed(reference.shape, candidate.dtype))
        return Meeting(reference=self._summed(candidate.shape, reference.dtype))

    def reasons(self, reference: Shape, candidate: Shape) -> tuple[Reason, ...]:
        """Returns what a row says of it."""
        return (Reason(cause=Cause.REPEATED, side=self.side, numbers=tuple(map(float, self.axes))),)

    def _repeated(self, once: Shape, repeated: Shape) -> Rule:
        aligned = tuple(1 if axis in self.axes else size for axis, size in enumerate(repeated))
        return chain(reshape_to(aligned) if aligned != once else IDENTITY, repeated_to(repeated))

    def _summed(self, once: Shape, dtype: DType) -> Rule:
        return chain(summed_over(self.axes, dtype), reshape_to(once))


def spreads(reference: Shape, candidate: Shape) -> Iterator[Spread]:
    """Yields the spreads that two shapes allow, those along the fewest axes first."""
    for side, repeated, once in zip(SIDES, (reference, candidate), (candidate, reference)):
        if len(repeated) > MOST_AXES or not 0 < math.prod(once) < math.prod(repeated):
            continue
        sizes = [size for size in once if size != 1]
        wide = [axis for axis, size in enumerate(repeated) if size != 1]
        kept = len(sizes)
        for axes in combinations(wide, len(wide) - kept) if len(wide) > kept else ():
            if [repeated[axis] for axis in wide if axis not in axes] == sizes:
                yield Spread(side=side, axes=axes)
