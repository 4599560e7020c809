"""Elements of a bias whose gradients are rounding noise, beside others whose gradients are not.

One bias of queries, keys and values is such: what is added to the keys changes no attention, so that
third of the gradient is zero but for rounding, and an optimizer that divides by the gradient's size moves
those elements by whole steps, each side its own way.
"""

from __future__ import annotations

import math
from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_compare.judge.evidence import Sizes
from padiff_rpc.tensors import FLOATING, HostTensor, widen
from padiff_rpc.v1.words import DType

Flags = npt.NDArray[np.bool_]
Reals = npt.NDArray[np.float64]

# What is kept of each bias is some bytes an element.
_LARGEST_BIAS = 1 << 18
# Two noisy elements part by two steps at each step; the parameter's path stands for an element's.
_ROOM = 4.0
# Of others the shift is lost in what they round anyway.
_SHIFTED = frozenset({DType.FLOAT32, DType.FLOAT64})


def sizes_of(reference: HostTensor, candidate: HostTensor) -> Optional[Sizes]:
    """Returns the sizes of two gradients; None of what is no bias."""
    shape = reference.array.shape
    is_bias = len(shape) == 1 and shape == candidate.array.shape and 1 < shape[0] <= _LARGEST_BIAS
    if not is_bias or not {reference.dtype, candidate.dtype} <= FLOATING:
        return None
    one, other = (widen(tensor.array, tensor.dtype) for tensor in (reference, candidate))
    return Sizes(larger=np.maximum(abs(one), abs(other)), differ=one != other)


class NoisyElements:
    """Of one bias: the elements whose gradients were noise in every step so far."""

    def __init__(self, count: int) -> None:
        self._small = np.ones(count, np.bool_)
        self._differed = np.zeros(count, np.bool_)

    def note(self, sizes: Sizes, floor: float) -> None:
        """Takes in a step's gradients; both sides' of a noisy element lie under `floor`, as NaN does not."""
        self._small &= sizes.larger < floor
        self._differed |= sizes.differ

    def excused(self, reference: HostTensor, candidate: HostTensor, length: float) -> Flags:
        """Returns which of them lie no further apart than steps can have brought them.

        `length`: the sum of the norms of the bias's steps. What had equal gradients, zeros for instance,
        was moved alike, and is not excused.
        """
        apart = abs(offset_of(reference, candidate))
        farthest = _ROOM * length / math.sqrt(apart.size)
        return self._small & self._differed & (apart > 0.0) & (apart <= farthest)


def offset_of(reference: HostTensor, candidate: HostTensor) -> Reals:
    """Returns candidate - reference."""
    ours, theirs = (widen(one.array, one.dtype).astype(np.float64) for one in (reference, candidate))
    with np.errstate(all="ignore"):
        return theirs - ours


def without(tensor: HostTensor, excused: Flags) -> HostTensor:
    """Returns a bias with zeros for what is excused."""
    return HostTensor(array=np.where(excused, tensor.array.dtype.type(0), tensor.array), dtype=tensor.dtype)


def moved_back(tensor: HostTensor, offset: Reals) -> Optional[HostTensor]:
    """Returns what a layer made, less the offset of its bias along the last axis; None where it has none."""
    shape = tensor.array.shape
    if not shape or shape[-1] != offset.size or tensor.dtype not in _SHIFTED:
        return None
    array = np.subtract(tensor.array, offset.astype(tensor.array.dtype))
    return HostTensor(array=array, dtype=tensor.dtype)
