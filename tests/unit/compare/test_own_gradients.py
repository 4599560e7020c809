"""Inputs whose calls' own gradients are compared: found on the traces, by what takes each tensor."""

from __future__ import annotations

import pytest

from padiff_compare.alignment.plan import PairedLayer, Plan
from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.trace import Trace
from padiff_compare.join.calls import join_calls
from padiff_compare.join.foreseen import Expectations, own_inputs, with_own_gradients
from padiff_compare.lockstep.lockstep_plan import plan_lockstep
from padiff_rpc.v1.records import CallEvent, CallInput, Slot, TensorSpec
from padiff_rpc.v1.words import CallMoment, DType, Side

ENTRY, EXIT = CallMoment.ENTRY, CallMoment.EXIT
SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(2,))
PLAN = Plan(
    layers=tuple(PairedLayer(reference=path, candidate=path, how="same path") for path in ("", "a", "b", "c"))
)


def event(moment, path, *tensors):
    slots = (
        Slot(name=str(i), tensor=number, spec=SPEC, takers=takers)
        for i, (number, takers) in enumerate(tensors)
    )
    return CallEvent(moment=moment, path=path, slots=tuple(slots))


def trace(b, c, a=(2, 1)):
    """Returns a trace of three layers in a row; `b` and `c`: the tensors that go in, and their takers."""
    calls = [event(ENTRY, "", (1, 1)), event(ENTRY, "a", (1, 1)), event(EXIT, "a", a)]
    calls += [
        event(ENTRY, "b", *b),
        event(EXIT, "b", (8, 1)),
        event(ENTRY, "c", *c),
        event(EXIT, "c", (9, 1)),
    ]
    return [*calls, event(EXIT, "", (9, 1))]


def shown(reference, candidate):
    traces = {Side.REFERENCE: reference, Side.CANDIDATE: candidate}
    return with_own_gradients(
        join_calls(PLAN, {side: Trace(events=tuple(events)) for side, events in traces.items()})
    )


def found(reference, candidate):
    traces = shown(reference, candidate).traces
    return [[f"{one.path}.{one.slot}" for one in own_inputs(traces[side])] for side in SIDES]


ANEW = trace([(5, 1)], [(6, 1)])


@pytest.mark.parametrize(
    ("reference", "candidate", "ours", "theirs"),
    [
        pytest.param(ANEW, ANEW, [], [], id="alike"),
        pytest.param(ANEW, trace([(5, 2)], [(6, 1)]), [], ["b.0"], id="code goes on with it on one side"),
        pytest.param(trace([(5, 2)], [(6, 3)]), ANEW, ["b.0", "c.0"], [], id="or on the other"),
        pytest.param(trace([(5, 2)], [(6, 1)]), trace([(5, 3)], [(6, 1)]), ["b.0"], ["b.0"], id="on both"),
        pytest.param(ANEW, trace([(5, 2)], [(5, 2)]), [], ["b.0", "c.0"], id="two equal ones are one"),
        pytest.param(
            trace([(5, 2)], [(6, 2)]),
            trace([(5, 2)], [(5, 2)]),
            ["b.0", "c.0"],
            ["b.0", "c.0"],
            id="two equal ones are one, though each has as many takers",
        ),
        pytest.param(ANEW, trace([(5, 0)], [(6, 1)]), [], [], id="takers that are not known"),
        pytest.param(
            trace([(2, 1)], [(6, 1)]),
            trace([(2, 2)], [(6, 1)], a=(2, 2)),
            [],
            [],
            id="a layer's result on both sides",
        ),
        pytest.param(
            trace([(2, 2)], [(6, 1)], a=(2, 2)), ANEW, ["b.0"], [], id="a layer's result on one side"
        ),
        pytest.param(trace([(1, 2)], [(6, 1)]), trace([(1, 3)], [(6, 1)]), [], [], id="given to the model"),
    ],
)
def test_own_gradients_are_asked_for_where_totals_need_not_agree(reference, candidate, ours, theirs):
    assert found(reference, candidate) == [ours, theirs]


def test_one_tensor_in_two_slots_of_a_call_has_one_gradient_of_the_calls_own():
    candidate = trace([(5, 3), (5, 3)], [(6, 1)])
    reference = trace([(5, 2), (5, 2)], [(6, 1)])
    traces = shown(reference, candidate).traces
    for side in SIDES:
        first, second = traces[side].events[3].slots
        assert first.gradient == second.gradient > 9
        assert own_inputs(traces[side]) == tuple(CallInput(path="b", call=0, slot=slot) for slot in "01")


def test_each_gradient_waits_for_its_own_partners_and_is_overridden_by_them():
    joined = shown(ANEW, trace([(5, 2)], [(5, 2)]))
    expected, candidate = Expectations(joined), joined.traces[Side.CANDIDATE]
    origins = dict(candidate.origins())
    first, second = (candidate.events[index].slots[0].gradient for index in (3, 5))
    counts = {
        number: [expected.partners(Side.CANDIDATE, origins[number], gradient=one) for one in (False, True)]
        for number in (5, first, second)
    }
    # The tensor seen first, twice: its total gradient is nobody's.
    assert counts == {5: [2, 0], first: [0, 1], second: [0, 1]}
    plan = plan_lockstep(joined)
    taken = [
        (place.path, place.pushed, place.own_gradient, place.keeps_gradient, gradient)
        for place, gradient in zip(plan.places, plan.gradients)
        if place.moment is ENTRY and place.path in ("b", "c")
    ]
    assert taken == [("b", True, True, False, 5), ("c", True, True, False, 6)]
