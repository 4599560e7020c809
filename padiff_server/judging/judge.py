"""The verdict on one pair of tensors, from its figures and its tolerance."""

from __future__ import annotations

import dataclasses
import math
from typing import Optional

from padiff_rpc.records import record
from padiff_rpc.v1.records import Figures, Options, Reason, TensorSpec, Tolerance
from padiff_rpc.v1.words import Cause, CompareMode, Omission, ToleranceSource, Verdict

# Of a floor, which is a hundred epsilons: what sums leave on one side where they cancel exactly on the other.
_SHARE_BESIDE_ZEROS = 0.04


@record
class Judgement:
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    omission: Optional[Omission] = None


def judge(
    reference: TensorSpec,
    candidate: TensorSpec,
    figures: Optional[Figures],
    tolerance: Tolerance,
    *,
    options: Options,
    floor: float = 0.0,
    is_of_gradient: bool = False,
) -> Judgement:
    """Returns the verdict on one pair, and why it is not a plain match.

    Shape is judged first, then dtype, non-finite elements, values. NaN on both sides is `nonfinite` even
    where both agree; infinities that agree are equal (attention masks hold them). A pair that is further
    apart than its tolerance, but by less than `floor`, differs by rounding alone. Where it is nothing but
    that on both sides, a gradient, or what an optimizer keeps of one, is `not_compared`; a value agrees, but
    its omission says that this is all that is known. The user's bounds know no floor. A row of a table that
    is further apart than a row may be, and than `floor`, fails the whole. In mean mode the difference of the
    means decides, and a reason says where elements differ.
    """
    if reference.shape != candidate.shape:
        return Judgement(verdict=Verdict.SHAPE_MISMATCH, reasons=(Reason(cause=Cause.SHAPE),))
    dtypes = () if reference.dtype is candidate.dtype else (Reason(cause=Cause.DTYPE),)
    if dtypes and options.check_dtype:
        return Judgement(verdict=Verdict.DTYPE_MISMATCH, reasons=dtypes)
    if figures is None:
        return Judgement(verdict=Verdict.NOT_COMPARED, reasons=(Reason(cause=Cause.NO_VALUES),))
    judgement = _judge_values(figures, tolerance, options, floor, is_of_gradient)
    if not dtypes:
        return judgement
    matched = judgement.verdict is Verdict.MATCH
    return dataclasses.replace(
        judgement,
        verdict=Verdict.WITHIN_TOLERANCE if matched else judgement.verdict,
        reasons=(*judgement.reasons, *dtypes),
    )


def agrees(figures: Figures, tolerance: Tolerance, options: Options) -> bool:
    """Whether finite values lie within the tolerance."""
    if figures.bitwise_equal:
        return True
    if options.compare_mode is CompareMode.MEAN:
        return abs(figures.bias) <= _allowed_bias(figures, tolerance)
    # Not `>`: NaN, which sums that overflowed leave, must fail.
    if tolerance.relative_l2:
        return figures.relative_l2 <= tolerance.relative_l2
    return figures.mismatches == 0


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
    return not _pattern(figures)


def _judge_values(
    figures: Figures, tolerance: Tolerance, options: Options, floor: float, is_of_gradient: bool
) -> Judgement:
    if figures.nan_reference or figures.nan_candidate or figures.nonfinite_mismatches:
        return Judgement(verdict=Verdict.NONFINITE, reasons=(Reason(cause=Cause.NONFINITE),))
    if figures.bitwise_equal:
        return Judgement(verdict=Verdict.MATCH)
    is_mean = options.compare_mode is CompareMode.MEAN
    elements = (Reason(cause=Cause.ELEMENTS),) if is_mean and figures.mismatches else ()
    if agrees(figures, tolerance, options):
        if figures.worst_row is not None and not figures.worst_row.rmse < floor:
            return Judgement(verdict=Verdict.MISMATCH, reasons=(Reason(cause=Cause.TABLE_ROW),))
        return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reasons=elements)
    if may_be_rounding(figures, tolerance, floor):
        return _judge_rounding(figures, tolerance, floor, is_of_gradient)
    if is_mean:
        means = Reason(cause=Cause.MEANS, numbers=(_allowed_bias(figures, tolerance),))
        return Judgement(verdict=Verdict.MISMATCH, reasons=(means, *elements))
    return Judgement(verdict=Verdict.MISMATCH, reasons=(Reason(cause=Cause.VALUES), *_pattern(figures)))


def _judge_rounding(figures: Figures, tolerance: Tolerance, floor: float, is_of_gradient: bool) -> Judgement:
    size = max(figures.rms_reference, _rms_candidate(figures))
    omission = Omission.BELOW_ROUNDING if size < floor else None
    if is_of_gradient and omission is not None:
        reason = Reason(cause=Cause.BELOW_ROUNDING, numbers=(figures.rms_reference, floor))
        return Judgement(verdict=Verdict.NOT_COMPARED, reasons=(reason,), omission=omission)
    reason = Reason(cause=Cause.ROUNDING, numbers=(distance(figures, tolerance), floor))
    return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reasons=(reason,), omission=omission)


def _allowed_bias(figures: Figures, tolerance: Tolerance) -> float:
    return tolerance.atol + tolerance.rtol * abs(figures.mean_reference)


def _pattern(figures: Figures) -> tuple[Reason, ...]:
    """Returns what the sums suggest that the candidate is, where they do so clearly."""
    if figures.elements < 3 or not math.isfinite(figures.cosine):
        return ()
    if abs(figures.bias) > 0.999 * figures.rmse > 0:
        return (Reason(cause=Cause.OFFSET, numbers=(figures.bias,)),)
    # What remains of the candidate when its best multiple of the reference is taken off.
    remainder = math.sqrt(max(0.0, 1 - figures.cosine**2))
    if remainder < 0.01 and abs(figures.scale - 1) > 10 * remainder:
        return (Reason(cause=Cause.FACTOR, numbers=(figures.scale,)),)
    return ()


def _rms_candidate(figures: Figures) -> float:
    # |a|^2 = |a - b|^2 + 2 <a, b> - |b|^2, and <a, b> = scale * |b|^2
    reference = figures.rms_reference * figures.rms_reference
    projected = (2 * figures.scale - 1) * reference if reference else 0.0
    return math.sqrt(max(0.0, figures.rmse * figures.rmse + projected))
