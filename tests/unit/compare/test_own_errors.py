"""The reference's own errors: what stands for a gradient that is several of the reference's in one."""

from __future__ import annotations

import numpy as np
import pytest

from padiff_compare.judge.evidence import AGREEING, Evidence, Known, Measured, OwnError, is_inconclusive
from padiff_compare.judge.judge import judge
from padiff_compare.judge.measured import Aspect, measure_pair
from padiff_compare.judge.outliers import Apart, Undecided
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.layout_rules import STACK
from padiff_compare.steps.own_errors import OwnErrors
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Options, TensorSpec, Tolerance, Weight
from padiff_rpc.v1.words import CaptureKind, DType, Phase, ToleranceSource, WeightKind

PARTS = ("query", "key", "value")
ERRORS = {
    "query.weight": OwnError(rmse=1e-7, max_abs=5e-7),
    "key.weight": OwnError(rmse=3e-6, max_abs=2e-6),
    "value.weight": OwnError(rmse=2e-7, max_abs=9e-6),
}


def owned(path: str, rows: int) -> OwnedWeight:
    spec = TensorSpec(dtype=DType.FLOAT32, shape=(rows, 4))
    return OwnedWeight(path=path, weight=Weight(name="weight", kind=WeightKind.PARAMETER, spec=spec))


PACKED = WeightPair(
    references=tuple(owned(part, 4) for part in PARTS),
    candidate=owned("packed", 12),
    kind=WeightKind.PARAMETER,
    rule=STACK,
)


def of(**known: OwnError) -> OwnErrors:
    return OwnErrors(values={}, gradients={}, parameters=known, losses={})


def test_of_several_in_one_the_largest_error_counts() -> None:
    assert of(**ERRORS).of_parameter(PACKED) == OwnError(rmse=3e-6, max_abs=9e-6)


def test_where_one_part_is_not_known_nothing_is() -> None:
    known = {name: error for name, error in ERRORS.items() if name != "key.weight"}
    assert of(**known).of_parameter(PACKED) is None
    assert of().of_parameter(PACKED) is None


@pytest.mark.parametrize(("times", "is_rounding"), [(5.0, True), (20.0, False)])
def test_a_packed_gradient_is_judged_by_it(times: float, is_rounding: bool) -> None:
    drawn = np.random.default_rng(0).standard_normal((2, 12, 4))
    reference = drawn[0].astype(np.float32)
    candidate = (reference + times * 3e-6 * drawn[1]).astype(np.float32)
    measured = measure_pair(
        Aspect(phase=Phase.GRADIENTS, kind=CaptureKind.PARAMETER_GRADIENT),
        [HostTensor.from_array(part) for part in np.split(reference, 3)],
        HostTensor.from_array(candidate),
        tolerances=Tolerances(Options(), in_lockstep=True),
        rule=PACKED.rule,
    )
    evidence = Evidence(
        kind=CaptureKind.PARAMETER_GRADIENT,
        measured=measured,
        known=Known(own_error=of(**ERRORS).of_parameter(PACKED)),
    )
    assert (judge(evidence, Options()).verdict in AGREEING) is is_rounding


@pytest.mark.parametrize(
    ("share", "tipped", "computed_in", "expected"),
    [
        (0.02, 0, DType.BFLOAT16, False),
        (0.022, 0, DType.BFLOAT16, True),
        (0.022, 0, DType.FLOAT16, True),
        (0.5, 0, DType.FLOAT32, False),
        (0.5, 0, DType.FLOAT64, False),
        # One of many that a decision has moved hides nothing of the others; many of them do.
        (0.001, 1, DType.FLOAT16, False),
        (0.001, 8, DType.FLOAT16, True),
    ],
)
def test_halves_whose_own_rounding_would_hide_a_part_tell_nothing(
    share: float, tipped: int, computed_in: DType, expected: bool
) -> None:
    spec = TensorSpec(dtype=DType.FLOAT32, shape=(100,))
    tolerance = Tolerance(atol=0.0, rtol=0.0, source=ToleranceSource.DEFAULT)
    measured = Measured(
        reference=spec, candidate=spec, tolerance=tolerance, scale=3.0, computed_in=computed_in
    )
    others = Apart(rmse=3.0 * share, max_abs=9.0)
    undecided = Undecided(
        positions=np.arange(tipped), reals=100, shape=spec.shape, largest=9.0, others=others
    )
    own = OwnError(rmse=3.0 * share, max_abs=9.0, undecided=undecided if tipped else None)
    assert is_inconclusive(measured, own) is expected
