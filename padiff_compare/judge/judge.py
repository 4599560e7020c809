"""The verdict on one pair of tensors: rules that are tried in one order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Optional

from padiff_compare.capture.sides import other
from padiff_compare.judge.evidence import (
    LARGEST_SCORE,
    Evidence,
    Judgement,
    PlainValues,
    agrees,
    allowed_bias,
    are_ties,
    factor,
    is_inconclusive,
    is_rounding_of_sums,
    is_suspicious,
    moved_by_ties,
    offset,
    score_of,
    share_of_rounding,
)
from padiff_rpc.tensors import epsilon
from padiff_rpc.v1.records import Figures, Options, Reason
from padiff_rpc.v1.words import (
    CaptureKind,
    Cause,
    CompareMode,
    DecidedBy,
    DType,
    Floor,
    Level,
    Omission,
    ToleranceSource,
    Verdict,
)

# Of a difference: no more than rounding makes, and more than that.
_OF_GOLD = Cause.WITHIN_OWN_ERROR, Cause.BEYOND_OWN_ERROR
_OF_NOISE = Cause.WITHIN_NOISE, Cause.BEYOND_NOISE
# A loader's float32 numbers come as Python's.
_PLAIN_ROUNDINGS = 2.0 * epsilon(DType.FLOAT32)


def judge(evidence: Evidence, options: Options) -> Judgement:
    """Returns what the first of `RULES` that has something to say says of the pair.

    Where dtypes may differ, one more reason says that they do, and no such pair is a plain match. What
    differs and is judged at another place does not count here. Nobody changes the verdict afterwards.
    """
    known = evidence.known
    judgement = next(found for rule in RULES for found in [rule(evidence, options)] if found is not None)
    if judgement.agrees and _has_own_bounds(options):
        judgement = _with_what_bounds_hide(judgement, evidence, options)
    if _has_two_dtypes(evidence) and not options.check_dtype and judgement.omission is not Omission.RANDOM:
        judgement = _marked(judgement, Reason(cause=Cause.DTYPE))
    is_untold = judgement.verdict is Verdict.INCONCLUSIVE
    if known.elsewhere is not None and (judgement.differs or is_untold):
        return Judgement(
            verdict=Verdict.NOT_COMPARED,
            reasons=(known.elsewhere,),
            omission=Omission.JUDGED_ELSEWHERE,
            counts=False,
        )
    if judgement.differs and judgement.counts and known.chance is not None:
        doubt = Reason(cause=Cause.RANDOM_NEARBY, names=known.chance.names)
        return dataclasses.replace(judgement, reasons=(*judgement.reasons, doubt))
    return judgement


def _has_own_bounds(options: Options) -> bool:
    return (options.atol, options.rtol) != (None, None)


def _with_what_bounds_hide(judgement: Judgement, evidence: Evidence, options: Options) -> Judgement:
    """Returns what agrees under the user's own bounds; a reason says where without them it would not."""
    without = dataclasses.replace(options, atol=None, rtol=None)
    if not judge(evidence.without_bounds, without).differs:
        return judgement
    score = score_of(evidence)
    numbers = () if score is None else (score,)
    return _marked(judgement, Reason(cause=Cause.BY_OWN_BOUNDS, numbers=numbers))


def _marked(judgement: Judgement, reason: Reason) -> Judgement:
    """Returns it with a reason more, which no plain match has."""
    return dataclasses.replace(
        judgement,
        verdict=Verdict.WITHIN_TOLERANCE if judgement.verdict is Verdict.MATCH else judgement.verdict,
        reasons=(*judgement.reasons, reason),
    )


def _is_nothing_against_nothing(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """One framework gives zeros to what nothing uses, or moves nothing, where the other makes none."""
    if evidence.only is None or not evidence.is_zero:
        return None
    reasons = evidence.why or (Reason(cause=Cause.ZERO_GRADIENT, side=other(evidence.only)),)
    return Judgement(verdict=Verdict.MATCH, reasons=reasons)


def _lacks_a_gradient(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """A parameter has one on both sides or on neither; several in one have all of theirs."""
    if evidence.missing:
        reason = Reason(cause=Cause.PACKED_WITHOUT_GRADIENT, names=evidence.missing)
        return Judgement(verdict=Verdict.MISMATCH, reasons=(reason,))
    if evidence.only is None or evidence.kind is not CaptureKind.PARAMETER_GRADIENT:
        return None
    reasons = Reason(cause=Cause.NO_GRADIENT, side=other(evidence.only)), *evidence.why
    return Judgement(verdict=Verdict.MISMATCH, reasons=reasons)


def _is_one_sided(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """An activation may do without a gradient."""
    if evidence.only is None:
        return None
    is_left_out = evidence.is_of_gradient and not evidence.is_needed
    return Judgement(
        verdict=Verdict.UNMATCHED,
        reasons=evidence.why or (Reason(cause=Cause.ONE_SIDED, side=evidence.only),),
        omission=Omission.ONE_SIDED if is_left_out else None,
        counts=evidence.is_needed,
    )


def _plain_values(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """Numbers, texts and the like are equal, but for roundings where either is floating."""
    plain = evidence.plain
    if plain is None:
        return None
    if _agree(plain, options):
        return Judgement(verdict=Verdict.MATCH)
    reason = Reason(cause=Cause.PLAIN_VALUES, names=(repr(plain.reference), repr(plain.candidate)))
    return Judgement(verdict=Verdict.MISMATCH, reasons=(reason,))


def _agree(plain: PlainValues, options: Options) -> bool:
    reference, candidate = plain.reference, plain.candidate
    if reference == candidate:
        return True
    types = {type(reference), type(candidate)}
    if float not in types or not types <= {int, float}:
        return False
    bounds = options.atol, options.rtol
    atol, rtol = (0.0, _PLAIN_ROUNDINGS) if bounds == (None, None) else (bound or 0.0 for bound in bounds)
    return bool(abs(reference - candidate) <= atol + rtol * abs(reference))


def _is_misfit(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """A weight that no layout rule brings to the other side's shape, or dtype."""
    if evidence.misfit is None:
        return None
    verdict = Verdict.DTYPE_MISMATCH if evidence.misfit.is_of_shape else Verdict.SHAPE_MISMATCH
    return Judgement(verdict=verdict, reasons=evidence.why)


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


def _is_suspected(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """Where sketches travel in place of tensors, one that is suspicious is no fault until these have come."""
    measured, chance = evidence.measured, evidence.known.chance
    if options.level is not Level.STATS or measured is None or measured.figures is None:
        return None
    is_by_chance = chance is not None and chance.decides
    if is_by_chance or not measured.figures.is_estimate or not is_suspicious(evidence, options):
        return None
    return Judgement(
        verdict=Verdict.NOT_COMPARED,
        reasons=(Reason(cause=Cause.SUSPECTED, numbers=(measured.figures.relative_l2,)),),
        omission=Omission.SUSPECTED,
    )


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
        reasons=(Reason(cause=Cause.RANDOM, names=chance.names),),
        omission=Omission.RANDOM,
        counts=chance.is_missed,
    )


def _was_not_measured(evidence: Evidence, options: Options) -> Optional[Judgement]:
    if evidence.measured is not None and evidence.measured.figures is not None:
        return None
    return Judgement(
        verdict=Verdict.NOT_COMPARED,
        reasons=evidence.why or (Reason(cause=Cause.NO_VALUES),),
        omission=evidence.omission,
        counts=evidence.is_needed,
    )


def _is_equal(evidence: Evidence, options: Options) -> Optional[Judgement]:
    return Judgement(verdict=Verdict.MATCH) if evidence.figures.bitwise_equal else None


def _table_row_differs(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """A row of a table that is further apart than a row may be, and than sums round by, fails the whole."""
    row = evidence.figures.worst_row
    if row is None or row.rmse < evidence.sums:
        return None
    if not agrees(evidence.figures, evidence.tolerance, options):
        return None  # the whole says more
    reasons = (Reason(cause=Cause.TABLE_ROW),)
    return Judgement(verdict=Verdict.MISMATCH, reasons=reasons, by=DecidedBy.TABLE)


def _is_within_own_error(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """No more than a few times as far from the reference as the reference's own rounding has brought it."""
    score = score_of(evidence)
    if score is None or not score <= LARGEST_SCORE or _is_of_own_bounds(evidence):
        return None
    reasons = *_against_own_error(evidence), *_ties(evidence)
    own, measured = evidence.known.own_error, evidence.measured
    if own is not None and measured is not None and is_inconclusive(measured, own):
        reason = Reason(cause=Cause.INCONCLUSIVE, numbers=(share_of_rounding(measured, own),))
        return Judgement(verdict=Verdict.INCONCLUSIVE, reasons=(reason, *reasons), by=_decider(evidence))
    return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reasons=reasons, by=_decider(evidence))


def _is_a_tie(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """Of whole numbers those may differ that the reference's own runs in float64 decide now so, now so."""
    own, measured = evidence.known.own_error, evidence.measured
    if own is None or measured is None or not are_ties(measured, own.undecided):
        return None
    if _is_of_own_bounds(evidence):
        return None
    return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reasons=_ties(evidence), by=_decider(evidence))


def _ties(evidence: Evidence) -> tuple[Reason, ...]:
    own, measured = evidence.known.own_error, evidence.measured
    moved = moved_by_ties(measured, own.undecided) if own is not None and measured is not None else 0
    if not moved:
        return ()
    return (Reason(cause=Cause.TIE, numbers=(float(moved), float(evidence.figures.elements))),)


def _is_within_tolerance(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """The table excuses nothing where gold decides: measured floors, and losses, for which it is wide."""
    score = score_of(evidence)
    asks_gold = options.floor is Floor.MEASURED or evidence.kind is CaptureKind.LOSS
    is_of_gold = asks_gold and score is not None and not _is_of_own_bounds(evidence)
    if is_of_gold and score is not None and not score <= LARGEST_SCORE:
        return None
    if not agrees(evidence.figures, evidence.tolerance, options):
        return None
    return Judgement(
        verdict=Verdict.WITHIN_TOLERANCE,
        reasons=_elements(evidence, options),
        by=_decider(evidence) if is_of_gold else _bound(evidence),
    )


def _is_rounding_of_sums(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """Two ways to add up the same terms differ by no more, however small what is left of them."""
    figures, sums = evidence.figures, evidence.sums
    if _is_of_own_bounds(evidence) or not is_rounding_of_sums(figures, sums):
        return None
    reason = Reason(cause=Cause.ROUNDING, numbers=(figures.rmse, sums))
    return Judgement(verdict=Verdict.WITHIN_TOLERANCE, reasons=(reason,), by=DecidedBy.SUMS)


def _is_of_own_bounds(evidence: Evidence) -> bool:
    """Whether the user's own bounds decide, beside which no other rule excuses anything."""
    return evidence.tolerance.source is ToleranceSource.USER


def _was_made_by_chance(evidence: Evidence, options: Options) -> Optional[Judgement]:
    """What chance made of a buffer is missed in the report; of a parameter, its gradient was already."""
    random = evidence.known.made_by_chance
    if not random:
        return None
    return Judgement(
        verdict=Verdict.NOT_COMPARED,
        reasons=(Reason(cause=Cause.RANDOM, names=random),),
        omission=Omission.RANDOM,
        counts=evidence.kind is CaptureKind.BUFFER,
    )


def _differs(evidence: Evidence, options: Options) -> Judgement:
    """In mean mode the difference of the means has decided, and a reason says where elements differ."""
    if options.compare_mode is not CompareMode.MEAN:
        reasons = Reason(cause=Cause.VALUES), *_pattern(evidence.figures), *_against_own_error(evidence)
        return Judgement(verdict=Verdict.MISMATCH, reasons=reasons, by=_decider(evidence))
    bound = allowed_bias(evidence.figures, evidence.tolerance)
    reasons = Reason(cause=Cause.MEANS, numbers=(bound,)), *_elements(evidence, options)
    return Judgement(verdict=Verdict.MISMATCH, reasons=reasons, by=_bound(evidence))


def _decider(evidence: Evidence) -> DecidedBy:
    """Returns what has the last word on a difference: what rounding makes, where that was measured."""
    own = evidence.known.own_error
    if own is None or _is_of_own_bounds(evidence):
        return _bound(evidence)
    return DecidedBy.GOLD if own.is_of_gold else DecidedBy.NOISE


def _bound(evidence: Evidence) -> DecidedBy:
    return DecidedBy.BOUNDS if _is_of_own_bounds(evidence) else DecidedBy.TABLE


def _against_own_error(evidence: Evidence) -> tuple[Reason, ...]:
    """Returns how a difference compares with rounding; the user's own bounds may be closer than that."""
    score = score_of(evidence)
    if score is None:
        return ()
    own = evidence.known.own_error
    within, beyond = _OF_GOLD if own is None or own.is_of_gold else _OF_NOISE
    return (Reason(cause=within if score <= LARGEST_SCORE else beyond, numbers=(score,)),)


# In the order in which they are tried.
RULES: tuple[Callable[[Evidence, Options], Optional[Judgement]], ...] = (
    _is_nothing_against_nothing,
    _lacks_a_gradient,
    _is_one_sided,
    _plain_values,
    _is_misfit,
    _shapes_differ,
    _dtypes_differ,
    _is_suspected,
    _is_not_finite,
    _is_by_chance,
    _was_not_measured,
    _is_equal,
    _table_row_differs,
    _is_within_tolerance,
    _is_rounding_of_sums,
    _is_within_own_error,
    _is_a_tie,
    _was_made_by_chance,
    _differs,
)


def _elements(evidence: Evidence, options: Options) -> tuple[Reason, ...]:
    is_mean = options.compare_mode is CompareMode.MEAN
    return (Reason(cause=Cause.ELEMENTS),) if is_mean and evidence.figures.mismatches else ()


def _pattern(figures: Figures) -> tuple[Reason, ...]:
    """Returns what the sums suggest that the candidate is, where they do so clearly."""
    for cause, number in ((Cause.OFFSET, offset(figures)), (Cause.FACTOR, factor(figures))):
        if number is not None:
            return (Reason(cause=cause, numbers=(number,)),)
    return ()
