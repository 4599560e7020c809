"""Ties: elements that the reference's own runs decide now so, now so, may differ; all others are judged."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pytest

from padiff_compare.judge.evidence import (
    Evidence,
    Judgement,
    Known,
    Measured,
    OwnError,
    larger_error,
    may_be_ties,
    own_error,
    score,
    with_undecided,
)
from padiff_compare.judge.judge import judge
from padiff_compare.judge.measured import Aspect, measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.layout_rules import IDENTITY, TRANSPOSE, Rule
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Options, Reason
from padiff_rpc.v1.words import CaptureKind, Cause, Phase, Verdict

Array = npt.NDArray[Any]
DRAWN = np.random.default_rng(0)
# Sizes as of a call's values; a decision moves one by an eighth.
VALUES = DRAWN.standard_normal((20, 30)).astype(np.float32)
STEP = np.float32(0.125)
INDICES = DRAWN.integers(0, 9, (20, 30))
# Two runs in float64: what rounding does anywhere, and what each decides otherwise.
ROUNDED = VALUES * (1 + 2.0**-24 * DRAWN.standard_normal(VALUES.shape))


def moved(values: Array, *at: int, by: Any = STEP) -> Array:
    """Returns a copy with the elements at these places of the flat array moved."""
    copy = values.copy()
    copy.flat[list(at)] += by
    return copy


def pair(reference: Array, candidate: Array, rule: Rule = IDENTITY) -> Measured:
    return measure_pair(
        Aspect(phase=Phase.FORWARD, kind=CaptureKind.OUTPUT),
        HostTensor.from_array(reference),
        HostTensor.from_array(candidate),
        tolerances=Tolerances(Options(), in_lockstep=True),
        rule=rule,
    )


def own(reference: Array, *runs: Array) -> OwnError:
    errors = [own_error(pair(reference, run)) for run in runs]
    return larger_error(*(error for error in errors if error is not None))


def judged(measured: Measured, error: Optional[OwnError]) -> Judgement:
    evidence = Evidence(kind=CaptureKind.OUTPUT, measured=measured, known=Known(own_error=error))
    return judge(evidence, Options())


def ties(judgement: Judgement) -> list[tuple[float, ...]]:
    return [reason.numbers for reason in judgement.reasons if reason.cause is Cause.TIE]


OF_FLOATS = own(VALUES, moved(ROUNDED, 3, 40), moved(ROUNDED, 77, by=-STEP))
LIKE = (VALUES * np.float32(1 + 2**-23)).astype(np.float32)


@pytest.mark.parametrize(
    ("candidate", "moved_by_ties"),
    [
        (LIKE, 0),
        (moved(LIKE, 3), 1),
        # A run that decided otherwise went the one way, the candidate goes the other.
        (moved(LIKE, 3, 40, 77), 3),
        # Two decisions fall into one element.
        (moved(LIKE, 40, by=3 * STEP), 1),
    ],
    ids=["none", "one", "all", "twice"],
)
def test_elements_that_are_undecided_may_differ(candidate: Array, moved_by_ties: int) -> None:
    judgement = judged(pair(VALUES, candidate), OF_FLOATS)
    assert judgement.verdict is Verdict.WITHIN_TOLERANCE
    assert ties(judgement) == ([(float(moved_by_ties), 600.0)] if moved_by_ties else [])


@pytest.mark.parametrize(
    "candidate",
    [
        moved(LIKE, 4),
        moved(LIKE, 3, 40, 77, 78),
        moved(LIKE, 3, by=np.float32(1.0)),
        moved(LIKE * np.float32(1 + 1e-5), 3, 40),
        moved(LIKE + np.float32(1e-5), 3),
        np.roll(moved(LIKE, 3), 1, axis=1),
    ],
    ids=["beside", "one too many", "too far", "scaled behind it", "offset behind it", "permuted"],
)
def test_what_is_decided_is_judged_as_if_nothing_had_tipped(candidate: Array) -> None:
    judgement = judged(pair(VALUES, candidate), OF_FLOATS)
    assert judgement.verdict is Verdict.MISMATCH
    assert judgement.reasons[-1].cause is Cause.BEYOND_OWN_ERROR


def test_what_tipped_in_the_reference_is_no_part_of_its_own_error() -> None:
    assert score(pair(VALUES, LIKE), OF_FLOATS) == score(pair(VALUES, LIKE), own(VALUES, ROUNDED))


def test_where_most_elements_are_undecided_their_whole_error_is_the_floor() -> None:
    most = np.arange(400)
    error = own(VALUES, moved(ROUNDED, *most))
    assert judged(pair(VALUES, moved(LIKE, *(most + 200))), error).verdict is Verdict.WITHIN_TOLERANCE
    assert judged(pair(VALUES, LIKE + 20 * STEP), error).verdict is Verdict.MISMATCH


def test_runs_that_look_for_ties_leave_the_error_of_the_others_alone() -> None:
    first = own(VALUES, ROUNDED)
    looking = own(VALUES, moved(VALUES * np.float64(1 + 1e-6), 9))
    error = with_undecided(first, looking)
    assert judged(pair(VALUES, moved(LIKE, 9)), error).verdict is Verdict.WITHIN_TOLERANCE
    assert judged(pair(VALUES, moved(LIKE * np.float32(1 + 5e-6), 9)), error).verdict is Verdict.MISMATCH
    assert error.of_decided.rmse == first.rmse


def test_of_a_sum_over_all_that_was_decided_the_whole_is_undecided() -> None:
    first, summed = own(VALUES, ROUNDED), VALUES + DRAWN.standard_normal(VALUES.shape)
    error = with_undecided(first, own(VALUES, summed))
    other = VALUES + DRAWN.standard_normal(VALUES.shape).astype(np.float32)
    assert judged(pair(VALUES, other), error).verdict is Verdict.WITHIN_TOLERANCE
    assert judged(pair(VALUES, VALUES + 20 * (other - VALUES)), error).verdict is Verdict.MISMATCH
    # Larger noise alone makes it no larger.
    noisy = VALUES * (1 + 10 * (ROUNDED / VALUES - 1))
    assert with_undecided(first, own(VALUES, noisy)).rmse == first.rmse


@pytest.mark.parametrize(
    ("candidate", "may_be"),
    [
        (moved(LIKE, 4), True),
        (moved(LIKE, 3), False),
        (moved(LIKE, *range(LIKE.size // 2)), True),
        (moved(LIKE, *range(LIKE.size // 2 + 1)), False),
        (moved(LIKE * np.float32(1 + 1e-5), 4), False),
        (LIKE * np.float32(1.05), False),
    ],
    ids=["a jump", "explained already", "half of them", "most of them", "more than jumps", "everywhere"],
)
def test_only_what_differs_in_few_elements_alone_may_still_be_a_tie(candidate: Array, may_be: bool) -> None:
    assert may_be_ties(pair(VALUES, candidate), OF_FLOATS) is may_be


OF_INDICES = own(INDICES, moved(INDICES, 5, by=2), moved(INDICES, 8, 9, by=-1))


@pytest.mark.parametrize(
    ("candidate", "verdict"),
    [
        (moved(INDICES, 5, by=2), Verdict.WITHIN_TOLERANCE),
        # One of many equal values is as good as another.
        (moved(INDICES, 5, by=7), Verdict.WITHIN_TOLERANCE),
        (moved(INDICES, 8, 9, by=1), Verdict.WITHIN_TOLERANCE),
        (moved(INDICES, 6, by=1), Verdict.MISMATCH),
        (moved(INDICES, 5, 6, by=1), Verdict.MISMATCH),
        (INDICES + 1, Verdict.MISMATCH),
    ],
    ids=["as the run", "further", "another run", "beside", "one too many", "off by one"],
)
def test_whole_numbers_may_differ_where_they_are_undecided(candidate: Array, verdict: Verdict) -> None:
    judgement = judged(pair(INDICES, candidate), OF_INDICES)
    assert judgement.verdict is verdict
    assert bool(ties(judgement)) is (verdict is Verdict.WITHIN_TOLERANCE)
    assert judged(pair(INDICES, candidate), None).verdict is Verdict.MISMATCH


def test_flags_may_differ_where_they_are_undecided() -> None:
    flags = VALUES > 0
    error = own(flags, flags ^ (np.arange(600).reshape(20, 30) == 7))
    assert judged(pair(flags, flags ^ (np.arange(600).reshape(20, 30) == 7)), error).agrees
    assert not judged(pair(flags, flags ^ (np.arange(600).reshape(20, 30) == 8)), error).agrees


def test_ties_are_found_in_the_candidates_layout() -> None:
    undecided = OF_FLOATS.undecided
    assert undecided is not None
    turned = undecided.laid_out(TRANSPOSE)
    assert turned is not None
    error = OwnError(rmse=OF_FLOATS.rmse, max_abs=OF_FLOATS.max_abs, undecided=turned)
    assert judged(pair(VALUES, moved(LIKE, 40).T.copy(), TRANSPOSE), error).agrees
    assert not judged(pair(VALUES, moved(LIKE, 41).T.copy(), TRANSPOSE), error).agrees


def test_a_tie_is_told() -> None:
    judgement = judged(pair(INDICES, moved(INDICES, 5, by=2)), OF_INDICES)
    assert judgement.reasons == (Reason(cause=Cause.TIE, numbers=(1.0, 600.0)),)
