"""Sketches and statistics that a worker sends in place of large tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padiff_rpc.tensors import FLOATING, WIRE_BUCKETS, HostTensor, cast, sketch_deviation, sum_of_squares
from padiff_rpc.v1.records import CaptureId, Sketching, TensorSpec
from padiff_rpc.v1.words import CaptureKind, DType
from padiff_worker.sketching import Sketcher, statistics_of

OUTPUT = CaptureId(step=0, path="layer", call=0, slot="0", kind=CaptureKind.OUTPUT)
SKETCHER = Sketcher(Sketching())


def tensor(*shape: int, seed: int = 0) -> HostTensor:
    return HostTensor.from_array(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def sketched(value: HostTensor, sketcher: Sketcher = SKETCHER, capture: CaptureId = OUTPUT) -> Any:
    assert sketcher.takes(capture, value.spec)
    made = sketcher.made(capture, value)
    assert made is not None
    return made


def apart(one: HostTensor, other: HostTensor) -> float:
    """Returns the norm of the difference that two sketches tell."""
    ours, theirs = (sketched(value).tensor.array for value in (one, other))
    return float(np.linalg.norm(ours - theirs))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(20, 300),
    columns=st.integers(40, 300),
    seed=st.integers(0, 10_000),
    by=st.sampled_from([1e-6, 1e-3, 1.0]),
)
def test_the_norm_of_a_difference_is_told_within_its_deviations(
    rows: int, columns: int, seed: int, by: float
) -> None:
    one = cast(tensor(rows, columns, seed=seed), DType.FLOAT64)
    difference = by * np.random.default_rng(seed + 1).normal(size=(rows, columns))
    other = HostTensor.from_array(one.array + difference)
    exact = np.linalg.norm(other.array - one.array)
    # Of many thousands one is further off than four deviations.
    assert apart(one, other) == pytest.approx(exact, rel=4.5 * sketch_deviation(WIRE_BUCKETS))


def test_its_errors_are_as_large_as_they_are_said_to_be() -> None:
    errors = []
    for seed in range(300):
        one, other = tensor(64, 50, seed=seed), tensor(64, 50, seed=seed + 1000)
        exact = np.linalg.norm(one.array.astype(np.float64) - other.array)
        errors.append(apart(one, other) / exact - 1.0)
    assert np.std(errors) == pytest.approx(sketch_deviation(WIRE_BUCKETS), rel=0.2)
    assert abs(np.mean(errors)) < 0.01


@pytest.mark.parametrize("dtype", sorted(FLOATING))
def test_equal_values_have_equal_sketches_in_every_dtype(dtype: DType) -> None:
    narrow = cast(tensor(100, 100), dtype)
    wide = cast(narrow, DType.FLOAT64)
    ours, theirs = sketched(narrow), sketched(wide)
    np.testing.assert_array_equal(ours.tensor.array, theirs.tensor.array)
    assert ours.tensor.statistics == theirs.tensor.statistics
    assert ours.tensor.sketch_of == narrow.spec
    assert ours.sum_squares == sum_of_squares(narrow)
    assert ours.tensor.byte_count < 2100


def test_statistics_are_those_of_the_finite_elements_and_count_the_others() -> None:
    value = tensor(200, 300).array.copy()
    value[0, 0], value[1, 1:3], value[2, :4] = math.nan, math.inf, -math.inf
    value[150, 7], value[199, 299] = -9.5, 11.25
    found = statistics_of(HostTensor.from_array(value))
    finite = value[np.isfinite(value)].astype(np.float64)
    assert (found.nans, found.positive_infinities, found.negative_infinities) == (1, 2, 4)
    assert (found.minimum, found.maximum) == (-9.5, 11.25)
    assert found.mean == pytest.approx(finite.mean())
    nothing = statistics_of(HostTensor.from_array(np.full(600, math.nan, np.float32)))
    assert (nothing.nans, nothing.minimum, nothing.maximum, nothing.mean) == (600, 0.0, 0.0, 0.0)


def test_what_is_not_finite_leaves_the_rest_of_a_sketch_as_it_is() -> None:
    value = tensor(200, 300).array.copy()
    value[5, 5] = 0.0
    without = sketched(HostTensor.from_array(value))
    value[5, 5] = -math.inf
    np.testing.assert_array_equal(sketched(HostTensor.from_array(value)).tensor.array, without.tensor.array)


def test_a_complex_tensor_is_sketched_by_its_parts() -> None:
    value = (tensor(90, 90).array + 1j * tensor(90, 90, seed=1).array).astype(np.complex64)
    made = sketched(HostTensor.from_array(value))
    assert np.linalg.norm(made.tensor.array) == pytest.approx(np.linalg.norm(value), rel=0.2)
    assert made.tensor.statistics.minimum == min(value.real.min(), value.imag.min())


@pytest.mark.parametrize(
    ("kind", "dtype", "shape"),
    [
        (CaptureKind.OUTPUT, DType.INT64, (100, 100)),
        (CaptureKind.OUTPUT, DType.BOOL, (100, 100)),
        (CaptureKind.OUTPUT, DType.FLOAT32, (2 * WIRE_BUCKETS,)),
        (CaptureKind.LOSS, DType.FLOAT32, (100, 100)),
        (CaptureKind.TARGET, DType.FLOAT32, (100, 100)),
    ],
)
def test_small_tensors_whole_numbers_losses_and_targets_stay_whole(
    kind: CaptureKind, dtype: DType, shape: tuple[int, ...]
) -> None:
    capture = CaptureId(step=0, path="", call=0, slot="0", kind=kind)
    assert not SKETCHER.takes(capture, TensorSpec(dtype=dtype, shape=shape))


def test_what_is_asked_for_whole_stays_whole_in_any_step() -> None:
    sketcher = Sketcher(Sketching(whole=(OUTPUT,)))
    later = CaptureId(step=3, path="layer", call=0, slot="0", kind=CaptureKind.OUTPUT)
    other = CaptureId(step=3, path="layer", call=1, slot="0", kind=CaptureKind.OUTPUT)
    spec = tensor(100, 100).spec
    assert not sketcher.takes(later, spec)
    assert sketcher.takes(other, spec)


def test_a_masks_marks_leave_a_tensor_whole_and_large_values_alone_do_not() -> None:
    masked = tensor(100, 100).array.copy()
    masked[:, :30] = -1e9
    assert SKETCHER.made(OUTPUT, HostTensor.from_array(masked)) is None
    large = tensor(100, 100).array.copy()
    large[3, 3] = 2000.0
    assert SKETCHER.made(OUTPUT, HostTensor.from_array(large)) is not None


def test_a_matrix_is_sketched_as_the_other_side_has_it() -> None:
    gradient = CaptureId(step=0, path="fc", call=0, slot="weight", kind=CaptureKind.PARAMETER_GRADIENT)
    sketcher = Sketcher(Sketching(transposed=(gradient,)))
    ours = tensor(80, 60)
    turned = sketched(ours, sketcher, gradient)
    plain = sketched(HostTensor.from_array(ours.array.T))
    assert turned.is_transposed
    assert turned.tensor.sketch_of == TensorSpec(dtype=DType.FLOAT32, shape=(60, 80))
    np.testing.assert_array_equal(turned.tensor.array, plain.tensor.array)
    assert not sketched(ours, sketcher).is_transposed
