"""Rules about noise: what rounding, and an optimizer that made steps of it, explain of a difference."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Optional

from padiff_compare.judge.evidence import Evidence, Judgement, factor, offset
from padiff_rpc.v1.records import Figures, Options, Reason, Tolerance
from padiff_rpc.v1.words import CaptureKind, Cause, Omission, ToleranceSource, Verdict

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
    return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reasons=(reason,), omission=omission)


def _is_mean_of_spread_values(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """A running mean may be all rounding, of values that cancel; it is held against their spread."""
    excuses = evidence.known.excuses
    if not excuses.mean_bound or evidence.tolerance.source is ToleranceSource.USER:
        return None
    # Not `>`: NaN fails.
    if not evidence.figures.max_abs <= excuses.mean_bound * excuses.spread:
        return None
    reason = Reason(cause=Cause.MEAN_OF_SPREAD, numbers=(excuses.spread,))
    return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reasons=(reason,))


def _was_made_by_chance(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """What chance made of a buffer is missed in the report; of a parameter, its gradient was already."""
    random = evidence.known.excuses.random
    if not random:
        return None
    return Judgement(
        verdict=Verdict.NOT_COMPARED,
        reasons=(Reason(cause=Cause.RANDOM, names=(random,)),),
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
    return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reasons=(reason,))


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
