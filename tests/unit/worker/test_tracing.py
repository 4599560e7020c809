"""Traces of the fake framework's models: what they name, and how far two runs differ."""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

import fake
import numpy as np
from fake_adapter import FakeAdapter

from padiff_rpc.v1.records import CallEvent, Slot, TensorSpec
from padiff_rpc.v1.words import CallMoment, DType, Randomness
from padiff_worker.takers import Takers
from padiff_worker.tracing import trace

SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(2,))


class Drifting(fake.Layer):
    """Multiplies by a factor that grows from call to call, where nothing can put it back."""

    def __init__(self, growth):
        super().__init__()
        self.calls, self.growth = itertools.count(1), growth

    def forward(self, x):
        return x * (1 + self.growth * next(self.calls))


class Fragile(fake.Layer):
    def __init__(self):
        super().__init__()
        self.calls = itertools.count(1)

    def forward(self, x):
        if next(self.calls) > 1:
            raise RuntimeError("not again")
        return x


class Shuffled(fake.Layer):
    """Draws in three ways that nobody shares."""

    def forward(self, x):
        order = fake.permutation(4).array.astype(np.float32)
        return x * fake.Tensor(1 + order) * (1 + random.random()) * (1 + np.random.rand())


class Gauss(fake.Layer):
    """Draws a normal number, of which Python makes two at a time."""

    def forward(self, x):
        return x * random.gauss(1.0, 0.1)


class Uniform(fake.Layer):
    def forward(self, x):
        return x * random.random()


class Twice(fake.Layer):
    """Calls its one layer twice, on one line."""

    def __init__(self):
        super().__init__()
        self.inner = fake.Linear(4, 4)

    def forward(self, x):
        return self.inner(self.inner(x))


def traced(model, randomness=Randomness.SHARED, *, repeat=True):
    x = fake.Tensor(np.arange(1, 13, dtype=np.float32).reshape(3, 4))
    return trace(FakeAdapter(), model, lambda recorder: model(x), randomness, repeat=repeat)


@pytest.mark.parametrize("randomness", list(Randomness))
def test_random_decisions_are_no_noise(randomness):
    noisy = fake.Sequential(fake.Linear(4, 4), fake.Dropout(0.5), Shuffled(), fake.BatchNorm1D(4))
    noise = traced(noisy, randomness).noise
    assert (noise.differs, noise.relative_l2, noise.path, noise.call) == (False, 0.0, "", 0)


def test_the_first_call_whose_output_differs_is_named():
    model = fake.Sequential(fake.Linear(4, 4), Drifting(0.0), Drifting(0.5), fake.Linear(4, 4, bias=False))
    noise = traced(model).noise
    assert (noise.differs, noise.path, noise.call) == (True, "2", 0)
    assert noise.relative_l2 == pytest.approx(0.25)  # 2.0 against 1.5


def test_noise_that_the_outputs_do_not_show_is_noise():
    class Hiding(fake.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Drifting(0.5)

        def forward(self, x):
            self.inner(x)
            return x * 2.0

    noise = traced(Hiding()).noise
    assert (noise.differs, noise.relative_l2, noise.path) == (True, 0.0, "inner")


def test_outputs_that_are_no_numbers_in_one_run_alone_differ_infinitely():
    noise = traced(Drifting(float("inf"))).noise
    assert (noise.differs, noise.relative_l2) == (False, 0.0)

    class Ending(Drifting):
        def forward(self, x):
            return x * (1.0 if next(self.calls) == 1 else float("nan"))

    noise = traced(Ending(1.0)).noise
    assert (noise.differs, noise.relative_l2) == (True, float("inf"))


def test_only_a_repeated_trace_has_noise():
    assert traced(fake.Linear(4, 4), repeat=False).noise is None


def test_a_model_that_fails_when_it_is_run_again_has_failed():
    found = traced(Fragile())
    assert found.failure.text == "not again"
    assert found.noise is None
    assert len(found.calls) == 2


def test_a_trace_leaves_weights_and_generators_as_they_were():
    model = fake.Sequential(fake.BatchNorm1D(4), fake.Dropout(0.5), Shuffled())
    before = fake.random_state(), random.getstate(), model._layers["0"].running_mean.array.copy()
    traced(model)
    after = fake.random_state(), random.getstate(), model._layers["0"].running_mean.array
    assert before[:2] == after[:2]
    assert np.array_equal(before[2], after[2])


@pytest.mark.parametrize("randomness", list(Randomness))
def test_operations_are_named_in_order_each_as_often_as_it_ran(randomness):
    class Twice(fake.Layer):
        def forward(self, x):
            return fake.dropout(fake.dropout(x, 0.5), 0.25) + fake.dropout(x, 0.0)

    found = traced(fake.Sequential(Twice(), Shuffled()), randomness, repeat=False).random_operations
    assert [(one.path, one.call, one.name, one.shared) for one in found] == [
        ("0", 0, "dropout", True),
        ("0", 0, "dropout", True),
        ("1", 0, "permutation", False),
        ("1", 0, "random", False),
        ("1", 0, "numpy.random", False),
    ]


class Normal(fake.Layer):
    """Draws one number, of which NumPy makes two at a time."""

    def forward(self, x):
        return x * np.random.standard_normal()


def test_a_normal_number_that_was_made_with_another_is_drawn_as_it_is():
    before = np.random.get_state()
    np.random.standard_normal()  # its second waits
    waiting = np.random.get_state()
    try:
        model = fake.Sequential(Normal(), Normal(), Normal())
        found = traced(model, repeat=False).random_operations
        assert [(one.path, one.name) for one in found] == [(path, "numpy.random") for path in "012"]
        assert np.random.get_state()[2:] == waiting[2:]
        assert traced(model).noise.relative_l2 == 0
    finally:
        np.random.set_state(before)


def test_every_call_that_draws_from_pythons_generator_is_named():
    model = fake.Sequential(Gauss(), fake.Linear(4, 4), Gauss(), Uniform(), fake.Linear(4, 4))
    operations = traced(model, repeat=False).random_operations
    assert [(one.path, one.name) for one in operations] == [
        ("0", "random"),
        ("2", "random"),
        ("3", "random"),
    ]


def test_a_line_that_makes_many_calls_is_told_once_and_so_is_a_kind_of_tensors():
    events = traced(Twice(), repeat=False).calls
    entries = [event for event in events if event.path == "inner" and event.source is not None]
    assert len(entries) == 2
    assert entries[0].source is entries[1].source
    assert len({id(slot.spec) for event in events for slot in event.slots}) == 1


def test_an_event_of_tensors_that_nothing_takes_stays_as_it_is():
    event = CallEvent(moment=CallMoment.EXIT, path="inner", slots=(Slot(name="0", tensor=1, spec=SPEC),))
    assert Takers(FakeAdapter()).counted_in([event])[0] is event
