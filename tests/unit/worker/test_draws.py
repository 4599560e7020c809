import numpy as np
import pytest

from padiff_rpc.v1.words import DType
from padiff_worker.draws import Draw


def draw(**changed):
    return Draw(**{"seed": 1, "step": 2, "pair": 3, "call": 4, "ordinal": 5, **changed})


def test_numbers_are_these_whatever_the_machine_and_the_version_of_numpy():
    assert draw().uniform((5,)).tolist() == [
        0.49229860305786133,
        0.8402128219604492,
        0.5486693978309631,
        0.7660094499588013,
        0.5250486731529236,
    ]
    assert draw().kept((8,), 0.5).tolist() == [False, True, True, True, True, True, False, True]
    assert draw().normal((3,)) == pytest.approx(
        [-1.1499645431378283, -1.3493177840303345, 0.2611705733489985]
    )


@pytest.mark.parametrize("key", ["seed", "step", "pair", "call", "ordinal"])
def test_every_key_leads_to_numbers_of_its_own(key):
    assert draw(**{key: 77}).uniform((4,)).tolist() != draw().uniform((4,)).tolist()


def test_the_largest_keys_are_keys_too():
    most = 2**32 - 1
    largest = draw(seed=2**64 - 1, step=most, pair=most, call=most, ordinal=most)
    assert largest.uniform((4,)).tolist() != draw().uniform((4,)).tolist()


def test_an_elements_number_depends_on_its_place_in_order_alone():
    flat = draw().uniform((24,))
    assert np.array_equal(draw().uniform((6, 4)).ravel(), flat)
    assert np.array_equal(draw().uniform((2, 3, 4)).ravel(), flat)
    assert np.array_equal(draw().uniform((7,)), flat[:7])


def test_shapes_without_axes_or_elements_are_drawn():
    assert draw().uniform(()).shape == ()
    assert draw().kept((0, 3), 0.5).shape == (0, 3)
    assert draw().normal((2, 0)).shape == (2, 0)


def test_numbers_fill_the_interval_evenly():
    numbers = draw().uniform((100_000,))
    assert numbers.dtype == np.float32
    assert 0 <= numbers.min() < 1e-4 < 0.9999 < numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=10, range=(0, 1))
    assert np.abs(counts - 10_000).max() < 500
    normal = draw().normal((100_000,))
    assert abs(normal.mean()) < 0.02
    assert abs(normal.std() - 1) < 0.02


@pytest.mark.parametrize(("dtype", "steps"), [(DType.FLOAT16, 2**11), (DType.BFLOAT16, 2**8)])
def test_narrow_dtypes_get_numbers_that_they_can_tell_from_one(dtype, steps):
    numbers = draw().uniform((100_000,), dtype)
    assert np.array_equal(numbers * steps, np.floor(numbers * steps))
    assert numbers.max() == 1 - 1 / steps


@pytest.mark.parametrize("p", [1e-9, 0.1, 0.2, 0.5, 0.7, 0.999999])
def test_dropout_keeps_what_a_comparison_with_uniform_numbers_keeps(p):
    expected = draw().uniform((10_000,)) >= np.float32(p)
    assert np.array_equal(draw().kept((10_000,), p), expected)


@pytest.mark.parametrize("q", [0.0, 0.1, 0.5, 0.8, 1.0])
def test_a_trial_succeeds_where_the_floor_of_the_sum_is_one(q):
    count = 1 << 22
    ones = draw().ones((count,), q)
    assert abs(ones.mean() - q) < 1e-3
    sums = draw().uniform((count,)) + np.float32(q)
    assert np.array_equal(ones, sums >= 1)


def test_trials_have_probabilities_of_their_own():
    assert draw().ones((4,), [0.0, 1.0, 0.0, 1.0]).tolist() == [False, True, False, True]
