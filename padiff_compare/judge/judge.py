"""The verdict on one pair of tensors: rules that are tried in one order."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Optional

from padiff_compare.judge.measured import Measured
from padiff_compare.judge.tolerances import GRADIENTS
from padiff_rpc.records import record
from padiff_rpc.v1.records import Figures, Options, Reason, Tolerance
from padiff_rpc.v1.words import CaptureKind, Cause, CompareMode, Omission, Side, ToleranceSource, Verdict

# Of how far a bias was moved: rounding comes on top.
SHIFT_ROOM = 1.5
_AGREEING = (Verdict.MATCH, Verdict.WITHIN_TOLERANCE)
# Of a floor, which is a hundred epsilons: what sums leave on one side where they cancel exactly on the other.
_SHARE_BESIDE_ZEROS = 0.04


@record
class Chance:
    """Random operations that the sides do not share, and their part in a pair.

    Attributes:
        decides: else they may have had one, or not.
        is_missed: whether a pass says that such a pair agrees, so that it must not be left out.
    """

    names: str
    decides: bool = True
    is_missed: bool = True


@record
class Known:
    """What is known of a pair besides its figures.

    Attributes:
        elsewhere: where a difference of this pair is judged instead.
        shift: how far gradients of rounding alone have moved a bias of the layer that made the value.
        notes: what a reader should know of the pair.
    """

    chance: Optional[Chance] = None
    elsewhere: Optional[Reason] = None
    shift: float = 0.0
    notes: tuple[Reason, ...] = ()


@record
class Evidence:
    """One pair of tensors as it was measured, and what is known of it besides.

    Attributes:
        measured: None where nothing was, and `why_not` says why.
        only: the side that alone has it; None where both have.
        is_asked_for: whether the client asked for it, so that no side may be without.
        floor: how far apart the two may be by rounding of what they are made of: see `noise.py`.
    """

    kind: CaptureKind
    measured: Optional[Measured]
    why_not: Optional[Reason] = None
    only: Optional[Side] = None
    is_asked_for: bool = False
    floor: float = 0.0
    known: Known = Known()

    @property
    def figures(self) -> Figures:
        """What was measured; only rules behind the one for what was not may ask."""
        assert self.measured is not None
        assert self.measured.figures is not None
        return self.measured.figures

    @property
    def tolerance(self) -> Tolerance:
        """What is allowed; as `figures`."""
        assert self.measured is not None
        return self.measured.tolerance

    @property
    def is_of_gradient(self) -> bool:
        """Whether the pair is of gradients, or of what an optimizer keeps of them."""
        return self.kind in GRADIENTS or self.kind is CaptureKind.OPTIMIZER_STATE


@record
class Judgement:
    """The verdict on a pair, and why it is not a plain match."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    omission: Optional[Omission] = None
    counts: bool = True

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return self.verdict not in _AGREEING and self.verdict is not Verdict.NOT_COMPARED


def judge(evidence: Evidence, options: Options) -> Judgement:
    """Returns what the first of `RULES` that has something to say says of the pair.

    Where dtypes may differ, one more reason says that they do, and no such pair is a plain match. What
    differs and is judged at another place does not count here.
    """
    known = evidence.known
    judgement = next(found for rule in RULES for found in [rule(evidence, options)] if found is not None)
    if _has_two_dtypes(evidence) and not options.check_dtype and judgement.omission is not Omission.RANDOM:
        is_match = judgement.verdict is Verdict.MATCH
        judgement = dataclasses.replace(
            judgement,
            verdict=Verdict.WITHIN_TOLERANCE if is_match else judgement.verdict,
            reasons=(*judgement.reasons, Reason(cause=Cause.DTYPE)),
        )
    if judgement.differs and known.elsewhere is not None:
        return Judgement(
            verdict=Verdict.NOT_COMPARED,
            reasons=(known.elsewhere,),
            omission=Omission.JUDGED_ELSEWHERE,
            counts=False,
        )
    if judgement.differs and judgement.counts and known.chance is not None:
        doubt = Reason(cause=Cause.RANDOM_NEARBY, names=(known.chance.names,))
        return dataclasses.replace(judgement, reasons=(*judgement.reasons, doubt))
    return judgement


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


def _is_one_sided(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """An activation may do without a gradient."""
    if evidence.only is None:
        return None
    return Judgement(
        verdict=Verdict.UNMATCHED,
        reasons=(Reason(cause=Cause.ONE_SIDED, side=evidence.only),),
        omission=None if evidence.is_asked_for else Omission.ONE_SIDED,
        counts=evidence.is_asked_for,
    )


def _shapes_differ(evidence: Evidence, options: Options) -> Optional[Judgement]:
    measured = evidence.measured
    if measured is None or measured.reference.shape == measured.candidate.shape:
        return None
    return Judgement(verdict=Verdict.SHAPE_MISMATCH, reasons=(Reason(cause=Cause.SHAPE),))


def _has_two_dtypes(evidence: Evidence) -> bool:
    measured = evidence.measured
    return measured is not None and measured.reference.dtype is not measured.candidate.dtype


def _dtypes_differ(evidence: Evidence, options: Options) -> Optional[Judgement]:
    if not options.check_dtype or not _has_two_dtypes(evidence):
        return None
    return Judgement(verdict=Verdict.DTYPE_MISMATCH, reasons=(Reason(cause=Cause.DTYPE),))


def _is_not_finite(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """NaN never passes, not even on both sides; infinities that agree (of attention masks) are equal."""
    figures = evidence.measured.figures if evidence.measured is not None else None
    if figures is None:
        return None
    if not (figures.nan_reference or figures.nan_candidate or figures.nonfinite_mismatches):
        return None
    return Judgement(verdict=Verdict.NONFINITE, reasons=(Reason(cause=Cause.NONFINITE),))


def _is_by_chance(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """Shapes and dtypes do not depend on chance, and NaN is never judged away."""
    chance = evidence.known.chance
    if chance is None or not chance.decides:
        return None
    return Judgement(
        verdict=Verdict.NOT_COMPARED,
        reasons=(Reason(cause=Cause.RANDOM, names=(chance.names,)),),
        omission=Omission.RANDOM,
        counts=chance.is_missed,
    )


def _was_not_measured(evidence: Evidence, options: Options) -> Optional[Judgement]:
    if evidence.measured is not None and evidence.measured.figures is not None:
        return None
    reason = evidence.why_not or Reason(cause=Cause.NO_VALUES)
    return Judgement(verdict=Verdict.NOT_COMPARED, reasons=(reason,))


def _is_equal(evidence: Evidence, options: Options) -> Optional[Judgement]:
    return Judgement(verdict=Verdict.MATCH) if evidence.figures.bitwise_equal else None


def _table_row_differs(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """A row of a table that is further apart than a row may be, and than the floor, fails the whole."""
    row = evidence.figures.worst_row
    if row is None or row.rmse < evidence.floor:
        return None
    if not agrees(evidence.figures, evidence.tolerance, options):
        return None  # the whole says more
    return Judgement(verdict=Verdict.MISMATCH, reasons=(Reason(cause=Cause.TABLE_ROW),))


def _is_within_tolerance(evidence: Evidence, options: Options) -> Optional[Judgement]:
    if not agrees(evidence.figures, evidence.tolerance, options):
        return None
    return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reasons=_elements(evidence, options))


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


def _is_moved_by_a_bias(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """Whoever takes the value takes such a bias away again; until then it shows."""
    shift = evidence.known.shift
    if not 0 < evidence.figures.max_abs <= SHIFT_ROOM * shift:
        return None
    reason = Reason(cause=Cause.MOVED_BIAS, numbers=(shift,))
    return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reasons=(reason,))


def _differs(evidence: Evidence, options: Options) -> Judgement:
    """In mean mode the difference of the means has decided, and a reason says where elements differ."""
    if options.compare_mode is not CompareMode.MEAN:
        reasons = Reason(cause=Cause.VALUES), *_pattern(evidence.figures)
        return Judgement(verdict=Verdict.MISMATCH, reasons=reasons)
    bound = _allowed_bias(evidence.figures, evidence.tolerance)
    reasons = Reason(cause=Cause.MEANS, numbers=(bound,)), *_elements(evidence, options)
    return Judgement(verdict=Verdict.MISMATCH, reasons=reasons)


# In the order in which they are tried.
RULES: tuple[Callable[[Evidence, Options], Optional[Judgement]], ...] = (
    _is_one_sided,
    _shapes_differ,
    _dtypes_differ,
    _is_not_finite,
    _is_by_chance,
    _was_not_measured,
    _is_equal,
    _table_row_differs,
    _is_within_tolerance,
    _is_rounding,
    _is_moved_by_a_bias,
    _differs,
)


def _elements(evidence: Evidence, options: Options) -> tuple[Reason, ...]:
    is_mean = options.compare_mode is CompareMode.MEAN
    return (Reason(cause=Cause.ELEMENTS),) if is_mean and evidence.figures.mismatches else ()


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
