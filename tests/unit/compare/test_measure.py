"""The figures of two tensors against NumPy's own, for every dtype."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from padiff_compare.judge.measure import is_zero, measure, root_mean_square
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Figures, Tolerance
from padiff_rpc.v1.words import DType, ToleranceSource

EXACT = Tolerance(atol=0.0, rtol=0.0, source=ToleranceSource.USER)


def figures_of(
    reference: object,
    candidate: object,
    *,
    dtype: DType | None = None,
    atol: float = 0.0,
    rtol: float = 0.0,
    block: int = 7,
) -> Figures:
    return measure(
        HostTensor.from_array(np.asarray(reference), dtype),
        HostTensor.from_array(np.asarray(candidate), dtype),
        Tolerance(atol=atol, rtol=rtol, source=ToleranceSource.USER),
        block_elements=block,
    )


pairs = st.sampled_from(["float16", "float32", "float64"]).flatmap(
    lambda dtype: arrays.array_shapes(min_dims=1, max_dims=3, max_side=6).flatmap(
        lambda shape: st.tuples(
            *[
                arrays.arrays(
                    dtype,
                    shape,
                    elements=st.one_of(
                        st.sampled_from([0.0, 1.0, -2.0, math.nan, math.inf, -math.inf]),
                        st.floats(-1000, 1000, width=16),
                    ),
                )
            ]
            * 2
        )
    )
)


@given(
    pair=pairs, atol=st.sampled_from([0.0, 0.5]), rtol=st.sampled_from([0.0, 0.25]), block=st.integers(1, 50)
)
def test_counts_extremes_and_places_are_those_of_numpy(
    pair: tuple[np.ndarray, np.ndarray], atol: float, rtol: float, block: int
) -> None:
    reference, candidate = pair
    figures = figures_of(reference, candidate, atol=atol, rtol=rtol, block=block)
    b, a = reference.astype(np.float64), candidate.astype(np.float64)
    assert figures.elements == b.size
    assert figures.bitwise_equal == (reference.tobytes() == candidate.tobytes())
    assert (figures.nan_reference, figures.nan_candidate) == (np.isnan(b).sum(), np.isnan(a).sum())
    assert (figures.inf_reference, figures.inf_candidate) == (np.isinf(b).sum(), np.isinf(a).sum())
    assert figures.mismatches == np.sum(~np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True))
    finite = np.isfinite(a) & np.isfinite(b)
    with np.errstate(invalid="ignore"):
        distance = np.where(finite, np.abs(a - b), 0.0)
    assert figures.max_abs == distance.max()
    if figures.worst:
        assert figures.worst[0].index == np.unravel_index(distance.argmax(), b.shape)
        assert figures.worst[0].reference == b[figures.worst[0].index]
        assert figures.worst[0].candidate == a[figures.worst[0].index]
    both = ~np.isclose(a, b, rtol=0, atol=0, equal_nan=True) & ~finite
    assert figures.nonfinite_mismatches == both.sum()
    notable = both | np.isnan(a) | np.isnan(b)
    first = np.unravel_index(notable.argmax(), b.shape) if notable.any() else ()
    assert figures.first_nonfinite == tuple(first)


@given(pair=pairs, block=st.integers(1, 50))
def test_sums_are_those_of_the_finite_elements(pair: tuple[np.ndarray, np.ndarray], block: int) -> None:
    figures = figures_of(*pair, block=block)
    b, a = (values.astype(np.float64).reshape(-1) for values in pair)
    finite = np.isfinite(a) & np.isfinite(b)
    if not finite.any():
        return
    a, b = a[finite], b[finite]
    size = max(np.abs(a).max(), np.abs(b).max(), 1e-300)
    close = {"rel": 1e-9, "abs": 1e-9 * size, "nan_ok": True}
    assert figures.bias == pytest.approx(np.mean(a - b), **close)
    assert figures.mean_reference == pytest.approx(b.mean(), **close)
    assert figures.mean_candidate == pytest.approx(a.mean(), **close)
    assert figures.mean_abs == pytest.approx(np.abs(a - b).mean(), **close)
    assert figures.rmse == pytest.approx(math.sqrt(np.mean((a - b) ** 2)), **close)
    largest = max(np.linalg.norm(a), np.linalg.norm(b))
    assert figures.relative_l2 == pytest.approx(np.linalg.norm(a - b) / largest if largest else 0.0, rel=1e-9)
    if np.linalg.norm(b) > 1e-3 * size and np.linalg.norm(a) > 1e-3 * size:
        cosine = np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
        assert figures.cosine == pytest.approx(cosine, abs=1e-9)
        assert figures.scale == pytest.approx(np.dot(a, b) / np.dot(b, b), rel=1e-6, abs=1e-6)
    assert sum(figures.histogram) == a.size


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [([1.0, -2.0, 0.0, 4.0], [1.5, -2.0, 0.5, 3.0]), ([2.0, 1.0], [1.0, 1.0])],
)
def test_the_relative_difference_is_the_one_that_numpy_reports(
    reference: list[float], candidate: list[float]
) -> None:
    with pytest.raises(AssertionError) as failure:
        np.testing.assert_allclose(candidate, reference, rtol=0, atol=0)
    found = re.search(r"Max relative difference.*: (\S+)", str(failure.value))
    assert found is not None
    assert figures_of(reference, candidate).max_rel == pytest.approx(float(found[1]))


def test_a_difference_at_nothing_but_zeros_is_infinite() -> None:
    # As NumPy 2 reports it; NumPy 1 leaves zeros out and says 0.
    assert figures_of([0.0, 1.0], [1.0, 1.0]).max_rel == math.inf


@pytest.mark.parametrize(
    ("dtype", "reference", "candidate", "distance"),
    [
        ("int64", 2**62, 2**62 + 1, 1.0),  # one float64 for both
        ("int64", -(2**63), 2**63 - 1, float(2**64 - 1)),  # the difference overflows int64
        ("uint64", 2**64 - 1, 2**64 - 2, 1.0),
        ("uint64", 0, 2**64 - 1, float(2**64 - 1)),
        ("int8", -128, 127, 255.0),
        ("uint8", 0, 255, 255.0),
        ("bool", False, True, 1.0),
    ],
)
def test_integers_and_bools_are_compared_as_integers(
    dtype: str, reference: int, candidate: int, distance: float
) -> None:
    figures = figures_of(np.array([1, reference], dtype), np.array([1, candidate], dtype))
    assert figures.max_abs == distance
    assert figures.mismatches == 1
    assert figures.worst[0].index == (1,)
    assert math.copysign(1.0, figures.bias) == (1.0 if candidate > reference else -1.0)


@given(
    pair=st.sampled_from(["int64", "uint64"]).flatmap(
        lambda dtype: st.tuples(*[arrays.arrays(dtype, 5, elements=arrays.from_dtype(np.dtype(dtype)))] * 2)
    )
)
def test_integer_differences_are_exact_before_they_become_figures(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    figures = figures_of(*pair, block=2)
    differences = [abs(int(a) - int(b)) for b, a in zip(*pair)]
    assert figures.max_abs == float(max(differences))
    assert figures.mismatches == sum(difference != 0 for difference in differences)


def test_integers_of_two_widths_are_still_integers() -> None:
    figures = measure(
        HostTensor.from_array(np.array([2**53 + 1])), HostTensor.from_array(np.array([5], np.int32)), EXACT
    )
    assert figures.max_abs == float(2**53 - 4)
    assert not figures.bitwise_equal


def test_bfloat16_bits_are_read_as_the_numbers_they_mean() -> None:
    one, two = 0x3F80, 0x4000
    figures = figures_of(
        np.array([one, two], np.uint16), np.array([one, one], np.uint16), dtype=DType.BFLOAT16
    )
    assert figures.mean_reference == 1.5
    assert figures.max_abs == 1.0
    nan = figures_of(np.array([one], np.uint16), np.array([0x7F81], np.uint16), dtype=DType.BFLOAT16)
    assert nan.nan_candidate == 1


def test_the_parts_of_complex_numbers_are_compared_one_by_one() -> None:
    # The modulus hides the imaginary part of the second element.
    figures = figures_of(np.array([[1 + 1j, 1e20 + 1j]]), np.array([[1 + 1j, 1e20 + 3j]]), rtol=1e-3)
    assert figures.elements == 4
    assert figures.mismatches == 1
    assert figures.worst[0].index == (0, 1)
    assert (figures.worst[0].reference, figures.worst[0].candidate) == (1.0, 3.0)


def test_a_complex_tensor_beside_a_real_one_has_imaginary_parts_of_zero() -> None:
    figures = measure(
        HostTensor.from_array(np.array([1.0, 2.0])), HostTensor.from_array(np.array([1.0, 2.0 + 1j])), EXACT
    )
    assert figures.max_abs == 1.0


@pytest.mark.parametrize("shape", [(), (0, 3), (1,)])
def test_scalars_and_empty_tensors_have_figures(shape: tuple[int, ...]) -> None:
    figures = figures_of(np.ones(shape, np.float32), np.full(shape, 2.0, np.float32))
    size = math.prod(shape)
    assert figures.elements == size
    assert [element.index for element in figures.worst] == [(0,) * len(shape)] * size


def test_a_zero_of_the_other_sign_is_equal_but_not_bitwise() -> None:
    figures = figures_of([0.0], [-0.0])
    assert not figures.bitwise_equal
    assert (figures.max_abs, figures.mismatches) == (0.0, 0)


def test_values_whose_squares_overflow_still_have_extremes_and_never_a_small_norm() -> None:
    figures = figures_of([1e200, 1.0], [1e200, 3.0])
    assert figures.max_abs == 2.0
    assert figures.mismatches == 1
    assert not figures.relative_l2 <= 1.0


def test_values_whose_squares_vanish_never_have_a_small_norm_either() -> None:
    figures = figures_of([1e-200, 1e-200], [3e-200, 1e-200])
    assert figures.mismatches == 1
    assert math.isnan(figures.relative_l2)


def test_a_read_only_memory_map_serves(tmp_path: object) -> None:
    path = f"{tmp_path}/values.npy"
    np.save(path, np.arange(100.0))
    mapped = np.load(path, mmap_mode="r")
    figures = measure(HostTensor.from_array(mapped), HostTensor.from_array(np.arange(100.0)), EXACT)
    assert figures.bitwise_equal


def test_a_known_sum_of_squares_is_used() -> None:
    ones = HostTensor.from_array(np.ones(4))
    assert measure(ones, ones, EXACT, sum_squares=16.0).rms_reference == 2.0
    assert measure(ones, ones, EXACT).rms_reference == 1.0
    assert root_mean_square(0.0, 0) == 0.0


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="have no figures"):
        figures_of(np.ones((2, 2)), np.ones(4))


def test_zeros_of_either_sign_are_zero() -> None:
    for zeros in (np.array([0.0, -0.0], np.float32), np.zeros((), np.int64), np.zeros(0), np.array([-0j])):
        assert is_zero(HostTensor.from_array(zeros))
    assert is_zero(HostTensor.from_array(np.array([0, 0x8000], np.uint16), DType.BFLOAT16))
    assert not is_zero(HostTensor.from_array(np.array([0, 1], np.uint16), DType.BFLOAT16))
    assert not is_zero(HostTensor.from_array(np.array([0.0, math.nan])))
