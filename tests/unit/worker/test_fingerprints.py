"""Fingerprints: known values, what they see of order and shape, and how large values are treated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from padiff_rpc import fingerprints as layout
from padiff_rpc.errors import ProtocolError
from padiff_rpc.fingerprints import Fingerprint, from_bytes, to_bytes
from padiff_rpc.tensors import Array
from padiff_worker.functions import vectors
from padiff_worker.functions.fingerprints import HostElements, fingerprint, fingerprint_of
from padiff_worker.functions.order_statistics import ordered

# What no order of the elements changes.
BAG = slice(0, layout.FLAT.start)


def draw(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def apart(first: Fingerprint, second: Fingerprint, part: slice) -> float:
    return float(np.abs(first[part] - second[part]).max())


def test_the_numbers_of_a_small_tensor_are_known() -> None:
    found = fingerprint(np.array([[1.0, -2.0], [3.0, 0.5]], np.float32))
    assert found.shape == (layout.SIZE,)
    assert found[: layout.ORDERS.start].tolist() == [0, 0, 0, 2.5, 6.5, 14.25, 20.125, 36.125]
    assert found[layout.ORDERS].tolist() == [-2] * 3 + [0.5] * 5 + [1] * 6 + [3] * 3
    squashed = [1 / 2, -2 / 3, 3 / 4, 1 / 3]
    assert found[layout.SQUASHED_SUM] == pytest.approx(sum(squashed))
    assert found[layout.SQUASHED_ABSOLUTE_SUM] == pytest.approx(sum(map(abs, squashed)))
    assert found[layout.SQUASHED_SQUARE_SUM] == pytest.approx(sum(one * one for one in squashed))


def test_the_projections_are_known_numbers_that_no_version_may_change() -> None:
    found = fingerprint(np.arange(12, dtype=np.float32).reshape(3, 4))
    first = [
        found[part][0] for part in (layout.FLAT, layout.SQUASHED_FLAT, layout.AXES, layout.SQUASHED_AXES)
    ]
    known = [10.919898554865759, 1.5235048932570519, 1.4087665704840304, 0.4578137591197453]
    assert first == pytest.approx(known, rel=1e-12)


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 1, 70), (3, 5000), (40, 9, 300), (70000, 3)])
def test_axes_in_another_order_leave_all_but_the_flat_part(shape: tuple[int, ...]) -> None:
    values = draw(*shape)
    other = np.ascontiguousarray(np.moveaxis(values, 0, -1))
    first, second = fingerprint(values), fingerprint(other)
    scale = math.sqrt(values.size)
    assert apart(first, second, BAG) < 1e-9 * scale
    assert apart(first, second, layout.AXES) < 1e-9 * scale
    assert apart(first, second, layout.FLAT) > 1e-2 * scale


def test_elements_in_another_order_change_the_axes_part_too() -> None:
    values = draw(6, 7)
    other = np.random.default_rng(1).permutation(values.reshape(-1)).reshape(6, 7)
    first, second = fingerprint(values), fingerprint(other)
    assert apart(first, second, BAG) < 1e-9
    assert apart(first, second, layout.AXES) > 0.1


def test_another_shape_of_the_same_elements_changes_the_axes_part_alone() -> None:
    first, second = fingerprint(draw(6, 4)), fingerprint(draw(6, 4).reshape(3, 8))
    assert apart(first, second, slice(0, layout.AXES.start)) == 0
    assert apart(first, second, layout.AXES) > 0.1
    assert apart(fingerprint(draw(6, 4)), fingerprint(draw(6, 1, 4)), slice(0, layout.SIZE)) == 0


@pytest.mark.parametrize("shape", [(), (1,), (1025,), (3, 70000), (150000,), (33, 4096)])
def test_blocks_do_not_show(shape: tuple[int, ...]) -> None:
    class Small(HostElements):
        block = vectors.COLUMNS

    class Large(HostElements):
        block = vectors.COLUMNS << 10

    values = draw(*shape)
    first, second = (
        fingerprint_of(np.ravel(values), values.shape, elements, is_floating=True)
        for elements in (Small(), Large())
    )
    assert np.allclose(first, second, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("masked", [-np.inf, -1e9, -65504.0, float(np.finfo(np.float32).min)])
def test_what_stands_for_an_infinity_is_one(masked: float) -> None:
    values = draw(8, 8)
    hidden = draw(8, 8, seed=1) > 0
    found = fingerprint(np.where(hidden, np.float32(masked), values))
    assert found[layout.HUGE_NEGATIVE] == hidden.sum()
    assert apart(found, fingerprint(np.where(hidden, np.float32(-np.inf), values)), slice(0, 44)) == 0
    assert np.isfinite(found).all()
    up = fingerprint(np.where(hidden, np.float32(-masked), values))
    assert up[: layout.SUM].tolist() == [hidden.sum(), 0, 0]


def test_a_tensor_that_is_huge_throughout_is_measured() -> None:
    found, other = fingerprint(draw(8, 8) + 1e5), fingerprint(draw(8, 8, seed=1) + 1e5)
    assert found[: layout.SUM].tolist() == [0, 0, 0]
    assert found[layout.SUM] > 1e6
    assert apart(found, other, slice(0, 44)) > 1


def test_what_is_no_number_is_counted() -> None:
    found = fingerprint(np.array([1.0, np.nan, np.inf, 2.0], np.float32))
    assert found[: layout.SUM + 1].tolist() == [1, 0, 1, 3]


def test_a_mask_of_large_numbers_does_not_drown_the_rest() -> None:
    mask = np.where(draw(8, 8, seed=2) > 0, 5e3, 0).astype(np.float32)
    first, second = fingerprint(draw(8, 8) + mask), fingerprint(draw(8, 8, seed=1) + mask)
    assert apart(first, second, layout.SQUASHED_FLAT) > 0.5


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.int64, np.uint8])
def test_the_same_numbers_in_another_dtype_have_the_same_fingerprint(dtype: type) -> None:
    values = np.arange(20).reshape(4, 5)
    assert apart(fingerprint(values.astype(dtype)), fingerprint(values), slice(0, 44)) == 0


def test_integers_are_exact_and_never_huge() -> None:
    values = np.array([70_000, 3, -20_000])
    assert fingerprint(values)[: layout.SUM + 1].tolist() == [0, 0, 0, 50_003]


def test_a_complex_tensor_is_its_parts_along_a_last_axis() -> None:
    values = (draw(3, 4) + 1j * draw(3, 4, seed=1)).astype(np.complex64)
    parts = np.stack([values.real, values.imag], axis=-1)
    assert apart(fingerprint(values), fingerprint(parts), slice(0, 44)) == 0


def test_a_tensor_without_elements_has_zeros() -> None:
    assert not fingerprint(np.zeros((0, 3), np.float32)).any()


def test_no_zero_has_a_sign() -> None:
    assert to_bytes(fingerprint(np.array([-0.0, 1.0]))) == to_bytes(fingerprint(np.array([0.0, 1.0])))


@pytest.mark.parametrize("count", [1, 100, 5_000, 300_000])
@pytest.mark.parametrize("kind", ["normal", "rectified", "signed zeros", "integers", "equal"])
def test_order_statistics_are_those_of_the_sorted_array(count: int, kind: str) -> None:
    normal = draw(count)
    array = {
        "normal": normal,
        "rectified": np.maximum(normal, 0),
        "signed zeros": np.where(normal > 0.5, normal, np.copysign(np.float32(0), normal)),
        "integers": (normal * 100).astype(np.int64),
        "equal": np.full(count, -2.5, np.float32),
    }[kind]
    places = np.round(np.linspace(0, count - 1, 17)).astype(np.int64)
    assert np.array_equal(ordered(array, places), np.sort(array)[places])


def test_random_vectors_depend_on_place_and_length_alone() -> None:
    whole = vectors.axis(200_000, 0, 200_000)
    assert np.array_equal(vectors.axis(200_000, 150_000, 150_010), whole[150_000:150_010])
    assert not np.array_equal(vectors.axis(5, 0, 5), vectors.axis(6, 0, 5))
    assert whole.mean() == pytest.approx(0, abs=0.01)
    assert (whole**2).mean() == pytest.approx(1, abs=0.01)
    part = vectors.product_part((3, 500, 700), 1000, 1400)
    assert np.allclose(part, vectors.product((3, 500, 700))[1000:1400], rtol=1e-12)


def test_a_fingerprint_travels_as_bytes_of_one_length() -> None:
    found = fingerprint(draw(3))
    assert np.array_equal(from_bytes(to_bytes(found)), found)
    with pytest.raises(ProtocolError, match="352 bytes"):
        from_bytes(to_bytes(found)[:-1])
