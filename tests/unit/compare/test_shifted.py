"""Values behind a bias that noise moved: they agree within its shift, wherever they show."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from random_events import plan_of, seen_in

from padiff_compare.judge.interim_history import GradientHistory
from padiff_compare.noise.rounding_floors import Shifted

SEEN = seen_in(plan_of("", "conv", "norm", "last"), ">:1 >conv:1 <conv:2 >norm:2 <norm:3 >last:3 <last:4 <:4")


def history_of(shifts):
    history = GradientHistory()
    history.shifts.update(shifts)
    return history


def shifts(history):
    shifted = Shifted(history, SEEN.pairs)
    slots = {one.reference.tensor: one for pair in SEEN.pairs for one in pair.slots.pairs}
    return {number: shifted.of(one) for number, one in slots.items() if shifted.of(one)}


def test_what_the_layer_returns_may_be_as_far_apart_as_its_bias():
    history = history_of({"conv.bias": 1e-3})
    assert shifts(history) == {2: 1e-3}
    assert history.fed == {"norm": 1e-3}


def test_without_such_a_bias_nothing_may():
    assert shifts(history_of({"other.bias": 1e-4})) == {}
    assert shifts(history_of({})) == {}


def test_the_largest_shift_is_remembered_of_what_was_fed_with_it():
    history = history_of({"conv.bias": 1e-3})
    shifts(history)
    history.shifts["conv.bias"] = 1e-5
    shifts(history)
    assert history.fed == {"norm": 1e-3}
