"""Compiled code and NumPy come to the same figures and the same jumps."""

from __future__ import annotations

import dataclasses
import math
import shutil

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from padiff_compare.judge.kernel import is_installed
from padiff_compare.judge.measure import measure
from padiff_compare.judge.outliers import MOST_JUMPS, JumpFinder
from padiff_rpc.tensors import BLOCK_ELEMENTS, COMPLEX, FLOATING, Array, HostTensor, numpy_dtype
from padiff_rpc.v1.records import Figures, Tolerance
from padiff_rpc.v1.words import DType, ToleranceSource

# Added up in another order.
SUMS = ("relative_l2", "cosine", "scale", "bias", "mean_reference", "mean_candidate", "mean_abs", "rmse")
SPECIAL = (0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 1e30, -1e-30)
WHOLE = (0, 1, 2, 127, 128, 255, 2**31, 2**63 - 1, 2**63, 2**64 - 1)

needs_kernel = pytest.mark.skipif(not is_installed(), reason="the project was installed without a compiler")


def test_an_installation_with_a_compiler_has_the_kernel() -> None:
    assert is_installed() or shutil.which("cc") is None


def values_of(dtype: DType, generator: np.random.Generator, size: int) -> HostTensor:
    """Returns a tensor of bits of all kinds: special values, equal neighbours, numbers of all sizes."""
    if dtype in FLOATING | COMPLEX and dtype is not DType.BFLOAT16:
        reals = generator.normal(size=(2, size)) * 10.0 ** generator.integers(-3, 4, size=(2, size))
        reals = np.where(generator.random((2, size)) < 0.05, generator.choice(SPECIAL, (2, size)), reals)
        with np.errstate(all="ignore"):
            made = reals[0] + 1j * reals[1] if dtype in COMPLEX else reals[0]
            return HostTensor(array=made.astype(numpy_dtype(dtype)), dtype=dtype)
    if dtype is DType.BOOL:
        return HostTensor.from_array(generator.random(size) < 0.5)
    bits = generator.integers(0, 2**64, size, np.uint64, endpoint=False)
    whole = np.where(generator.random(size) < 0.2, generator.choice(np.array(WHOLE, np.uint64), size), bits)
    return HostTensor(array=whole.astype(numpy_dtype(dtype)), dtype=dtype)


def mixed(first: HostTensor, second: HostTensor, generator: np.random.Generator) -> HostTensor:
    """Returns `first` with some elements of `second`, where both are of one dtype."""
    if first.dtype is not second.dtype:
        return second
    chosen = generator.random(first.array.shape) < generator.choice([0.0, 0.01, 0.5])
    return HostTensor(array=np.where(chosen, second.array, first.array), dtype=first.dtype)


def measured(
    pair: tuple[HostTensor, HostTensor], tolerance: Tolerance, bound: tuple[float, float], block: int | None
) -> tuple[Figures, object]:
    jumps = JumpFinder(*bound)
    figures = measure(*pair, tolerance, jumps=jumps, block_elements=block)
    return figures, jumps.found(figures.elements)


def check_equal(
    pair: tuple[HostTensor, HostTensor],
    tolerance: Tolerance,
    bound: tuple[float, float] = (0.1, 1.0),
    block: int = BLOCK_ELEMENTS,
) -> None:
    compiled, jumps = measured(pair, tolerance, bound, None)
    plain, plain_jumps = measured(pair, tolerance, bound, block)
    for name in SUMS:
        close = pytest.approx(getattr(plain, name), rel=1e-9, abs=1e-9 * plain.max_abs, nan_ok=True)
        assert getattr(compiled, name) == close, name
    same = dict.fromkeys(SUMS, 0.0)
    assert dataclasses.replace(compiled, **same) == dataclasses.replace(plain, **same)
    assert (jumps is None) == (plain_jumps is None)
    if jumps is not None and plain_jumps is not None:
        np.testing.assert_array_equal(jumps.positions, plain_jumps.positions)
        np.testing.assert_array_equal(jumps.sizes, plain_jumps.sizes)
        assert jumps.others.rmse == pytest.approx(plain_jumps.others.rmse, nan_ok=True)
        assert jumps.others.max_abs == plain_jumps.others.max_abs
        assert jumps.others.at_worst == plain_jumps.others.at_worst


def bounds(atol: float = 0.0, rtol: float = 0.0) -> Tolerance:
    return Tolerance(atol=atol, rtol=rtol, source=ToleranceSource.USER)


@needs_kernel
@given(
    dtypes=st.tuples(st.sampled_from(DType), st.sampled_from(DType)),
    is_one_dtype=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([0, 1, 2, 63, 511, 512, 513, 2000]),
    tolerance=st.sampled_from([(0.0, 0.0), (0.5, 0.25), (1e-6, 1e-3)]),
    bound=st.sampled_from([(0.1, 1.0), (0.0, 0.0), (1e-7, 30.0)]),
    block=st.sampled_from([7, 1000, BLOCK_ELEMENTS]),
)
def test_any_two_tensors(
    dtypes: tuple[DType, DType],
    is_one_dtype: bool,
    seed: int,
    size: int,
    tolerance: tuple[float, float],
    bound: tuple[float, float],
    block: int,
) -> None:
    generator = np.random.default_rng(seed)
    first = values_of(dtypes[0], generator, size)
    second = values_of(dtypes[0] if is_one_dtype else dtypes[1], generator, size)
    check_equal((first, mixed(first, second, generator)), bounds(*tolerance), bound, block)


def strided(array: Array, order: int) -> Array:
    """Returns elements of `array` that do not follow each other."""
    cube = array[: array.size // 30 * 30].reshape(-1, 5, 6)
    return (
        cube.transpose(2, 0, 1),
        cube.transpose(2, 1, 0)[::-1, 1:],
        cube[::2, ::-1, 1::2],
        cube[:, 2:3],
        np.broadcast_to(cube[:, :1, :1], cube.shape),
        cube.transpose(1, 0, 2).reshape(5, -1, 2, 3).transpose(2, 0, 3, 1),
        cube[:, :, np.newaxis, :, np.newaxis].transpose(3, 0, 4, 1, 2),
    )[order]


@needs_kernel
@given(
    dtypes=st.tuples(st.sampled_from(DType), st.sampled_from(DType)),
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([30, 60, 600, 6000]),
    orders=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    is_one_order=st.booleans(),
)
@example(dtypes=(DType.COMPLEX128,) * 2, seed=0, size=30, orders=(4, 0), is_one_order=False)
def test_tensors_whose_elements_do_not_follow_each_other(
    dtypes: tuple[DType, DType], seed: int, size: int, orders: tuple[int, int], is_one_order: bool
) -> None:
    generator = np.random.default_rng(seed)
    first = values_of(dtypes[0], generator, size)
    second = mixed(first, values_of(dtypes[1], generator, size), generator)
    ours = strided(first.array, orders[0])
    theirs = strided(second.array, orders[0] if is_one_order else orders[1])
    if ours.shape != theirs.shape:
        theirs = np.ascontiguousarray(strided(second.array, orders[0]))
    pair = HostTensor(array=ours, dtype=first.dtype), HostTensor(array=theirs, dtype=second.dtype)
    check_equal(pair, bounds(1e-6, 1e-3))


@needs_kernel
@pytest.mark.parametrize("dtype", DType)
def test_two_tensors_of_many_chunks(dtype: DType) -> None:
    generator = np.random.default_rng(3)
    first, second = (values_of(dtype, generator, 100_000) for _ in range(2))
    check_equal((first, mixed(first, second, generator)), bounds(1e-6, 1e-3))
    check_equal((first, first), bounds())


@needs_kernel
@pytest.mark.parametrize("bits", [np.arange(65536, dtype=np.uint16)], ids=["all"])
@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16])
def test_every_number_of_sixteen_bits(dtype: DType, bits: np.ndarray) -> None:
    array = bits.view(np.float16) if dtype is DType.FLOAT16 else bits
    rolled = np.roll(array, 1)
    check_equal((HostTensor(array=array, dtype=dtype), HostTensor(array=rolled, dtype=dtype)), bounds(1e-3))


@needs_kernel
def test_distances_and_magnitudes_below_the_normal_numbers() -> None:
    tiny = np.float64(2.0) ** np.arange(-1074, -960)
    first = HostTensor.from_array(np.repeat(tiny, 3))
    second = HostTensor.from_array(np.repeat(tiny, 3) * np.tile([1.0, 1.5, 0.25], tiny.size))
    check_equal((first, second), bounds())


@needs_kernel
def test_squares_that_leave_the_numbers() -> None:
    first = HostTensor.from_array(np.array([1e200, -1e300, 1.0, 2.0]))
    second = HostTensor.from_array(np.array([1e200, 1e300, 1.5, 2.0]))
    check_equal((first, second), bounds(0.1))


@needs_kernel
def test_more_jumps_than_are_kept() -> None:
    first = HostTensor.from_array(np.zeros(MOST_JUMPS + 1, np.float32))
    second = HostTensor.from_array(np.ones(MOST_JUMPS + 1, np.float32))
    jumps = JumpFinder(0.1, 1.0)
    measure(first, second, bounds(), jumps=jumps)
    assert jumps.found(MOST_JUMPS + 1) is None


@needs_kernel
def test_a_layout_that_is_not_the_memorys_is_measured_as_it_stands() -> None:
    array = np.random.default_rng(0).normal(size=(300, 70)).astype(np.float32)
    turned = HostTensor(array=array.T, dtype=DType.FLOAT32)
    straight = HostTensor.from_array(array.T.copy() * np.float32(1.01))
    check_equal((turned, straight), bounds(1e-6, 1e-3))
