"""Rules about noise: what rounding, and an optimizer that made steps of it, explain of a difference.

Elements of a bias may be noise beside others that are not. One bias of queries, keys and values is such: what
is added to the keys changes no attention, so that third of the gradient is zero but for rounding, and an
optimizer that divides by the gradient's size moves those elements by whole steps, each side its own way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_compare.judge.evidence import Evidence, Judgement, Sizes, factor, offset
from padiff_rpc.tensors import FLOATING, HostTensor, widen
from padiff_rpc.v1.records import Figures, Options, Reason, Tolerance
from padiff_rpc.v1.words import CaptureKind, Cause, DecidedBy, DType, Omission, ToleranceSource, Verdict

Flags = npt.NDArray[np.bool_]
Reals = npt.NDArray[np.float64]
# What is kept of each bias is some bytes an element.
_LARGEST_BIAS = 1 << 18
# Two noisy elements part by two steps at each step; the parameter's path stands for an element's.
_ROOM = 4.0
# Of others the shift is lost in what they round anyway.
_SHIFTED = frozenset({DType.FLOAT32, DType.FLOAT64})

# Of how far a bias was moved: rounding comes on top.
_SHIFT_ROOM = 1.5
# Of a floor, which is a hundred epsilons: what sums leave on one side where they cancel exactly on the other.
_SHARE_BESIDE_ZEROS = 0.04


def distance(figures: Figures, tolerance: Tolerance) -> float:
    """Returns how far apart two tensors are, as their tolerance sees it: on the whole, or anywhere."""
    return figures.rmse if tolerance.relative_l2 else figures.max_abs


def may_be_rounding(figures: Figures, tolerance: Tolerance, floor: float) -> bool:
    """Whether a difference is no larger than what rounding may come to, and may look like that.

    Rounding is no factor and no constant. Beside a side that is zero throughout, whose cosine is NaN, it is
    smaller still. The user's bounds know none.
    """
    if tolerance.source is ToleranceSource.USER or not distance(figures, tolerance) < floor:
        return False
    if math.isnan(figures.cosine):
        return figures.rmse <= _SHARE_BESIDE_ZEROS * floor
    return offset(figures) is None and factor(figures) is None


def left_out_in_part(evidence: Evidence) -> Optional[Reason]:
    """Returns what says that noisy elements of a weight were left out; None where none were."""
    left_out = evidence.measured.left_out if evidence.measured is not None else None
    return None if left_out is None else Reason(cause=Cause.ELEMENTS_LEFT_OUT, numbers=left_out)


def _is_rounding(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """What is further apart than its tolerance, but by less than the floor, differs by rounding alone.

    Where it is nothing but that on both sides, a gradient is not compared. A value agrees all the same, and
    its omission says that no more is known.
    """
    figures, tolerance, floor = evidence.figures, evidence.tolerance, evidence.floor
    if not may_be_rounding(figures, tolerance, floor):
        return None
    size = max(figures.rms_reference, _rms_candidate(figures))
    omission = Omission.BELOW_ROUNDING if size < floor else None
    if evidence.is_of_gradient and omission is not None:
        reason = Reason(cause=Cause.BELOW_ROUNDING, numbers=(figures.rms_reference, floor))
        is_state = evidence.kind is CaptureKind.OPTIMIZER_STATE
        return Judgement(
            verdict=Verdict.NOT_COMPARED,
            reasons=(reason,),
            omission=Omission.MADE_OF_ROUNDING if is_state else omission,
            counts=False,
        )
    reason = Reason(cause=Cause.ROUNDING, numbers=(distance(figures, tolerance), floor))
    return Judgement(
        verdict=Verdict.WITHIN_TOLERANCE, reasons=(reason,), omission=omission, by=DecidedBy.SUMS
    )


def _is_mean_of_spread_values(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """A running mean may be all rounding, of values that cancel; it is held against their spread."""
    excuses = evidence.known.excuses
    if not excuses.mean_bound or evidence.tolerance.source is ToleranceSource.USER:
        return None
    # Not `>`: NaN fails.
    if not evidence.figures.max_abs <= excuses.mean_bound * excuses.spread:
        return None
    reason = Reason(cause=Cause.MEAN_OF_SPREAD, numbers=(excuses.spread,))
    return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reasons=(reason,), by=DecidedBy.SUMS)


def _was_made_by_chance(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """What chance made of a buffer is missed in the report; of a parameter, its gradient was already."""
    random = evidence.known.excuses.random
    if not random:
        return None
    return Judgement(
        verdict=Verdict.NOT_COMPARED,
        reasons=(Reason(cause=Cause.RANDOM, names=random),),
        omission=Omission.RANDOM,
        counts=evidence.kind is CaptureKind.BUFFER,
    )


def _is_moved_by_a_bias(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """Whoever takes the value takes such a bias away again; until then it shows.

    Such is a bias of an attention's keys, or one before a BatchNorm: it has no gradient but rounding.
    """
    shift = evidence.known.excuses.shift
    if not 0 < evidence.figures.max_abs <= _SHIFT_ROOM * shift:
        return None
    reason = Reason(cause=Cause.MOVED_BIAS, numbers=(shift,))
    return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reasons=(reason,), by=DecidedBy.SUMS)


def _was_moved_by_rounding(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """An optimizer that divides by the gradient's size makes whole steps of noise, in any direction.

    They are no longer than those of other gradients: a larger difference has another cause.
    """
    steps = evidence.known.excuses.steps
    if not steps or not evidence.figures.rmse <= steps:
        return None
    return Judgement(
        verdict=Verdict.NOT_COMPARED,
        reasons=(Reason(cause=Cause.GRADIENT_BELOW_ROUNDING),),
        counts=False,
        omission=Omission.MADE_OF_ROUNDING,
    )


def _rms_candidate(figures: Figures) -> float:
    # |a|^2 = |a - b|^2 + 2 <a, b> - |b|^2, and <a, b> = scale * |b|^2
    reference = figures.rms_reference * figures.rms_reference
    projected = (2 * figures.scale - 1) * reference if reference else 0.0
    return math.sqrt(max(0.0, figures.rmse * figures.rmse + projected))


# In the order in which they are tried, behind the tolerance.
NOISE_RULES: tuple[Callable[[Evidence, Options], Optional[Judgement]], ...] = (
    _is_rounding,
    _is_mean_of_spread_values,
    _was_made_by_chance,
    _is_moved_by_a_bias,
    _was_moved_by_rounding,
)


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
