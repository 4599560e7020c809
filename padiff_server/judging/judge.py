"""Figures and a tolerance in, a verdict and its reason out."""

from __future__ import annotations

import math
from typing import Optional

from padiff_rpc.options import Options
from padiff_rpc.records import record
from padiff_rpc.results import Figures, Tolerance
from padiff_rpc.tensors import COMPLEX, FLOATING, epsilon
from padiff_rpc.types import TensorSpec
from padiff_rpc.words import CompareMode, DType, Verdict
from padiff_server.judging.tolerances import USER

# Also the reason for a weight that an optimizer made of such a gradient.
BELOW_ROUNDING = "below rounding"

# Largest rms of a parameter gradient whose true value is zero, against the step's largest: 5e-10 (an
# attention key's bias) to 1e-6 (the bias of a convolution before a BatchNorm), 8 epsilons. The smallest
# honest one: 2e-4.
_FLOOR_EPSILONS = 100.0
# 100 epsilons of a half would swallow honest gradients.
_LARGEST_FLOOR = 1e-3


@record
class Judgement:
    verdict: Verdict
    reason: str = ""


def judge(
    reference: TensorSpec,
    candidate: TensorSpec,
    figures: Optional[Figures],
    tolerance: Tolerance,
    *,
    options: Options,
    gradient_floor: float = 0.0,
) -> Judgement:
    """Returns the verdict on one pair, and in one line why it is not a plain match.

    Shape is judged first, then dtype, non-finite elements, values. NaN on both sides is `nonfinite` even
    where both agree; infinities that agree are equal (attention masks hold them). A pair that differs
    and whose root mean squares both lie under `gradient_floor` is `not_compared`, unless the bounds are the
    user's. In mean mode the difference of the means decides, and the reason tells what differs elementwise.
    """
    if reference.shape != candidate.shape:
        shapes = f"reference {list(reference.shape)}, candidate {list(candidate.shape)}"
        return Judgement(verdict=Verdict.SHAPE_MISMATCH, reason=f"shape: {shapes}")
    same_dtype = reference.dtype is candidate.dtype
    dtypes = "" if same_dtype else f"dtype: reference {reference.dtype}, candidate {candidate.dtype}"
    if dtypes and options.check_dtype:
        return Judgement(verdict=Verdict.DTYPE_MISMATCH, reason=dtypes)
    if figures is None:
        return Judgement(verdict=Verdict.NOT_COMPARED, reason="its values did not arrive")
    judgement = _judge_values(figures, tolerance, options, gradient_floor)
    if not dtypes:
        return judgement
    matched = judgement.verdict is Verdict.MATCH
    return Judgement(
        verdict=Verdict.WITHIN_TOLERANCE if matched else judgement.verdict,
        reason="; ".join(filter(None, (judgement.reason, dtypes))),
    )


def _judge_values(
    figures: Figures, tolerance: Tolerance, options: Options, gradient_floor: float
) -> Judgement:
    if figures.nan_reference or figures.nan_candidate or figures.nonfinite_mismatches:
        return Judgement(verdict=Verdict.NONFINITE, reason=_nonfinite(figures))
    if figures.bitwise_equal:
        return Judgement(verdict=Verdict.MATCH)
    below_floor = max(figures.rms_reference, _rms_candidate(figures)) < gradient_floor
    if below_floor and tolerance.source != USER:
        text = f"{BELOW_ROUNDING}: rms {figures.rms_reference:.3g}, under {gradient_floor:.3g}"
        return Judgement(verdict=Verdict.NOT_COMPARED, reason=text)
    if options.compare_mode is CompareMode.MEAN:
        return _judge_means(figures, tolerance)
    # Not `>`: NaN, which sums that overflowed leave, must fail.
    if tolerance.relative_l2:
        passed = figures.relative_l2 <= tolerance.relative_l2
    else:
        passed = figures.mismatches == 0
    if passed:
        return Judgement(verdict=Verdict.WITHIN_TOLERANCE)
    return Judgement(verdict=Verdict.MISMATCH, reason=_difference(figures, tolerance))


def _judge_means(figures: Figures, tolerance: Tolerance) -> Judgement:
    allowed = tolerance.atol + tolerance.rtol * abs(figures.mean_reference)
    elementwise = f"elementwise: {_elementwise(figures, tolerance)}" if figures.mismatches else ""
    if abs(figures.bias) <= allowed:
        return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reason=elementwise)
    text = f"the means differ by {figures.bias:.3g}, more than {allowed:.3g}"
    return Judgement(verdict=Verdict.MISMATCH, reason="; ".join(filter(None, (text, elementwise))))


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
        f"; largest difference {worst.abs_diff:.3g} at {list(worst.index)} "
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


def gradient_floor(largest_rms: float, dtype: DType) -> float:
    """Returns the rms under which a gradient is taken for rounding noise.

    `largest_rms` is the largest of the step's gradients *of the same kind*: activation gradients are
    honestly smaller than parameter gradients, which are sums over a batch. Gradients of one element are
    best left out of it: a mean over n elements hands each of them an n-th of its own.
    """
    if dtype not in FLOATING and dtype not in COMPLEX:
        return 0.0
    return largest_rms * min(_FLOOR_EPSILONS * epsilon(dtype), _LARGEST_FLOOR)
