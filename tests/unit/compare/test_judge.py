"""Verdicts: attributes before values, NaN never green, a reason wherever something is off."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client.sentences import reason
from padiff_compare.judge.evidence import (
    Chance,
    Evidence,
    Known,
    Measured,
    Misfit,
    OwnError,
    PlainValues,
    score_of,
)
from padiff_compare.judge.judge import RULES, judge
from padiff_compare.judge.judged_row import blank_row, judged_row, lone_row, unmeasured_row
from padiff_compare.judge.measure import Magnitude, measure, root_mean_square
from padiff_compare.judge.measured import Aspect, measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Figures, Options, Place, Reason, Row, TableRow, TensorSpec, Tolerance
from padiff_rpc.v1.words import (
    CaptureKind,
    Cause,
    DType,
    Floor,
    Omission,
    Phase,
    Side,
    ToleranceSource,
    Verdict,
)

STRICT, MEAN = Options(), Options(compare_mode="mean")
LOOSE = Tolerance(atol=0.01, rtol=0.01, source=ToleranceSource.USER)


def judged(
    reference: object,
    candidate: object,
    tolerance: Tolerance = LOOSE,
    *,
    options: Options = STRICT,
    sums: float = 0.0,
    of_gradient: bool = True,
) -> Row:
    one, other = HostTensor.from_array(np.asarray(reference)), HostTensor.from_array(np.asarray(candidate))
    same_shape = one.array.shape == other.array.shape
    measured = Measured(
        reference=one.spec,
        candidate=other.spec,
        tolerance=tolerance,
        figures=measure(one, other, tolerance) if same_shape else None,
    )
    kind = CaptureKind.OUTPUT_GRADIENT if of_gradient else CaptureKind.OUTPUT
    place = Place(path="fc")
    frame = Row(
        step=0,
        phase=Phase.FORWARD,
        kind=kind,
        order=0,
        verdict=Verdict.NOT_COMPARED,
        reference=place,
        candidate=place,
    )
    return judged_row(frame, Evidence(kind=kind, measured=measured, sums=sums), options)


def test_a1_a_flipped_tensor_fails_in_strict_mode_and_shows_in_mean_mode() -> None:
    values = np.random.default_rng(0).standard_normal((4, 8))
    strict = judged(values, values[:, ::-1])
    assert strict.verdict is Verdict.MISMATCH
    mean = judged(values, values[:, ::-1], options=MEAN)
    assert mean.verdict is Verdict.WITHIN_TOLERANCE
    assert "elementwise: 3" in reason(mean)
    assert "of 32 elements" in reason(mean)


def test_a3_shapes_are_judged_before_anything_else() -> None:
    judgement = judged(np.ones((1, 8)), np.ones((4, 8), np.float32))
    assert judgement.verdict is Verdict.SHAPE_MISMATCH
    assert reason(judgement) == "shape: reference [1, 8], candidate [4, 8]"


def test_a4_dtypes_differ_unless_the_user_allows_it() -> None:
    judgement = judged(np.ones(3), np.ones(3, np.float32))
    assert judgement.verdict is Verdict.DTYPE_MISMATCH
    assert reason(judgement) == "dtype: reference float64, candidate float32"
    allowed = judged(np.ones(3), np.ones(3, np.float32), options=Options(check_dtype=False))
    assert allowed.verdict is Verdict.WITHIN_TOLERANCE
    assert "float64" in reason(allowed)
    wrong = judged(np.ones(3), np.zeros(3, np.float32), options=Options(check_dtype=False))
    assert wrong.verdict is Verdict.MISMATCH


@pytest.mark.parametrize(
    ("reference", "candidate", "said"),
    [
        (np.ones(3, np.complex64), np.ones(3, np.float32), "; the candidate has no imaginary part"),
        (np.ones(3, np.float32), np.ones(3, np.complex64), "; the reference has no imaginary part"),
        (
            np.ones(3, np.complex64),
            np.ones((3, 2), np.float32),
            "; the candidate has the real and the imaginary part in its last axis",
        ),
        (np.ones(3, np.complex64), np.ones(3, np.complex128), "candidate complex128"),
    ],
)
def test_the_imaginary_part_is_named_where_one_side_has_none(
    reference: object, candidate: object, said: str
) -> None:
    assert reason(judged(reference, candidate)).endswith(said)


def test_of_complex_elements_the_part_that_differs_is_named() -> None:
    said = reason(judged(np.array([1 + 1j, 2.0]), np.array([1 - 1j, 2.0])))
    assert "largest difference 2 at [0], in the imaginary part (reference 1, candidate -1)" in said


def test_an_empty_pair_of_two_dtypes_is_no_plain_match() -> None:
    empty = judged(np.ones(0), np.ones(0, np.float32), options=Options(check_dtype=False))
    assert empty.verdict is Verdict.WITHIN_TOLERANCE


@pytest.mark.parametrize("options", [STRICT, MEAN])
def test_a5_nan_on_both_sides_is_never_green(options: Options) -> None:
    values = [[1.0, 2.0], [math.nan, 4.0]]
    judgement = judged(values, values, options=options, sums=100.0)
    assert judgement.verdict is Verdict.NONFINITE
    assert "NaN: 1 in the reference, 1 in the candidate" in reason(judgement)
    assert "first at [1, 0]" in reason(judgement)
    assert "both sides agree" in reason(judgement)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_nonfinite_element_on_one_side_is_nonfinite(bad: float) -> None:
    judgement = judged(
        [0.0, 1.0], [0.0, bad], Tolerance(atol=math.inf, rtol=0.0, source=ToleranceSource.USER)
    )
    assert judgement.verdict is Verdict.NONFINITE
    assert "agree" not in reason(judgement)


def test_infinities_of_both_signs_differ_and_equal_ones_do_not() -> None:
    assert judged([math.inf], [-math.inf]).verdict is Verdict.NONFINITE
    assert judged([-math.inf, 1.0], [-math.inf, 1.0]).verdict is Verdict.MATCH
    assert judged([-math.inf, 1.0], [-math.inf, 1.001]).verdict is Verdict.WITHIN_TOLERANCE


def test_a16_bfloat16_passes_under_its_own_tolerance() -> None:
    spec = TensorSpec(dtype=DType.BFLOAT16, shape=(2,))
    bits = [np.array(pattern, np.uint16) for pattern in ([0x3F80, 0x4000], [0x3F82, 0x3FFF])]
    one, other = (HostTensor.from_array(array, DType.BFLOAT16) for array in bits)
    rms = root_mean_square(5.0, 2)
    tolerance = Tolerances(STRICT).tolerance(
        Phase.FORWARD, CaptureKind.OUTPUT, DType.BFLOAT16, Magnitude(rms=rms)
    )
    figures = measure(one, other, tolerance)
    assert (
        judge(
            Evidence(
                kind=CaptureKind.OUTPUT,
                measured=Measured(reference=spec, candidate=spec, figures=figures, tolerance=tolerance),
            ),
            STRICT,
        ).verdict
        is Verdict.WITHIN_TOLERANCE
    )


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0)])
def test_scalars_and_empty_tensors_match(shape: tuple[int, ...]) -> None:
    row = judged(np.ones(shape), np.ones(shape))
    assert (row.verdict, row.reasons) == (Verdict.MATCH, ())


def test_a_mismatch_says_how_many_how_much_where_and_what_was_allowed() -> None:
    judgement = judged([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.5]])
    assert judgement.verdict is Verdict.MISMATCH
    assert reason(judgement) == (
        "1 of 4 elements (0.25) outside atol 0.01 + rtol 0.01 * |reference|; "
        "largest difference 0.5 at [1, 1] (reference 4, candidate 4.5)"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda values: 3 * values, "candidate is 3 * reference throughout"),
        (lambda values: -values, "candidate is -1 * reference throughout"),
        (lambda values: values + 0.5, "candidate is reference + 0.5 throughout"),
        (lambda values: values[::-1], ""),
    ],
)
def test_a_clear_cause_is_named(change: object, text: str) -> None:
    values = np.random.default_rng(0).standard_normal(100)
    said = reason(judged(values, change(values)))  # type: ignore[operator]
    assert said.endswith(text)
    assert ("throughout" in said) == bool(text)


def test_a_norm_bound_decides_where_it_is_set() -> None:
    bound = Tolerance(atol=0.0, rtol=0.0, relative_l2=0.05, source=ToleranceSource.DEFAULT)
    values = np.random.default_rng(0).standard_normal(100)
    assert judged(values, values * 1.01, bound).verdict is Verdict.WITHIN_TOLERANCE
    judgement = judged(values, values * 1.2, bound)
    assert judgement.verdict is Verdict.MISMATCH
    assert reason(judgement).startswith("relative L2 0.167, allowed 0.05")


def test_a_norm_that_overflowed_fails() -> None:
    bound = Tolerance(atol=0.0, rtol=0.0, relative_l2=0.05, source=ToleranceSource.DEFAULT)
    assert judged([1e200, 1.0], [1e200, 3.0], bound).verdict is Verdict.MISMATCH


def test_means_are_held_to_the_users_bounds() -> None:
    assert judged([1.0, 3.0], [2.0, 2.0], options=MEAN).verdict is Verdict.WITHIN_TOLERANCE
    judgement = judged([1.0, 3.0], [1.0, 4.0], options=MEAN)
    assert judgement.verdict is Verdict.MISMATCH
    assert reason(judgement).startswith("the means differ by 0.5, more than 0.03; elementwise: 1 of 2")


NOISE = [1e-9, -1e-9, 2e-9]
BY_NORM = Tolerance(atol=0.0, rtol=0.0, relative_l2=0.05, source=ToleranceSource.DEFAULT)
ELEMENTWISE = Tolerance(atol=0.0, rtol=1e-4, source=ToleranceSource.DEFAULT)


@pytest.mark.parametrize(
    ("reference", "candidate", "sums", "verdict"),
    [
        # One that agrees all the same is no matter of rounding.
        (NOISE, NOISE, 1e-8, Verdict.MATCH),
        (NOISE, [1.01e-9, -1e-9, 2e-9], 1e-8, Verdict.WITHIN_TOLERANCE),
        (NOISE, [-1e-9, 1e-9, 0.0], 1e-8, Verdict.WITHIN_TOLERANCE),
        ([0.0], [1e-9], 1e-8, Verdict.WITHIN_TOLERANCE),
        # One side alone that small, or sums that round by less.
        (NOISE, [1.0, 0.0, 0.0], 1e-8, Verdict.MISMATCH),
        (NOISE, [-1e-9, 1e-9, 0.0], 1e-10, Verdict.MISMATCH),
        # A single element may be off by four times as much.
        ([0.0] * 10_000, [3e-8] + [0.0] * 9_999, 1e-8, Verdict.WITHIN_TOLERANCE),
        ([0.0] * 10_000, [5e-8] + [0.0] * 9_999, 1e-8, Verdict.MISMATCH),
        (NOISE, [math.nan, 0.0, 0.0], 1.0, Verdict.NONFINITE),
    ],
)
@pytest.mark.parametrize("of_gradient", [True, False])
def test_what_sums_round_by_decides_where_the_tolerance_does_not(
    reference: list[float], candidate: list[float], sums: float, of_gradient: bool, verdict: Verdict
) -> None:
    row = judged(reference, candidate, BY_NORM, sums=sums, of_gradient=of_gradient)
    assert row.verdict is verdict


def test_a_value_that_rounding_alone_brought_apart_says_so() -> None:
    row = judged(NOISE, [-1e-9, 1e-9, 0.0], BY_NORM, sums=1e-8, of_gradient=False)
    assert reason(row) == "2e-09 apart; rounding of the sums behind it can reach 1e-08"


@pytest.mark.parametrize("options", [STRICT, MEAN])
def test_a_users_bounds_stand_below_the_floor_too(options: Options) -> None:
    exact = Tolerance(atol=0.0, rtol=0.0, source=ToleranceSource.USER)
    assert judged([1e-9], [3e-9], exact, options=options, sums=1e-6).verdict is Verdict.MISMATCH
    wide = Tolerance(atol=1e-8, rtol=0.0, source=ToleranceSource.USER)
    assert judged([1e-9], [3e-9], wide, options=options, sums=1e-6).verdict is Verdict.WITHIN_TOLERANCE


def test_values_that_did_not_arrive_are_not_compared() -> None:
    spec = TensorSpec(dtype=DType.FLOAT32, shape=(2,))
    assert (
        judge(
            Evidence(
                kind=CaptureKind.OUTPUT,
                measured=Measured(reference=spec, candidate=spec, figures=None, tolerance=LOOSE),
            ),
            STRICT,
        ).verdict
        is Verdict.NOT_COMPARED
    )


ORDER = {
    "_is_nothing_against_nothing": "zeros that one side makes where the other makes nothing",
    "_lacks_a_gradient": "a parameter's gradient may not be missing",
    "_is_one_sided": "what one side alone has, before there are two to look at",
    "_plain_values": "numbers and texts, which are measured by no figures",
    "_is_misfit": "a weight that was not brought to the other side's shape",
    "_shapes_differ": "shape before anything else",
    "_dtypes_differ": "then dtype, where it has to agree",
    "_is_suspected": "what sketches alone make suspicious is no verdict",
    "_is_not_finite": "NaN never passes, whatever the tolerance, and whatever chance decided",
    "_is_by_chance": "what chance decides is not compared",
    "_was_not_measured": "without figures there is nothing to judge",
    "_is_equal": "equal bits are a match",
    "_table_row_differs": "a row by itself, before the whole agrees",
    "_is_within_tolerance": "the tolerance",
    "_is_rounding_of_sums": "what rounding does to sums of so many terms, whoever adds them up",
    "_is_within_own_error": "what rounding does in that place, where the tolerance is too tight for it",
    "_is_a_tie": "whole numbers that the reference decides now so, now so",
    "_was_made_by_chance": "a weight of which chance made a part",
    "_differs": "all else",
}


def test_rules_are_tried_in_one_written_order() -> None:
    assert [rule.__name__ for rule in RULES] == list(ORDER)


ROWS_APART = TableRow(index=3, relative_l2=1.0, rmse=1.0, rms_reference=1.0, rms_candidate=0.0)


@pytest.mark.parametrize(
    ("shapes", "dtypes", "figures", "sums", "verdict"),
    [
        # Each line would be judged by the next one's rule, were it not for its own.
        (((2,), (3,)), ("float32", "float64"), None, 9.0, Verdict.SHAPE_MISMATCH),
        (((2,), (2,)), ("float32", "float64"), None, 9.0, Verdict.DTYPE_MISMATCH),
        (((2,), (2,)), ("float32", "float32"), None, 9.0, Verdict.NOT_COMPARED),
        (
            ((2,), (2,)),
            ("float32", "float32"),
            {"bitwise_equal": True, "nan_reference": 1, "nan_candidate": 1, "worst_row": ROWS_APART},
            9.0,
            Verdict.NONFINITE,
        ),
        (
            ((2,), (2,)),
            ("float32", "float32"),
            {"bitwise_equal": True, "worst_row": ROWS_APART},
            0.0,
            Verdict.MATCH,
        ),
        (((2,), (2,)), ("float32", "float32"), {"worst_row": ROWS_APART}, 0.0, Verdict.MISMATCH),
        (((2,), (2,)), ("float32", "float32"), {"worst_row": ROWS_APART}, 9.0, Verdict.WITHIN_TOLERANCE),
        (
            ((2,), (2,)),
            ("float32", "float32"),
            {"relative_l2": 1.0, "rmse": 1.0},
            9.0,
            Verdict.WITHIN_TOLERANCE,
        ),
        (((2,), (2,)), ("float32", "float32"), {"relative_l2": 1.0, "rmse": 1.0}, 0.5, Verdict.MISMATCH),
    ],
)
def test_the_first_rule_that_has_something_to_say_decides(
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    dtypes: tuple[str, str],
    figures: Optional[dict[str, Any]],
    sums: float,
    verdict: Verdict,
) -> None:
    ours, theirs = (TensorSpec(dtype=DType(dtype), shape=shape) for dtype, shape in zip(dtypes, shapes))
    found = None
    if figures is not None:
        found = Figures(**{"elements": 2, "bitwise_equal": False, "cosine": 0.0, **figures})
    measured = Measured(reference=ours, candidate=theirs, tolerance=BY_NORM, figures=found)
    evidence = Evidence(kind=CaptureKind.OUTPUT_GRADIENT, measured=measured, sums=sums)
    assert judge(evidence, STRICT).verdict is verdict


@pytest.mark.parametrize(
    ("figures", "sums", "verdict"),
    [
        ({"relative_l2": BY_NORM.relative_l2 / 2}, 0.0, Verdict.WITHIN_TOLERANCE),
        # Three deviations of a sketch's norm are left.
        ({"relative_l2": 0.87 * BY_NORM.relative_l2}, 0.0, Verdict.WITHIN_TOLERANCE),
        ({"relative_l2": 0.9 * BY_NORM.relative_l2}, 0.0, Verdict.NOT_COMPARED),
        ({"relative_l2": 1.0}, 0.0, Verdict.NOT_COMPARED),
        ({"relative_l2": 1.0, "rmse": 1.0}, 9.0, Verdict.WITHIN_TOLERANCE),
        ({"relative_l2": math.nan}, 0.0, Verdict.NOT_COMPARED),
        ({"nan_reference": 1, "nan_candidate": 1}, 9.0, Verdict.NOT_COMPARED),
        ({"relative_l2": 1.0, "is_estimate": False}, 0.0, Verdict.MISMATCH),
    ],
)
def test_sketches_alone_decide_that_two_agree_and_never_that_they_differ(
    figures: dict[str, Any], sums: float, verdict: Verdict
) -> None:
    spec = TensorSpec(dtype=DType.FLOAT32, shape=(2,))
    found = Figures(**{"elements": 2, "bitwise_equal": False, "rmse": 1.0, "is_estimate": True, **figures})
    measured = Measured(reference=spec, candidate=spec, tolerance=BY_NORM, figures=found)
    evidence = Evidence(kind=CaptureKind.OUTPUT_GRADIENT, measured=measured, sums=sums)
    judgement = judge(evidence, Options(level="stats"))
    assert judgement.verdict is verdict
    assert judgement.counts
    is_suspected = verdict is Verdict.NOT_COMPARED
    assert (judgement.omission is Omission.SUSPECTED) is is_suspected
    assert bool([one for one in judgement.reasons if one.cause is Cause.SUSPECTED]) is is_suspected


def known(chance: Optional[Chance] = None, **given: Any) -> Known:
    return Known(chance=chance, **given)


BY_CHANCE = known(made_by_chance=("dropout",))


ELSEWHERE = Reason(cause=Cause.SHOWN_BEFORE, names=("exit", "fc#0"))
DECIDED, MISSED = Chance(names=("dropout",), is_missed=False), Chance(names=("dropout",))
NEARBY = Chance(names=("dropout",), decides=False)
OFF = [1.0, 5.0, 3.0]


@pytest.mark.parametrize(
    ("candidate", "besides", "verdict", "counts", "causes"),
    [
        # Chance decides before any value is looked at, but not shapes, nor NaN.
        (OFF, known(DECIDED), Verdict.NOT_COMPARED, False, [Cause.RANDOM]),
        ([1.0, 2.0, 3.0], known(MISSED), Verdict.NOT_COMPARED, True, [Cause.RANDOM]),
        (
            [1.0, math.nan, 3.0],
            known(DECIDED),
            Verdict.NONFINITE,
            True,
            [Cause.NONFINITE, Cause.RANDOM_NEARBY],
        ),
        ([1.0, 2.0], known(DECIDED), Verdict.SHAPE_MISMATCH, True, [Cause.SHAPE, Cause.RANDOM_NEARBY]),
        # What it may have a part in is judged, with a word of doubt where it differs.
        (OFF, known(NEARBY), Verdict.MISMATCH, True, [Cause.VALUES, Cause.RANDOM_NEARBY]),
        ([1.0, 2.0, 3.0], known(NEARBY), Verdict.MATCH, True, []),
        # A difference that is judged elsewhere does not count here; an agreement stands.
        (OFF, known(elsewhere=ELSEWHERE), Verdict.NOT_COMPARED, False, [Cause.SHOWN_BEFORE]),
        ([1.0, 2.0], known(elsewhere=ELSEWHERE), Verdict.NOT_COMPARED, False, [Cause.SHOWN_BEFORE]),
        ([1.0, 2.0, 3.0], known(elsewhere=ELSEWHERE), Verdict.MATCH, True, []),
        (OFF, known(DECIDED, elsewhere=ELSEWHERE), Verdict.NOT_COMPARED, False, [Cause.RANDOM]),
        # What chance has made of a weight of which it had a part.
        (OFF, BY_CHANCE, Verdict.NOT_COMPARED, False, [Cause.RANDOM]),
        ([1.0, math.nan, 3.0], BY_CHANCE, Verdict.NONFINITE, True, [Cause.NONFINITE]),
        ([1.0, 2.0, 3.0], BY_CHANCE, Verdict.MATCH, True, []),
        (
            [1.0, 2.0],
            BY_CHANCE,
            Verdict.SHAPE_MISMATCH,
            True,
            [Cause.SHAPE],
        ),
    ],
)
def test_what_is_known_of_a_pair_besides_its_figures(
    candidate: list[float], besides: Known, verdict: Verdict, counts: bool, causes: list[Cause]
) -> None:
    ours, theirs = (HostTensor.from_array(np.asarray(side)) for side in ([1.0, 2.0, 3.0], candidate))
    figures = measure(ours, theirs, ELEMENTWISE) if ours.array.shape == theirs.array.shape else None
    measured = Measured(reference=ours.spec, candidate=theirs.spec, tolerance=ELEMENTWISE, figures=figures)
    found = judge(Evidence(kind=CaptureKind.OUTPUT, measured=measured, known=besides), STRICT)
    assert (found.verdict, found.counts, [one.cause for one in found.reasons]) == (verdict, counts, causes)


@pytest.mark.parametrize("side", Side)
def test_what_one_side_alone_has_fails_where_it_was_asked_for_and_is_not_judged_elsewhere(side: Side) -> None:
    lone = Evidence(kind=CaptureKind.INPUT_GRADIENT, only=side, is_needed=False, known=known(MISSED))
    found = judge(lone, STRICT)
    assert (found.verdict, found.counts, found.omission) == (Verdict.UNMATCHED, False, Omission.ONE_SIDED)
    assert found.reasons == (Reason(cause=Cause.ONE_SIDED, side=side),)
    asked_for = judge(dataclasses.replace(lone, is_needed=True), STRICT)
    assert (asked_for.counts, asked_for.omission) == (True, None)
    charged = judge(dataclasses.replace(lone, known=known(elsewhere=ELSEWHERE)), STRICT)
    assert (charged.verdict, charged.counts) == (Verdict.NOT_COMPARED, False)


def test_why_nothing_was_measured_is_said_unless_chance_decides() -> None:
    why = Reason(cause=Cause.STOPPED)
    unmeasured = Evidence(kind=CaptureKind.OUTPUT, measured=None, why=(why,))
    found = judge(unmeasured, STRICT)
    assert (found.verdict, found.reasons, found.counts) == (Verdict.NOT_COMPARED, (why,), True)
    by_chance = dataclasses.replace(unmeasured, known=Known(chance=DECIDED))
    assert judge(by_chance, STRICT).omission is Omission.RANDOM


@pytest.mark.parametrize("side", Side)
def test_zeros_are_as_good_as_a_gradient_or_a_state_that_was_never_made(side: Side) -> None:
    zeros = Evidence(kind=CaptureKind.OUTPUT_GRADIENT, only=side, is_zero=True)
    found = judge(zeros, STRICT)
    assert (found.verdict, [one.cause for one in found.reasons]) == (Verdict.MATCH, [Cause.ZERO_GRADIENT])
    assert found.reasons[0].side is not side
    assert judge(dataclasses.replace(zeros, is_zero=False), STRICT).verdict is Verdict.UNMATCHED
    why = Reason(cause=Cause.ZERO_STATE)
    of_state = dataclasses.replace(zeros, kind=CaptureKind.OPTIMIZER_STATE, why=(why,))
    assert judge(of_state, STRICT).reasons == (why,)
    parameter = dataclasses.replace(zeros, kind=CaptureKind.PARAMETER_GRADIENT)
    assert judge(parameter, STRICT).verdict is Verdict.MATCH


@pytest.mark.parametrize("side", Side)
def test_a_parameter_without_its_gradient_on_one_side_differs(side: Side) -> None:
    frozen = Reason(cause=Cause.FROZEN)
    lone = Evidence(kind=CaptureKind.PARAMETER_GRADIENT, only=side, why=(frozen,))
    found = judge(lone, STRICT)
    assert (found.verdict, found.counts) == (Verdict.MISMATCH, True)
    assert [one.cause for one in found.reasons] == [Cause.NO_GRADIENT, Cause.FROZEN]
    assert found.reasons[0].side is not side
    packed = judge(Evidence(kind=CaptureKind.PARAMETER_GRADIENT, missing=("k.bias",)), STRICT)
    assert packed.verdict is Verdict.MISMATCH
    assert packed.reasons == (Reason(cause=Cause.PACKED_WITHOUT_GRADIENT, names=("k.bias",)),)


ROUND = 1.0 + 2.0**-24
BOUNDED = Options(atol=0.1)


@pytest.mark.parametrize(
    ("reference", "candidate", "options", "verdict"),
    [
        ("a", "a", STRICT, Verdict.MATCH),
        ("a", "b", STRICT, Verdict.MISMATCH),
        (1, 1.0, STRICT, Verdict.MATCH),
        (1.0, ROUND, STRICT, Verdict.MATCH),
        (1.0, 1.001, STRICT, Verdict.MISMATCH),
        (1.0, 1.05, BOUNDED, Verdict.WITHIN_TOLERANCE),
        (1.0, ROUND + 0.2, BOUNDED, Verdict.MISMATCH),
        (1, 2, Options(atol=5.0), Verdict.MISMATCH),
        (True, 1.05, BOUNDED, Verdict.MISMATCH),
        (math.nan, math.nan, STRICT, Verdict.MISMATCH),
    ],
)
def test_plain_values_are_equal_but_for_roundings(
    reference: Any, candidate: Any, options: Options, verdict: Verdict
) -> None:
    plain = PlainValues(reference=reference, candidate=candidate)
    found = judge(Evidence(kind=CaptureKind.INPUT, plain=plain), options)
    assert found.verdict is verdict
    why = {Verdict.MISMATCH: [Cause.PLAIN_VALUES], Verdict.WITHIN_TOLERANCE: [Cause.BY_OWN_BOUNDS]}
    assert [one.cause for one in found.reasons] == why.get(verdict, [])


@pytest.mark.parametrize("options", [STRICT, Options(check_dtype=False)])
def test_a_weight_that_no_rule_brings_over_fails_by_its_specs(options: Options) -> None:
    specs = [TensorSpec(dtype=DType.FLOAT32, shape=shape) for shape in ((2, 3), (2, 4))]
    why = Reason(cause=Cause.MESSAGE, names=("no layout rule",))
    frame = blank_row(Phase.WEIGHTS, CaptureKind.PARAMETER, Place(path="a"), Place(path="b"))
    for is_of_shape, verdict in ((False, Verdict.SHAPE_MISMATCH), (True, Verdict.DTYPE_MISMATCH)):
        misfit = Misfit(reference=specs[0], candidate=specs[1], is_of_shape=is_of_shape)
        row = judged_row(frame, Evidence(kind=frame.kind, why=(why,), misfit=misfit), options)
        assert (row.verdict, row.counts, row.reasons) == (verdict, True, (why,))
        assert [place.spec for place in (row.reference, row.candidate) if place is not None] == specs


def test_lone_rows_leave_the_other_sides_place_out() -> None:
    frame = blank_row(Phase.FORWARD, CaptureKind.OUTPUT, Place(path="a"), Place(path="b"))
    ours, theirs = (lone_row(frame, side) for side in Side)
    assert (ours.reference, ours.candidate, ours.counts) == (frame.reference, None, True)
    assert (theirs.reference, theirs.candidate) == (None, frame.candidate)
    assert not lone_row(frame, Side.REFERENCE, is_needed=False).counts
    why = Reason(cause=Cause.STOPPED)
    row = unmeasured_row(frame, why, omission=Omission.FUSED)
    assert (row.verdict, row.reasons, row.counts, row.omission) == (
        Verdict.NOT_COMPARED,
        (why,),
        False,
        Omission.FUSED,
    )


@pytest.mark.parametrize(
    ("rmse", "max_abs", "own", "score"),
    [
        # Against the reference's own error; where it has none, against the spacing of its dtype.
        (6e-4, 6e-4, OwnError(rmse=2e-4, max_abs=1e-3), 3.0),
        (2.0**-20, 2.0**-20, OwnError(rmse=0.0, max_abs=0.0), 8.0),
        # One element alone: against the largest own error, with room.
        (1e-6, 4e-2, OwnError(rmse=1e-6, max_abs=1e-3), 10.0),
        (0.0, 0.0, OwnError(rmse=0.0, max_abs=0.0), 0.0),
    ],
)
def test_a_score_is_a_multiple_of_the_references_own_error(rmse, max_abs, own, score) -> None:
    evidence = held_against(own, rmse=rmse, max_abs=max_abs)
    assert score_of(evidence) == pytest.approx(score)


def held_against(own: OwnError, **given: Any) -> Evidence:
    """Returns evidence of float32 values around 1 that are outside of the table."""
    figures = Figures(
        elements=100, bitwise_equal=False, rms_reference=1.0, mismatches=1, relative_l2=1.0, **given
    )
    spec = TensorSpec(dtype=DType.FLOAT32, shape=(100,))
    measured = Measured(
        reference=spec,
        candidate=spec,
        tolerance=Tolerance(rtol=1e-6, atol=0.0, source=ToleranceSource.DEFAULT),
        figures=figures,
        scale=1.0,
    )
    return Evidence(kind=CaptureKind.OUTPUT, measured=measured, known=Known(own_error=own))


def test_marks_of_a_mask_are_no_scale_for_rounding() -> None:
    own = OwnError(rmse=1e-9, max_abs=1e-8)
    evidence = held_against(own, rmse=1e-2, max_abs=1e-1)
    marked = dataclasses.replace(
        evidence.measured, figures=dataclasses.replace(evidence.figures, rms_reference=1e31)
    )
    assert score_of(dataclasses.replace(evidence, measured=marked)) == score_of(evidence)


@pytest.mark.parametrize(
    ("floor", "rmse", "verdict", "cause"),
    [
        (Floor.AUTO, 1e-3, Verdict.WITHIN_TOLERANCE, Cause.WITHIN_OWN_ERROR),
        (Floor.AUTO, 1e-1, Verdict.MISMATCH, Cause.BEYOND_OWN_ERROR),
        (Floor.MEASURED, 1e-3, Verdict.WITHIN_TOLERANCE, Cause.WITHIN_OWN_ERROR),
        (Floor.MEASURED, 1e-1, Verdict.MISMATCH, Cause.BEYOND_OWN_ERROR),
    ],
)
def test_what_rounding_does_in_a_place_decides_where_the_table_is_exceeded(
    floor, rmse, verdict, cause
) -> None:
    evidence = held_against(OwnError(rmse=1e-3, max_abs=1e-2), rmse=rmse, max_abs=rmse)
    judgement = judge(evidence, Options(floor=floor))
    assert judgement.verdict is verdict
    assert judgement.reasons[-1].cause is cause


def test_a_measured_floor_asks_no_table() -> None:
    evidence = held_against(OwnError(rmse=1e-9, max_abs=1e-9), rmse=1e-5, max_abs=1e-5)
    loose = dataclasses.replace(
        evidence,
        measured=dataclasses.replace(
            evidence.measured,
            tolerance=Tolerance(rtol=0.0, atol=0.0, relative_l2=2.0, source=ToleranceSource.DEFAULT),
        ),
    )
    assert judge(loose, Options()).verdict is Verdict.WITHIN_TOLERANCE
    assert judge(loose, Options(floor=Floor.MEASURED)).verdict is Verdict.MISMATCH


X = np.linspace(-1.0, 1.0, 64, dtype=np.float32)


@pytest.mark.parametrize(
    ("candidate", "bounds", "own_rmse", "verdict", "hides"),
    [
        (X * 1.01, {"atol": 0.1}, None, Verdict.WITHIN_TOLERANCE, True),
        (X * 1.01, {"rtol": 0.1}, None, Verdict.WITHIN_TOLERANCE, True),
        (X * 1.01, {"atol": 0.1}, 1e-3, Verdict.WITHIN_TOLERANCE, False),
        (X * 1.01, {"atol": 0.1}, 1e-6, Verdict.WITHIN_TOLERANCE, True),
        (X * 1.01, {"atol": 1e-3}, 1e-3, Verdict.MISMATCH, False),
        (X * np.float32(1.0000001), {"atol": 0.1}, None, Verdict.WITHIN_TOLERANCE, False),
        (X, {"atol": 0.0}, None, Verdict.MATCH, False),
        (X * 1.01, {}, 1e-3, Verdict.WITHIN_TOLERANCE, False),
    ],
)
def test_a_users_bounds_decide_and_say_what_they_hide(
    candidate: Any, bounds: dict[str, float], own_rmse: Optional[float], verdict: Verdict, hides: bool
) -> None:
    options = Options(**bounds)
    measured = measure_pair(
        Aspect(phase=Phase.FORWARD, kind=CaptureKind.OUTPUT),
        HostTensor.from_array(X),
        HostTensor.from_array(candidate.astype(np.float32)),
        tolerances=Tolerances(options, in_lockstep=True),
    )
    own = None if own_rmse is None else OwnError(rmse=own_rmse, max_abs=own_rmse)
    evidence = Evidence(kind=CaptureKind.OUTPUT, measured=measured, known=Known(own_error=own))
    found = judge(evidence, options)
    assert found.verdict is verdict
    assert (Cause.BY_OWN_BOUNDS in {one.cause for one in found.reasons}) is hides
    # What is judged elsewhere is counted there.
    elsewhere = Known(own_error=own, elsewhere=Reason(cause=Cause.SHOWN_BEFORE))
    again = judge(dataclasses.replace(evidence, known=elsewhere), options)
    assert Cause.BY_OWN_BOUNDS not in {one.cause for one in again.reasons}


def test_bounds_of_a_users_own_hide_a_row_of_a_table_that_is_cut_off() -> None:
    table = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    cut = table.copy()
    cut[3] = 0.0
    options = Options(atol=9.0)
    measured = measure_pair(
        Aspect(phase=Phase.GRADIENTS, kind=CaptureKind.PARAMETER_GRADIENT),
        HostTensor.from_array(table),
        HostTensor.from_array(cut),
        tolerances=Tolerances(options),
        is_embedding=True,
    )
    found = judge(Evidence(kind=CaptureKind.PARAMETER_GRADIENT, measured=measured), options)
    assert [one.cause for one in found.reasons] == [Cause.BY_OWN_BOUNDS]
