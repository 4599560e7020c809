"""Evidence: all that is known of one pair when it is judged, and the judgement that comes of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np

from padiff_compare.judge.outliers import Apart, Jumps, Undecided
from padiff_compare.normalization import Normalization, NormSums
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING, WIRE_BUCKETS, epsilon, sketch_deviation
from padiff_rpc.v1.records import Figures, FromGold, Hint, Options, Reason, TensorSpec, Tolerance
from padiff_rpc.v1.words import (
    CaptureKind,
    CompareMode,
    DecidedBy,
    DType,
    Omission,
    Side,
    ToleranceSource,
    Verdict,
)

GRADIENTS = frozenset(
    {CaptureKind.INPUT_GRADIENT, CaptureKind.OUTPUT_GRADIENT, CaptureKind.PARAMETER_GRADIENT}
)
# The largest of healthy pairs: see docs/verdicts.md, which says how both numbers were found.
LARGEST_SCORE = 12.0
# One element of many may be off by more, against the one that is furthest from gold, than all are on average.
ROOM_OF_ONE = 4.0
# In spacings, how far one element may be off where the reference is exact; what is further off jumps.
MOST_OF_ONE = LARGEST_SCORE * ROOM_OF_ONE
# One framework keeps settings in float32: in float64 a momentum makes 2.7e-8 in running means, the factor of
# an average pool 2.2e-8 in gradients, a norm's epsilon 1.4e-12. Gradients and buffers may differ by 160 such.
_ROUNDING_OF_SETTINGS = 2.0**-32
# What may be off by that share of the values and pass tells nothing: one of sixteen equal parts that is
# missing makes as much, the root of 1/16.
_TELLS_NOTHING = 0.25
_HALVES = frozenset({DType.FLOAT16, DType.BFLOAT16})
# Of what sketches tell, in standard deviations: as far off as it is hardly ever.
_DEVIATIONS = 3.0
AGREEING = frozenset({Verdict.MATCH, Verdict.WITHIN_TOLERANCE})
# What neither agrees nor differs, as far as is known.
UNTOLD = frozenset({Verdict.NOT_COMPARED, Verdict.INCONCLUSIVE})


@record
class Measured:
    """Specs (the reference's after its layout rule), and figures where the shapes are equal.

    Attributes:
        scale: root mean square of the reference, without marks of a mask; 0 where that is not finite.
        computed_in: the coarsest dtype that is known to have had a part in it.
        jumps: elements that a decision may have moved; None for none, and where nobody asks.
        turned: of a parameter's gradients in a free run, the share of elements whose signs differ.
        normalized: what norms that are called with the reference's make of it.
        by_table: the same under the table's tolerance, where the user's own bounds stand in its place.
        notes: what was done to the values before.
        hints: what the pair may be if it differs; only while its tensors are at hand can that be found out.
    """

    reference: TensorSpec
    candidate: TensorSpec
    tolerance: Tolerance
    figures: Optional[Figures] = None
    scale: float = 0.0
    computed_in: Optional[DType] = None
    jumps: Optional[Jumps] = dataclasses.field(default=None, compare=False, repr=False)
    turned: float = 0.0
    normalized: Mapping[Normalization, NormSums] = dataclasses.field(default_factory=dict)
    by_table: Optional[Measured] = dataclasses.field(default=None, compare=False, repr=False)
    notes: tuple[Reason, ...] = ()
    hints: tuple[Hint, ...] = dataclasses.field(default=(), compare=False)

    @property
    def without_bounds(self) -> Measured:
        """What is judged where the user's own bounds are left aside."""
        return self.by_table or self


@record
class Chance:
    """Random operations that the sides do not share, and their part in a pair.

    Attributes:
        decides: else they may have had one, or not.
        is_missed: whether a pass says that such a pair agrees, so that it must not be left out.
    """

    names: tuple[str, ...]
    decides: bool = True
    is_missed: bool = True


@record
class OwnError:
    """How far the reference is from its own float64 run on the same values: root mean square, and at most.

    Attributes:
        undecided: what that run decided otherwise; None for nothing.
        is_of_gold: else it is what noise does to the reference, which does not run in float64.
    """

    rmse: float
    max_abs: float
    undecided: Optional[Undecided] = None
    is_of_gold: bool = True

    @property
    def of_decided(self) -> OwnError:
        """That of the elements that are decided, where these are not few."""
        undecided = self.undecided
        if undecided is None or not undecided.are_few:
            return self
        others = undecided.others
        return dataclasses.replace(self, rmse=others.rmse, max_abs=others.max_abs)


def own_error(measured: Measured, *, is_of_gold: bool = True) -> Optional[OwnError]:
    """Returns the own error of what was measured against another run; None of what has no finite figures.

    `is_of_gold`: that run was in float64.
    """
    figures, jumps = measured.figures, measured.jumps
    if figures is None or not (math.isfinite(figures.rmse) and math.isfinite(figures.max_abs)):
        return None
    undecided = Undecided.of(jumps, measured.reference) if jumps is not None else None
    return OwnError(rmse=figures.rmse, max_abs=figures.max_abs, undecided=undecided, is_of_gold=is_of_gold)


def is_loss_in_question(loss: Measured) -> bool:
    """Whether a loss is further off than its last digits.

    The table allows more, since a loss is a sum that may cancel; how far, gold tells.
    """
    figures = loss.figures
    if figures is None or loss.reference.dtype not in FLOATING:
        return False
    return figures.max_abs > LARGEST_SCORE * spacing(loss.reference.dtype) * figures.rms_reference


def larger_error(*errors: OwnError) -> OwnError:
    """Returns the largest of at least one, figure by figure; what any leaves undecided is."""
    decided = [one.undecided.others if one.undecided is not None else one for one in errors]
    others = Apart(rmse=max(one.rmse for one in decided), max_abs=max(one.max_abs for one in decided))
    return OwnError(
        rmse=max(one.rmse for one in errors),
        max_abs=max(one.max_abs for one in errors),
        undecided=_united(errors, others),
        is_of_gold=all(one.is_of_gold for one in errors),
    )


def with_undecided(own: OwnError, another: OwnError) -> OwnError:
    """Returns an own error, and with it what another run left undecided, whose noise is the largest score's.

    Noise makes no more of it than that; where it is more, as of a sum over all that was decided, the whole
    was tipped.
    """
    others = Apart(rmse=own.rmse, max_abs=own.max_abs) if own.undecided is None else own.undecided.others
    whole = larger_error(own, another) if another.rmse > LARGEST_SCORE * own.rmse else own
    return dataclasses.replace(whole, undecided=_united((own, another), others))


def _united(errors: Sequence[OwnError], others: Apart) -> Optional[Undecided]:
    found = [one.undecided for one in errors if one.undecided is not None]
    if not found:
        return None
    return dataclasses.replace(
        found[0],
        positions=np.unique(np.concatenate([one.positions for one in found])),
        largest=max(one.largest for one in found),
        others=others,
    )


@record
class GoldDistances:
    """How far both sides of a pair are from gold: root mean squares."""

    reference: float
    candidate: float


@record
class Known:
    """What is known of a pair besides its figures.

    Attributes:
        own_error: None where the reference was not run in float64.
        from_gold: of both sides; None where nobody asks.
        elsewhere: where a difference of this pair is judged instead.
        made_by_chance: the random operations, not shared by the sides, that had a part in a weight's making.
        notes: what a reader should know of the pair.
    """

    chance: Optional[Chance] = None
    elsewhere: Optional[Reason] = None
    made_by_chance: tuple[str, ...] = ()
    own_error: Optional[OwnError] = None
    from_gold: Optional[GoldDistances] = None
    notes: tuple[Reason, ...] = ()


@record
class Misfit:
    """Specs of a weight that no layout rule brings together; the reference's as its rule would make it.

    Attributes:
        reference: None where several tensors make it up, in no shape.
        is_of_shape: whether the shapes would fit, so that the dtypes do not.
    """

    reference: Optional[TensorSpec]
    candidate: TensorSpec
    is_of_shape: bool


@record
class PlainValues:
    """Two numbers, texts and the like that are no tensors."""

    reference: Any
    candidate: Any


@record
class Evidence:
    """One pair of tensors as it was measured, and what is known of it besides.

    Attributes:
        measured: None where nothing was.
        why: why nothing was measured, or one side alone has it; () leaves that to the rule.
        only: the side that alone has it; None where both have.
        is_zero: what that side has is zero throughout.
        missing: what did not come of a gradient whose other parts did.
        is_needed: whether the report fails without it; only of what was not measured.
        omission: what it was left out as, where nothing was measured.
        sums: how far apart rounding of the sums that they are may bring the two: see `noise/`.
    """

    kind: CaptureKind
    measured: Optional[Measured] = None
    why: tuple[Reason, ...] = ()
    only: Optional[Side] = None
    is_zero: bool = False
    missing: tuple[str, ...] = ()
    is_needed: bool = True
    omission: Optional[Omission] = None
    misfit: Optional[Misfit] = None
    plain: Optional[PlainValues] = None
    sums: float = 0.0
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
    def without_bounds(self) -> Evidence:
        """What is judged where the user's own bounds are left aside."""
        measured = self.measured
        return self if measured is None else dataclasses.replace(self, measured=measured.without_bounds)

    @property
    def is_of_gradient(self) -> bool:
        """Whether the pair is of gradients, or of what an optimizer keeps of them."""
        return self.kind in GRADIENTS or self.kind is CaptureKind.OPTIMIZER_STATE


@record
class Judgement:
    """The verdict on a pair, why it is not a plain match, and what decided that."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    omission: Optional[Omission] = None
    counts: bool = True
    by: DecidedBy = DecidedBy.EQUALITY

    @property
    def agrees(self) -> bool:
        """Whether the two were compared and do not differ."""
        return self.verdict in AGREEING

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return not self.agrees and self.verdict not in UNTOLD


def agrees(figures: Figures, tolerance: Tolerance, options: Options) -> bool:
    """Whether finite values lie within the tolerance."""
    if figures.bitwise_equal:
        return True
    if options.compare_mode is CompareMode.MEAN:
        return abs(figures.bias) <= allowed_bias(figures, tolerance)
    # Not `>`: NaN, which sums that overflowed leave, must fail.
    if tolerance.relative_l2:
        return figures.relative_l2 <= tolerance.relative_l2 and not is_one_beyond(figures, tolerance)
    return figures.mismatches == 0


def is_suspicious(evidence: Evidence, options: Options) -> bool:
    """Whether sketches may hide a difference: all that is likely to be in one is held against the bounds.

    A norm that sketches tell is within three standard deviations.
    """
    figures, tolerance = evidence.figures, evidence.tolerance
    if figures.nan_reference or figures.nan_candidate or figures.nonfinite_mismatches:
        return True
    room = 1.0 + _DEVIATIONS * sketch_deviation(WIRE_BUCKETS)
    rmse = figures.rmse * room
    is_beyond = not rmse <= tolerance.atol + tolerance.rtol * figures.rms_reference
    likely = dataclasses.replace(
        figures,
        rmse=rmse,
        relative_l2=figures.relative_l2 * room,
        mismatches=max(figures.mismatches, int(is_beyond)),
    )
    if agrees(likely, tolerance, options):
        return False
    is_of_own_bounds = tolerance.source is ToleranceSource.USER
    return is_of_own_bounds or not is_rounding_of_sums(likely, evidence.sums)


def is_one_beyond(figures: Figures, tolerance: Tolerance) -> bool:
    """Whether a single element is off by more than any may be: it hardly shows in the norm of the whole."""
    # Most are within the least that any may be off by, and their worst elements need not be unpacked.
    if not tolerance.of_one or figures.max_abs <= tolerance.of_one * tolerance.atol or not figures.worst:
        return False
    bound = tolerance.atol + tolerance.rtol * abs(figures.worst[0].reference)
    return figures.max_abs > tolerance.of_one * bound


def allowed_bias(figures: Figures, tolerance: Tolerance) -> float:
    """Returns how far apart two means may be."""
    return tolerance.atol + tolerance.rtol * abs(figures.mean_reference)


def offset(figures: Figures) -> Optional[float]:
    """Returns what the candidate is the reference plus of, where the sums say so clearly."""
    is_clear = _has_pattern(figures) and abs(figures.bias) > 0.999 * figures.rmse > 0
    return figures.bias if is_clear else None


def factor(figures: Figures) -> Optional[float]:
    """Returns what multiple of the reference the candidate is, where the sums say so clearly."""
    if not _has_pattern(figures):
        return None
    # What remains of the candidate when its best multiple of the reference is taken off.
    remainder = math.sqrt(max(0.0, 1 - figures.cosine**2))
    return figures.scale if remainder < 0.01 and abs(figures.scale - 1) > 10 * remainder else None


def _has_pattern(figures: Figures) -> bool:
    return figures.elements >= 3 and math.isfinite(figures.cosine)


def spacing(dtype: DType) -> float:
    """Returns how large one rounding is, relative to a value of a floating or complex dtype.

    In float64 it is that of a setting, or a constant of a kernel, which one framework keeps in float32.
    """
    return max(epsilon(dtype), _ROUNDING_OF_SETTINGS)


def score_of(evidence: Evidence) -> Optional[float]:
    """Returns the `score` of values that were measured; None where the reference was not run in float64."""
    own, measured = evidence.known.own_error, evidence.measured
    return None if own is None or measured is None else score(measured, own)


def score(measured: Measured, own: OwnError) -> Optional[float]:
    """Returns a difference as a multiple of what rounding makes in its place; None of what has no values.

    score = max(rmse / max(own rmse, eps * rms), max_abs / (4 * max(own max_abs, eps * |worst reference|)))

    "own" is the float32 reference against its own float64 run on the same values, and eps the spacing of the
    coarser dtype of the two; rms is the reference's, without marks of a mask. The candidate's own error to
    float64, measured likewise, is within 1 of it. What ties have moved, on either side, is not in it.
    """
    figures = measured.figures
    if figures is None or measured.reference.dtype not in FLOATING | COMPLEX:
        return None
    return _score(measured, without_ties(measured, figures, own.undecided), own.of_decided)


def _score(measured: Measured, apart: Apart, own: OwnError) -> float:
    eps = max(spacing(measured.reference.dtype), spacing(measured.candidate.dtype))
    on_average = _ratio(apart.rmse, max(own.rmse, eps * measured.scale))
    of_one = _ratio(apart.max_abs, max(own.max_abs, eps * max(apart.at_worst, measured.scale)))
    return max(on_average, of_one / ROOM_OF_ONE)


def from_gold(evidence: Evidence) -> Optional[FromGold]:
    """Returns how far each side is from gold, and which is further off than rounding; None where unknown.

    Rounding is what the other side's distance is a measure of, a spacing, and what sums round by.
    """
    measured, distances = evidence.measured, evidence.known.from_gold
    if measured is None or measured.figures is None or distances is None:
        return None
    dtypes = {measured.reference.dtype, measured.candidate.dtype}
    eps = max(map(spacing, dtypes)) if dtypes <= FLOATING | COMPLEX else 0.0
    floor = max(eps * measured.scale, evidence.sums / LARGEST_SCORE)
    ours, theirs = distances.reference, distances.candidate
    off = None
    if theirs > LARGEST_SCORE * max(ours, floor):
        off = Side.CANDIDATE
    elif ours > LARGEST_SCORE * max(theirs, floor):
        off = Side.REFERENCE
    scale = measured.scale or 1.0
    return FromGold(reference=ours / scale, candidate=theirs / scale, off=off)


def share_of_rounding(measured: Measured, own: OwnError) -> float:
    """Returns which share of the reference's values its own rounding is; 1 where nothing is left of them."""
    return own.rmse / measured.scale if measured.scale else 1.0


def is_inconclusive(measured: Measured, own: OwnError) -> bool:
    """Whether halves round so much that what passes as rounding may be anything.

    What passes is the largest score, and what ties have moved; rounding of that size looks like one.
    In wider dtypes rounding reaches a share of the values only where terms cancel, and it is small against
    these.
    """
    if measured.computed_in not in _HALVES:
        return False
    decided, undecided = own.of_decided, own.undecided
    tipped = 0.0
    if undecided is not None and undecided.are_few:
        tipped = undecided.positions.size / undecided.reals
    passes = LARGEST_SCORE * share_of_rounding(measured, decided)
    return math.hypot(passes, math.sqrt(tipped)) >= _TELLS_NOTHING


def without_ties(measured: Measured, figures: Figures, undecided: Optional[Undecided]) -> Apart:
    """Returns how far apart two tensors are beside what ties have moved."""
    jumps = measured.jumps
    if jumps is None or undecided is None or not undecided.are_few:
        at_worst = abs(figures.worst[0].reference) if figures.worst else 0.0
        return Apart(rmse=figures.rmse, max_abs=figures.max_abs, at_worst=at_worst)
    return jumps.without(undecided.explains(jumps))


def exceeds(measured: Measured, own: OwnError) -> bool:
    """Whether two tensors are further apart than rounding, and ties, bring them."""
    of_rounding = score(measured, own)
    return of_rounding > LARGEST_SCORE if of_rounding is not None else not are_ties(measured, own.undecided)


def are_ties(measured: Measured, undecided: Optional[Undecided]) -> bool:
    """Whether two tensors of whole numbers differ only where the reference is undecided."""
    jumps = measured.jumps
    is_whole = measured.reference.dtype not in FLOATING | COMPLEX
    return is_whole and jumps is not None and moved_by_ties(measured, undecided) == jumps.sizes.size


def moved_by_ties(measured: Measured, undecided: Optional[Undecided]) -> int:
    """Returns how many elements ties have moved, of tensors that are not undecided for the most part."""
    jumps = measured.jumps
    return 0 if jumps is None or undecided is None else int(undecided.explains(jumps).sum())


def may_be_ties(measured: Measured, own: OwnError) -> bool:
    """Whether two tensors differ by more than rounding, but only in elements that jump."""
    jumps = measured.jumps
    if jumps is None or not exceeds(measured, own):
        return False
    if measured.reference.dtype not in FLOATING | COMPLEX:
        return True
    return jumps.are_few and _score(measured, jumps.others, own.of_decided) <= LARGEST_SCORE


def is_rounding_of_sums(figures: Figures, sums: float) -> bool:
    """Whether a difference is, on average and anywhere, no larger than what rounding makes of sums."""
    return figures.rmse <= sums and figures.max_abs <= ROOM_OF_ONE * sums


def _ratio(difference: float, floor: float) -> float:
    return difference / floor if floor else 0.0 if not difference else float("inf")
