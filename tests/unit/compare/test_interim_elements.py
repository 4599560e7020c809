"""Elements of a bias that noise drove are left out, one by one; nothing else is."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client.sentences import reason
from padiff_compare.judge.evidence import Evidence, Measured
from padiff_compare.judge.interim import sizes_of, without
from padiff_compare.judge.interim_history import GradientHistory, rounding_notes
from padiff_compare.judge.judged_row import judged_row
from padiff_compare.judge.measured import Aspect, measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Note, Options, Row
from padiff_rpc.v1.words import CaptureKind, NoteKind, Phase, Verdict

FLOOR = 1e-6
# Element 0 is honest, 1 and 2 are noise, 3 is equal noise, 4 is noise on one side alone.
OURS = [0.5, 1e-9, -2e-9, 0.0, 1e-9]
THEIRS = [0.5, -3e-9, 1e-9, 0.0, 1e-3]
# Of steps of 1e-3 each.
LENGTH = 1e-3 * math.sqrt(5)


def tensor(values: Any, dtype: Any = np.float32) -> HostTensor:
    return HostTensor.from_array(np.array(values, dtype))


def gradients(ours: Any = OURS, theirs: Any = THEIRS, **options: Any) -> Measured:
    aspect = Aspect(phase=Phase.GRADIENTS, kind=CaptureKind.PARAMETER_GRADIENT)
    return measure_pair(aspect, tensor(ours), tensor(theirs), tolerances=Tolerances(Options(**options)))


def history_of(*steps: Measured) -> GradientHistory:
    history = GradientHistory()
    for measured in steps:
        history.note_elements("attn.bias", measured, FLOOR)
    return history


def weights(history: GradientHistory, apart: Any, length: Optional[float] = LENGTH) -> Row:
    """The row of a bias whose elements lie this far apart."""
    sides = tensor(np.zeros(5)), tensor(apart)
    frame = Row(
        step=0, phase=Phase.WEIGHTS, kind=CaptureKind.PARAMETER, order=0, verdict=Verdict.NOT_COMPARED
    )

    def measured(*sides: HostTensor) -> Measured:
        aspect = Aspect(phase=frame.phase, kind=frame.kind)
        return measure_pair(aspect, *sides, tolerances=Tolerances(Options()))

    found = measured(*sides)
    noisy = history.noisy_elements("attn.bias", *sides, length)
    if noisy is not None:
        counts = float(noisy.sum()), float(noisy.size)
        found = dataclasses.replace(measured(*(without(one, noisy) for one in sides)), left_out=counts)
    return judged_row(frame, Evidence(kind=frame.kind, measured=found), Options())


def test_elements_that_noise_moved_are_left_out_and_counted() -> None:
    row = weights(history_of(gradients()), [0, 2e-3, -2e-3, 0, 0])
    assert row.verdict is Verdict.WITHIN_TOLERANCE
    assert reason(row) == "2 of 5 elements left out: their gradients were below rounding"
    (note,) = rounding_notes([row, dataclasses.replace(row, step=1)])
    assert note == Note(kind=NoteKind.ELEMENTS_LEFT_OUT, numbers=(1,))


@pytest.mark.parametrize("element", [0, 3, 4], ids=["honest", "equal", "noise on one side"])
def test_every_other_element_is_judged(element: int) -> None:
    apart = np.array([0, 2e-3, -2e-3, 0, 0])
    apart[element] = 1e-5
    row = weights(history_of(gradients()), apart)
    assert row.verdict is Verdict.MISMATCH
    assert "2 of 5 elements left out" in reason(row)
    assert row.figures is not None
    assert row.figures.worst[0].index == (element,)


@pytest.mark.parametrize(("apart", "length"), [(5e-3, LENGTH), (math.nan, LENGTH), (1e-3, 0.0), (1e-3, None)])
def test_what_no_step_explains_is_judged(apart: float, length: Optional[float]) -> None:
    row = weights(history_of(gradients()), [0, apart, 0, 0, 0], length)
    assert row.verdict in (Verdict.MISMATCH, Verdict.NONFINITE)
    assert "left out" not in reason(row)


def test_an_element_whose_gradient_was_real_in_any_step_is_judged() -> None:
    real = gradients([0.5, 1e-2, 0, 0, 0], [0.5, 1e-2, 0, 0, 0])
    row = weights(history_of(gradients(), real), [0, 2e-3, 0, 0, 0])
    assert row.verdict is Verdict.MISMATCH


def test_under_the_users_bounds_nothing_is_left_out() -> None:
    row = weights(history_of(gradients(atol=1e-3)), [0, 2e-3, 0, 0, 0])
    assert row.verdict is Verdict.MISMATCH


def test_only_biases_of_some_size_are_looked_into() -> None:
    assert sizes_of(tensor(OURS), tensor(THEIRS)) is not None
    assert sizes_of(tensor([OURS]), tensor([THEIRS])) is None
    assert sizes_of(tensor([1.0]), tensor([2.0])) is None
    assert sizes_of(tensor(OURS, np.int64), tensor(THEIRS, np.int64)) is None
    large = tensor(np.zeros(1 << 19))
    assert sizes_of(large, large) is None


def output(history: GradientHistory, off: float = 0.0, shape: tuple[int, ...] = (3, 5)) -> Row:
    """The row of what the layer made: its bias is apart, and its first element as well."""
    made = np.random.default_rng(0).standard_normal(shape)
    theirs = made + np.resize([0, 2e-3, -2e-3, 0, 0], shape)
    theirs.flat[0] += off
    aspect = Aspect(phase=Phase.FORWARD, kind=CaptureKind.OUTPUT)
    aspect = dataclasses.replace(aspect, offsets=tuple(history.offsets.get("attn", {}).values()))
    measured = measure_pair(aspect, tensor(made), tensor(theirs), tolerances=Tolerances(Options()))
    frame = Row(step=1, phase=aspect.phase, kind=aspect.kind, order=0, verdict=Verdict.NOT_COMPARED)
    return judged_row(frame, Evidence(kind=frame.kind, measured=measured), Options())


def test_what_the_layer_makes_is_compared_less_the_offset_of_its_bias() -> None:
    history = history_of(gradients())
    assert output(history).verdict is Verdict.MISMATCH, "nothing has moved yet"
    weights(history, [0, 2e-3, -2e-3, 0, 0])
    row = output(history)
    assert row.verdict is Verdict.WITHIN_TOLERANCE
    assert reason(row) == "less what noise has moved 2 of 5 elements of the layer's bias by"
    assert output(history, off=1e-3).verdict is Verdict.MISMATCH
    assert output(history, shape=(5, 3)).verdict is Verdict.MISMATCH


def test_an_offset_that_is_no_longer_there_excuses_nothing() -> None:
    history = history_of(gradients())
    weights(history, [0, 2e-3, -2e-3, 0, 0])
    weights(history, [0, 0, 0, 0, 0])
    assert output(history).verdict is Verdict.MISMATCH
