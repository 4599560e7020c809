"""Optimizers, as far as no framework is needed to look into them."""

from __future__ import annotations

import numpy as np
import pytest

from padiff_rpc import trees
from padiff_worker.optimizers import grouped, plain, step_count, steps_in_power


@pytest.mark.parametrize("beta", [0.5, 0.9, 0.99, 0.999])
def test_steps_are_told_from_a_power_that_float32_multiplied_up(beta):
    power, factor = np.float32(1), np.float32(beta)
    for step in range(2000):
        found = steps_in_power(float(power), beta)
        if found is None:
            assert power < 1e-35, "there are digits enough"
            return
        assert found == step
        power *= factor


@pytest.mark.parametrize(("power", "beta"), [(0.0, 0.0), (1.0, 1.0), (0.0, 0.9), (1e-40, 0.9), (2.0, 0.9)])
def test_a_power_that_says_nothing_is_not_guessed_at(power, beta):
    assert steps_in_power(power, beta) is None


def test_parameters_of_equal_settings_are_one_group_whatever_the_order():
    groups = grouped({"a": {"lr": 1.0, "decay": 0.0}, "b": {"lr": 2.0}, "c": {"decay": 0.0, "lr": 1.0}})
    assert [group.parameters for group in groups] == [("a", "c"), ("b",)]
    assert trees.unpack(groups[1].settings) == {"lr": 2.0}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.5, 0.5), (None, None), ("none", "none"), (True, True), (np.float64(0.25), 0.25), ((1, 2), "(1, 2)")],
)
def test_settings_travel_as_plain_values(value, expected):
    assert plain(value) == expected


def test_a_step_count_travels_as_a_whole_number():
    made = step_count(7.0)
    assert (made.array.dtype, made.array.shape, made.array.tolist()) == (np.int64, (), 7)
