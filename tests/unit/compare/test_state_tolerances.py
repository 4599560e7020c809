"""Bounds on optimizers' state follow the gradients that it is made of."""

from __future__ import annotations

from padiff_compare.judge.measure import Magnitude
from padiff_compare.judge.tolerances import StateTolerances
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import CaptureKind, DType, Phase


def bound(state="first_moment", error=0.0, dtype=DType.FLOAT32, rms=2.0, **options):
    tolerances = StateTolerances(Options(**options), state, error)
    return tolerances.tolerance(Phase.OPTIMIZER, CaptureKind.OPTIMIZER_STATE, dtype, Magnitude(rms=rms))


def test_state_of_gradients_that_agree_is_bound_closely():
    assert bound().relative_l2 == bound(error=1e-7).relative_l2 == 1e-4
    assert bound(dtype=DType.FLOAT64).relative_l2 < 1e-5


def test_a_sum_of_squares_may_differ_by_twice_as_much():
    for error in (0.0, 1e-3):
        assert bound("second_moment", error).relative_l2 == 2 * bound(error=error).relative_l2


def test_gradients_that_differ_excuse_state_that_does():
    assert 1e-3 < bound(error=1e-3).relative_l2 < 1e-2


def test_the_users_bounds_hold_here_too():
    tolerance = bound(error=1e-3, rtol=1e-6)
    assert (tolerance.rtol, tolerance.relative_l2, tolerance.source) == (1e-6, 0.0, "user")


def test_in_mean_mode_the_elementwise_bound_decides():
    tolerance = bound(compare_mode="mean")
    assert (tolerance.relative_l2, tolerance.atol) == (0.0, 2e-4)


def test_whole_numbers_are_equal_or_not():
    tolerance = bound(dtype=DType.INT64)
    assert (tolerance.atol, tolerance.rtol, tolerance.relative_l2) == (0.0, 0.0, 0.0)
