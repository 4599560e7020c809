"""Default bounds pass what healthy pairs were seen to do and fail what faults were seen to do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from padiff_compare.judge.evidence import Evidence, Measured
from padiff_compare.judge.judge import judge
from padiff_compare.judge.measure import Magnitude, measure, root_mean_square
from padiff_compare.judge.tolerances import Tolerances, drifted
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Options, Tolerance
from padiff_rpc.v1.words import CaptureKind, DType, Phase, ToleranceSource, Verdict

KINDS = {
    Phase.INPUTS: CaptureKind.INPUT,
    Phase.INITIAL_WEIGHTS: CaptureKind.PARAMETER,
    Phase.FORWARD: CaptureKind.OUTPUT,
    Phase.LOSS: CaptureKind.LOSS,
    Phase.BACKWARD: CaptureKind.INPUT_GRADIENT,
    Phase.GRADIENTS: CaptureKind.PARAMETER_GRADIENT,
    Phase.WEIGHTS: CaptureKind.PARAMETER,
}


def verdict_of(
    reference: np.ndarray,
    candidate: np.ndarray,
    phase: Phase,
    kind: CaptureKind | None = None,
    options: Options | None = None,
    *,
    in_lockstep: bool = False,
) -> Verdict:
    options = options or Options()
    one, other = HostTensor.from_array(reference), HostTensor.from_array(candidate)
    rms = root_mean_square(float(np.sum(np.square(reference.astype(np.float64)))), reference.size)
    table = Tolerances(options, in_lockstep=in_lockstep)
    tolerance = table.tolerance(phase, kind or KINDS[phase], one.dtype, Magnitude(rms=rms))
    figures = measure(one, other, tolerance)
    kind = kind or KINDS[phase]
    measured = Measured(reference=one.spec, candidate=other.spec, tolerance=tolerance, figures=figures)
    return judge(Evidence(kind=kind, measured=measured), options).verdict


def normal(size: int = 4096, *, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).standard_normal(size)).astype(np.float32)


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e9])
def test_forward_rounding_passes_and_a_wrong_norm_epsilon_fails_at_any_scale(scale: float) -> None:
    values = normal(scale=scale)
    rounding = (values + 1e-5 * scale * normal(seed=1).clip(-1, 1)).astype(np.float32)
    assert verdict_of(values, rounding, Phase.FORWARD) is Verdict.WITHIN_TOLERANCE
    # A variance of 1 and an epsilon of 1e-3 for 1e-5.
    shrunk = (values * math.sqrt((1 + 1e-5) / (1 + 1e-3))).astype(np.float32)
    assert verdict_of(values, shrunk, Phase.FORWARD) is Verdict.MISMATCH


def test_copies_may_differ_by_a_rounding_and_no_more() -> None:
    values = normal()
    for phase in (Phase.INPUTS, Phase.INITIAL_WEIGHTS):
        assert verdict_of(values, np.nextafter(values, np.float32(9)), phase) is Verdict.WITHIN_TOLERANCE
        assert verdict_of(values, values * np.float32(1 + 1e-5), phase) is Verdict.MISMATCH


def test_gradients_pass_the_error_of_a_kink_and_fail_a_wrong_factor() -> None:
    gradient = normal()
    for phase in (Phase.BACKWARD, Phase.GRADIENTS):
        assert verdict_of(gradient, gradient + 0.03 * normal(seed=1), phase) is Verdict.WITHIN_TOLERANCE
        for factor in (1.1, 3, -1):
            wrong = (gradient * factor).astype(np.float32)
            assert verdict_of(gradient, wrong, phase) is Verdict.MISMATCH


def test_weights_pass_a_few_adam_steps_the_other_way() -> None:
    # 1 of 65,536 elements moved by +lr in place of -lr, as 12 healthy layers show.
    weight = normal(65_536, scale=0.036)
    other = weight.copy()
    other[77] += 2e-3 * 0.1
    assert verdict_of(weight, other, Phase.WEIGHTS) is Verdict.WITHIN_TOLERANCE


@pytest.mark.parametrize("seed", range(3))
def test_weights_fail_another_weight_decay_and_another_learning_rate(seed: int) -> None:
    weight, direction = normal(scale=0.05, seed=seed), np.sign(normal(seed=seed + 10))
    decayed = (weight * (1 - 1e-2 * 0.02)).astype(np.float32)
    stepped = (weight * (1 - 1e-2 * 0.01)).astype(np.float32)
    assert verdict_of(stepped, decayed, Phase.WEIGHTS) is Verdict.MISMATCH
    one, other = (weight - rate * direction for rate in (1e-3, 1.1e-3))
    assert verdict_of(one, other.astype(np.float32), Phase.WEIGHTS) is Verdict.MISMATCH


def test_buffers_pass_the_two_ways_to_keep_a_variance_and_fail_another_momentum() -> None:
    variance = np.random.default_rng(0).uniform(0.1, 4, 64).astype(np.float32)

    def after(momentum: float, count: int) -> np.ndarray:
        kept = (1 - momentum) + momentum * variance * count / (count - 1)
        return kept.astype(np.float32)

    buffer = CaptureKind.BUFFER
    assert verdict_of(after(0.1, 64), after(0.1, 10**9), Phase.WEIGHTS, buffer) is Verdict.WITHIN_TOLERANCE
    assert verdict_of(after(0.1, 64), after(0.9, 64), Phase.WEIGHTS, buffer) is Verdict.MISMATCH


def test_a_buffer_is_bounded_closely_on_the_references_own_values() -> None:
    kept = np.random.default_rng(0).normal(size=64).astype(np.float32)
    wrong, rounded = (kept * np.float32(factor) for factor in (1.001, 1.000001))
    buffer = CaptureKind.BUFFER
    assert verdict_of(kept, wrong, Phase.WEIGHTS, buffer) is Verdict.WITHIN_TOLERANCE
    assert verdict_of(kept, wrong, Phase.WEIGHTS, buffer, in_lockstep=True) is Verdict.MISMATCH
    assert verdict_of(kept, rounded, Phase.WEIGHTS, buffer, in_lockstep=True) is Verdict.WITHIN_TOLERANCE


@pytest.mark.parametrize("phase", KINDS)
@pytest.mark.parametrize("dtype", [DType.INT64, DType.BOOL, DType.UINT8])
def test_integers_must_be_equal(phase: Phase, dtype: DType) -> None:
    tolerance = Tolerances(Options()).tolerance(phase, KINDS[phase], dtype, Magnitude(rms=3.0))
    assert tolerance == Tolerance(atol=0.0, rtol=0.0, source=ToleranceSource.DEFAULT)


@pytest.mark.parametrize("phase", KINDS)
def test_a_users_bounds_mean_the_same_in_every_phase(phase: Phase) -> None:
    def given(**bounds: float) -> Tolerance:
        return Tolerances(Options(**bounds)).tolerance(phase, KINDS[phase], DType.FLOAT32, Magnitude(rms=3.0))

    assert given(atol=0.5, rtol=0.25) == Tolerance(atol=0.5, rtol=0.25, source=ToleranceSource.USER)
    assert given(atol=0.5) == Tolerance(atol=0.5, rtol=0.0, source=ToleranceSource.USER)
    assert given(rtol=0.0) == Tolerance(atol=0.0, rtol=0.0, source=ToleranceSource.USER)


def test_one_comparisons_bounds_do_not_reach_the_next() -> None:
    loose, default = Tolerances(Options(atol=9.0)), Tolerances(Options())
    assert loose.tolerance(Phase.FORWARD, CaptureKind.OUTPUT, DType.FLOAT32, Magnitude(rms=1.0)).atol == 9.0
    assert (
        default.tolerance(Phase.FORWARD, CaptureKind.OUTPUT, DType.FLOAT32, Magnitude(rms=1.0)).atol == 1e-4
    )


@pytest.mark.parametrize("phase", KINDS)
@pytest.mark.parametrize(
    ("finer", "coarser"),
    [
        (DType.FLOAT64, DType.FLOAT32),
        (DType.FLOAT32, DType.FLOAT16),
        (DType.FLOAT16, DType.BFLOAT16),
        (DType.COMPLEX128, DType.COMPLEX64),
    ],
)
def test_a_coarser_dtype_never_has_the_narrower_bound(phase: Phase, finer: DType, coarser: DType) -> None:
    table = Tolerances(Options())
    narrow, wide = (
        table.tolerance(phase, KINDS[phase], dtype, Magnitude(rms=1.0)) for dtype in (finer, coarser)
    )
    assert (narrow.atol, narrow.rtol) < (wide.atol, wide.rtol)
    assert narrow.relative_l2 <= wide.relative_l2


def test_mean_mode_has_bounds_that_means_can_be_held_to() -> None:
    table = Tolerances(Options(compare_mode="mean"))
    tolerance = table.tolerance(
        Phase.GRADIENTS, CaptureKind.PARAMETER_GRADIENT, DType.FLOAT32, Magnitude(rms=2.0)
    )
    assert tolerance == Tolerance(atol=0.1, rtol=0.05, source=ToleranceSource.DEFAULT)


def test_a_scale_beyond_float64_allows_nothing_absolute() -> None:
    tolerance = Tolerances(Options()).tolerance(
        Phase.FORWARD, CaptureKind.OUTPUT, DType.FLOAT64, Magnitude(rms=math.inf)
    )
    assert tolerance.atol == 0.0


def test_a_weight_may_differ_by_what_steps_may_have_brought_it_apart() -> None:
    bound = Tolerance(atol=1.0, rtol=1.0, relative_l2=5e-5, source=ToleranceSource.DEFAULT)
    assert drifted(bound, 0.0, 1.0) == bound
    assert drifted(bound, 1e-3, 4.0).relative_l2 == pytest.approx(5e-5 + 2.5e-4)
    chosen = Tolerance(atol=0.1, rtol=0.0, source=ToleranceSource.USER)
    assert drifted(chosen, 1e-3, 1.0) == chosen


@pytest.mark.parametrize(("drift", "norm"), [(math.nan, 1.0), (1e-3, 0.0), (1e-3, math.nan)])
def test_what_explains_nothing_widens_nothing(drift: float, norm: float) -> None:
    bound = Tolerance(atol=1.0, rtol=1.0, relative_l2=5e-5, source=ToleranceSource.DEFAULT)
    assert drifted(bound, drift, norm) == bound


@pytest.mark.parametrize("in_lockstep", [False, True])
@pytest.mark.parametrize("phase", [Phase.FORWARD, Phase.GRADIENTS])
def test_beside_marks_of_a_mask_each_element_is_judged(phase: Phase, in_lockstep: bool) -> None:
    table = Tolerances(Options(), in_lockstep=in_lockstep)
    marked = table.tolerance(phase, KINDS[phase], DType.FLOAT32, Magnitude(rms=2.0, has_marks=True))
    assert marked.relative_l2 == 0.0
    assert marked.atol == 2.0 * marked.rtol
    assert marked.rtol >= 1e-4


def test_a_reference_of_zeros_allows_nothing() -> None:
    zeros = np.zeros(4, np.float32)
    assert verdict_of(zeros, zeros + np.float32(2e-12), Phase.FORWARD) is Verdict.MISMATCH
    assert verdict_of(zeros, -zeros, Phase.FORWARD) is Verdict.WITHIN_TOLERANCE


@pytest.mark.parametrize(
    ("phase", "passes", "fails"),
    [(Phase.FORWARD, 6, 12), (Phase.BACKWARD, 12, 24), (Phase.GRADIENTS, 12, 24)],
)
def test_lockstep_allows_what_one_call_may_do_and_no_more(phase, passes, fails):
    options = Options()
    values = np.random.default_rng(3).standard_normal(1000).astype(np.float32)
    for epsilons, verdict in ((passes, Verdict.WITHIN_TOLERANCE), (fails, Verdict.MISMATCH)):
        other = (values * np.float32(1 + epsilons * 2.0**-23)).astype(np.float32)
        assert verdict_of(values, other, phase, options=options, in_lockstep=True) is verdict
    louder = values * np.float32(1.001)
    assert verdict_of(values, louder, Phase.LOSS, options=options, in_lockstep=True) is Verdict.MISMATCH
