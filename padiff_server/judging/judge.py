"""Figures and a tolerance in, a verdict and its reason out."""

from __future__ import annotations

import dataclasses
import math
from typing import Optional

from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX
from padiff_rpc.v1.records import Figures, Options, TableRow, TensorSpec, Tolerance
from padiff_rpc.v1.words import CompareMode, Omission, Side, Verdict
from padiff_server.judging.tolerances import USER

# Also the reason for a weight that an optimizer made of such a gradient.
BELOW_ROUNDING = "below rounding"
# Of a floor, which is a hundred epsilons: what sums leave on one side where they cancel exactly on the other.
_SHARE_BESIDE_ZEROS = 0.04


@record
class Judgement:
    verdict: Verdict
    reason: str = ""
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
    """Returns the verdict on one pair, and in one line why it is not a plain match.

    Shape is judged first, then dtype, non-finite elements, values. NaN on both sides is `nonfinite` even
    where both agree; infinities that agree are equal (attention masks hold them). A pair that is further
    apart than its tolerance, but by less than `floor`, differs by rounding alone. Where it is nothing but
    that on both sides, a gradient, or what an optimizer keeps of one, is `not_compared`; a value agrees, but
    its omission says that this is all that is known. The user's bounds know no floor. A row of a table that
    is further apart than a row may be, and than `floor`, fails the whole. In mean mode the difference of the
    means decides, and the reason tells what differs elementwise.
    """
    if reference.shape != candidate.shape:
        shapes = f"reference {list(reference.shape)}, candidate {list(candidate.shape)}"
        part = _lacking_part(reference, candidate)
        return Judgement(verdict=Verdict.SHAPE_MISMATCH, reason=f"shape: {shapes}{part}")
    same_dtype = reference.dtype is candidate.dtype
    dtypes = "" if same_dtype else f"dtype: reference {reference.dtype}, candidate {candidate.dtype}"
    dtypes += _lacking_part(reference, candidate)
    if dtypes and options.check_dtype:
        return Judgement(verdict=Verdict.DTYPE_MISMATCH, reason=dtypes)
    if figures is None:
        return Judgement(verdict=Verdict.NOT_COMPARED, reason="its values did not arrive")
    judgement = _judge_values(figures, tolerance, options, floor, is_of_gradient)
    if not dtypes:
        return judgement
    matched = judgement.verdict is Verdict.MATCH
    return dataclasses.replace(
        judgement,
        verdict=Verdict.WITHIN_TOLERANCE if matched else judgement.verdict,
        reason="; ".join(filter(None, (judgement.reason, dtypes))),
    )


def _lacking_part(reference: TensorSpec, candidate: TensorSpec) -> str:
    """Returns what is off where complex numbers of one side meet real ones of the other; "" else."""
    is_complex = reference.dtype in COMPLEX, candidate.dtype in COMPLEX
    if is_complex[0] is is_complex[1]:
        return ""
    side, real = (Side.CANDIDATE, candidate) if is_complex[0] else (Side.REFERENCE, reference)
    whole = reference if is_complex[0] else candidate
    if real.shape == (*whole.shape, 2):
        return f"; the {side} has the real and the imaginary part in its last axis"
    return f"; the {side} has no imaginary part"


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
    if tolerance.source == USER or not distance(figures, tolerance) < floor:
        return False
    if math.isnan(figures.cosine):
        return figures.rmse <= _SHARE_BESIDE_ZEROS * floor
    return not _likely_cause(figures)


def _judge_values(
    figures: Figures, tolerance: Tolerance, options: Options, floor: float, is_of_gradient: bool
) -> Judgement:
    if figures.nan_reference or figures.nan_candidate or figures.nonfinite_mismatches:
        return Judgement(verdict=Verdict.NONFINITE, reason=_nonfinite(figures))
    if figures.bitwise_equal:
        return Judgement(verdict=Verdict.MATCH)
    is_mean = options.compare_mode is CompareMode.MEAN
    if agrees(figures, tolerance, options):
        if figures.worst_row is not None and not figures.worst_row.rmse < floor:
            return Judgement(verdict=Verdict.MISMATCH, reason=_row(figures.worst_row, tolerance))
        elementwise = is_mean and figures.mismatches
        reason = f"elementwise: {_elementwise(figures, tolerance)}" if elementwise else ""
        return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reason=reason)
    if may_be_rounding(figures, tolerance, floor):
        return _judge_rounding(figures, tolerance, floor, is_of_gradient)
    text = _difference_of_means(figures, tolerance) if is_mean else _difference(figures, tolerance)
    return Judgement(verdict=Verdict.MISMATCH, reason=text)


def _judge_rounding(figures: Figures, tolerance: Tolerance, floor: float, is_of_gradient: bool) -> Judgement:
    size = max(figures.rms_reference, _rms_candidate(figures))
    omission = Omission.BELOW_ROUNDING if size < floor else None
    if is_of_gradient and omission is not None:
        text = f"{BELOW_ROUNDING}: rms {figures.rms_reference:.3g}, under {floor:.3g}"
        return Judgement(verdict=Verdict.NOT_COMPARED, reason=text, omission=omission)
    apart = distance(figures, tolerance)
    text = f"{apart:.3g} apart, and rounding of what it is made of may come to {floor:.3g}"
    return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reason=text, omission=omission)


def _allowed_bias(figures: Figures, tolerance: Tolerance) -> float:
    return tolerance.atol + tolerance.rtol * abs(figures.mean_reference)


def _difference_of_means(figures: Figures, tolerance: Tolerance) -> str:
    allowed = _allowed_bias(figures, tolerance)
    elementwise = f"elementwise: {_elementwise(figures, tolerance)}" if figures.mismatches else ""
    text = f"the means differ by {figures.bias:.3g}, more than {allowed:.3g}"
    return "; ".join(filter(None, (text, elementwise)))


def _nonfinite(figures: Figures) -> str:
    counts = f"NaN: {figures.nan_reference} in the reference, {figures.nan_candidate} in the candidate"
    if figures.inf_reference or figures.inf_candidate:
        counts += f"; infinite: {figures.inf_reference} and {figures.inf_candidate}"
    agree = "" if figures.nonfinite_mismatches else "; both sides agree, yet NaN never passes"
    return f"{counts}; first at {list(figures.first_nonfinite)}{agree}"


def _difference(figures: Figures, tolerance: Tolerance) -> str:
    if tolerance.relative_l2:
        text = f"relative L2 {figures.relative_l2:.3g}, allowed {tolerance.relative_l2:.3g}{_worst(figures)}"
    else:
        text = _elementwise(figures, tolerance)
    return "; ".join(filter(None, (text, _likely_cause(figures))))


def _row(row: TableRow, tolerance: Tolerance) -> str:
    """Returns what is wrong with a row of an embedding table's gradient, where the whole agrees."""
    bound = f"relative L2 {row.relative_l2:.3g}, allowed {tolerance.row_relative_l2:.3g} for each row"
    sizes = {Side.REFERENCE: row.rms_reference, Side.CANDIDATE: row.rms_candidate}
    shown = ", ".join(f"{side} {f'rms {size:.3g}' if size else 'all zeros'}" for side, size in sizes.items())
    return f"row {row.index}: {bound} ({shown})"


def _elementwise(figures: Figures, tolerance: Tolerance) -> str:
    share = figures.mismatches / max(figures.elements, 1)
    return (
        f"{figures.mismatches} of {figures.elements} elements ({share:.3g}) outside "
        f"atol {tolerance.atol:.3g} + rtol {tolerance.rtol:.3g} * |reference|{_worst(figures)}"
    )


def _worst(figures: Figures) -> str:
    if not figures.worst:
        return ""
    worst = figures.worst[0]
    return (
        f"; largest difference {worst.abs_diff:.3g} at {list(worst.index)}"
        f"{', in the imaginary part' if worst.imaginary else ''} "
        f"(reference {worst.reference:.6g}, candidate {worst.candidate:.6g})"
    )


def _likely_cause(figures: Figures) -> str:
    """Returns what the sums suggest, where they do so clearly; "" else."""
    if figures.elements < 3 or not math.isfinite(figures.cosine):
        return ""
    if abs(figures.bias) > 0.999 * figures.rmse > 0:
        return f"candidate is reference + {figures.bias:.4g} throughout"
    # What remains of the candidate when its best multiple of the reference is taken off.
    remainder = math.sqrt(max(0.0, 1 - figures.cosine**2))
    if remainder < 0.01 and abs(figures.scale - 1) > 10 * remainder:
        return f"candidate is {figures.scale:.4g} * reference throughout"
    return ""


def _rms_candidate(figures: Figures) -> float:
    # |a|^2 = |a - b|^2 + 2 <a, b> - |b|^2, and <a, b> = scale * |b|^2
    reference = figures.rms_reference * figures.rms_reference
    projected = (2 * figures.scale - 1) * reference if reference else 0.0
    return math.sqrt(max(0.0, figures.rmse * figures.rmse + projected))
