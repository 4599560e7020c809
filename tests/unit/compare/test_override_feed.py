"""The overrides of a step: planned on the traces, pushed under credits, asked for out of turn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from padiff_compare.alignment.plan import PairedLayer, Plan
from padiff_compare.capture.trace import Origin, Trace
from padiff_compare.join.calls import join_calls
from padiff_compare.lockstep.lockstep_plan import LockstepPlan, plan_lockstep
from padiff_compare.lockstep.override_feed import InputNoise, OverrideFeed
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import CallEvent, NotOverridden, OverrideTicket, Reason, Slot, TensorSpec
from padiff_rpc.v1.words import CallMoment, Cause, DType, NoteKind, PairedBy, Pass, Phase, Side

ENTRY, EXIT = CallMoment.ENTRY, CallMoment.EXIT
SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(4,))
BYTES = 16


def event(moment, path, *tensors, call=0):
    slots = tuple(Slot(name=str(i), tensor=number, spec=SPEC) for i, number in enumerate(tensors))
    return CallEvent(moment=moment, path=path, call=call, slots=slots)


def plan_of(*paths):
    return Plan(
        layers=tuple(PairedLayer(reference=path, candidate=path, how=PairedBy.SAME_PATH) for path in paths)
    )


# The reference's layer `b` makes a new tensor, the candidate's hands its input on.
REFERENCE = (
    event(ENTRY, "", 1),
    event(ENTRY, "a", 1),
    event(EXIT, "a", 2),
    event(ENTRY, "b", 2),
    event(EXIT, "b", 3),
    event(EXIT, "", 3),
)
CANDIDATE = (
    event(ENTRY, "", 1),
    event(ENTRY, "a", 1),
    event(EXIT, "a", 2),
    event(ENTRY, "b", 2),
    event(EXIT, "b", 2),
    event(EXIT, "", 2),
)
TRACES = {Side.REFERENCE: Trace.of_events(REFERENCE), Side.CANDIDATE: Trace.of_events(CANDIDATE)}
PLAN = plan_lockstep(join_calls(plan_of("", "a", "b"), TRACES))
FIRST, OF_A, OF_B = OverrideTicket(place=0), OverrideTicket(place=2), OverrideTicket(place=4)
ORIGINS = {FIRST: Origin("", 0, ENTRY, "0"), OF_A: Origin("a", 0, EXIT, "0"), OF_B: Origin("b", 0, EXIT, "0")}


class Outlet:
    def __init__(self):
        self.sent, self.lacking = [], []

    def override(self, ticket, tensor, sent):
        self.sent.append(ticket)
        sent()

    def absent(self, ticket):
        self.lacking.append(ticket)


@pytest.fixture
def outlet():
    return Outlet()


@pytest.fixture
def let_go():
    return []


@pytest.fixture
def feed(outlet):
    made = OverrideFeed(PLAN, gradients=False, window_bytes=BYTES)
    made.open(outlet)
    return made


def bring(feed, ticket, let_go):
    tensor = HostTensor.from_array(np.zeros(4, np.float32))
    feed.arrived(ORIGINS[ticket], (tensor,), lambda: let_go.append(ticket), gradient=False)


def test_each_tensor_is_pushed_where_it_first_belongs():
    assert [(place.path, str(place.moment), place.tensor, place.pushed) for place in PLAN.places] == [
        ("", "entry", 1, True),
        ("a", "entry", 1, False),
        ("a", "exit", 2, True),
        ("b", "entry", 2, False),
        ("b", "exit", 3, True),
        ("", "exit", 3, False),
    ]


def test_calls_without_a_partner_have_no_places():
    alone = plan_lockstep(join_calls(plan_of("", "a"), TRACES))
    assert {place.path for place in alone.places} == {"", "a"}


def test_what_fits_the_window_is_sent_and_the_rest_when_credits_come(feed, outlet, let_go):
    for ticket in (FIRST, OF_A, OF_B):
        bring(feed, ticket, let_go)
    assert outlet.sent == [FIRST]
    feed.credited(BYTES)
    assert outlet.sent == [FIRST, OF_A]
    feed.credited(BYTES)
    assert outlet.sent == let_go == [FIRST, OF_A, OF_B]
    assert feed.traffic == {Phase.FORWARD: 3 * BYTES}


def test_what_the_candidate_waits_for_ignores_order_and_window(feed, outlet, let_go):
    for ticket in (FIRST, OF_A, OF_B):
        bring(feed, ticket, let_go)
    feed.wanted(OF_B)
    assert outlet.sent == [FIRST, OF_B]


def test_what_is_wanted_before_it_exists_goes_out_as_it_comes(feed, outlet, let_go):
    bring(feed, FIRST, let_go)
    feed.wanted(OF_B)
    bring(feed, OF_B, let_go)
    assert outlet.sent == [FIRST, OF_B]
    assert outlet.lacking == []


def test_what_the_reference_never_made_is_absent_at_its_end(feed, outlet, let_go):
    feed.wanted(OF_A)
    assert outlet.lacking == []
    feed.reference_ended()
    assert outlet.lacking == [OF_A]
    feed.wanted(OF_B)
    assert outlet.lacking == [OF_A, OF_B]


def test_a_second_place_gets_its_tensor_while_it_is_kept_and_is_refused_after(feed, outlet, let_go):
    again = OverrideTicket(place=3)
    bring(feed, OF_A, let_go)
    assert let_go == [OF_A]
    feed.wanted(again)
    assert outlet.lacking == [again]


def test_nothing_is_sent_before_the_outlet_is_open_or_after_it_is_closed(outlet, let_go):
    feed = OverrideFeed(PLAN, gradients=False)
    bring(feed, FIRST, let_go)
    assert outlet.sent == []
    feed.open(outlet)
    assert outlet.sent == [FIRST]
    feed.close()
    bring(feed, OF_A, let_go)
    assert outlet.sent == [FIRST]


def test_gradients_follow_in_reverse(outlet, let_go):
    feed = OverrideFeed(PLAN, gradients=True)
    feed.open(outlet)
    tensor = HostTensor.from_array(np.zeros(4, np.float32))
    assert feed.wants(ORIGINS[OF_A], gradient=True)
    for ticket in (OF_B, OF_A):
        feed.arrived(ORIGINS[ticket], (tensor,), lambda: None, gradient=True)
    assert outlet.sent == [OverrideTicket(place=4, gradient=True), OverrideTicket(place=2, gradient=True)]


def test_what_a_place_keeps_is_not_sent(outlet):
    keeping = plan_lockstep(
        join_calls(plan_of("", "a", "b"), TRACES),
        lambda slots: {1: (True, True), 2: (True, False), 3: (False, True)}[slots.reference.tensor],
    )
    assert [(place.path, str(place.moment)) for place in keeping.places] == [
        ("a", "exit"),
        ("b", "entry"),
        ("b", "exit"),
        ("", "exit"),
    ]
    feed = OverrideFeed(keeping, gradients=True)
    feed.open(outlet)
    wanted = {
        ticket: tuple(feed.wants(ORIGINS[ticket], gradient=which) for which in (False, True))
        for ticket in ORIGINS
    }
    assert wanted == {FIRST: (False, False), OF_A: (False, True), OF_B: (True, False)}
    tensor = HostTensor.from_array(np.zeros(4, np.float32))
    feed.arrived(ORIGINS[OF_B], (tensor,), lambda: None, gradient=False)
    feed.arrived(ORIGINS[OF_A], (tensor,), lambda: None, gradient=True)
    assert outlet.sent == [OverrideTicket(place=2), OverrideTicket(place=0, gradient=True)]


def test_a_half_is_cast_to_the_candidates_dtype(outlet):
    feed = OverrideFeed(PLAN, gradients=False)
    got = []
    outlet.override = lambda ticket, tensor, sent: got.append(tensor.dtype)
    feed.open(outlet)
    feed.arrived(
        ORIGINS[FIRST], (HostTensor.from_array(np.zeros(4, np.float16)),), lambda: None, gradient=False
    )
    assert got == [DType.FLOAT32]


def test_refusals_are_told_by_reason(feed):
    for ticket in (FIRST, OF_A):
        feed.refused(NotOverridden(ticket=ticket, reason=Reason(cause=Cause.NO_SUCH_TENSOR)))
    [note] = feed.notes()
    assert (note.kind, note.pass_kind) == (NoteKind.VALUES_KEPT, Pass.LOCKSTEP)
    assert (note.names, note.numbers) == (("", "entry", "0", "a", "exit", "0"), (0, 0))


TIPS = InputNoise(epsilons=6.0, draw=1, tips=True)
MIXED = np.array([0.0, 1.0, 0.7, -3.0, np.inf, 0.7], np.float32)


def sent_with(noise, values):
    sent = []
    wide = TensorSpec(dtype=DType.FLOAT64, shape=values.shape)
    plan = dataclasses.replace(PLAN, specs=tuple(wide for _ in PLAN.specs))
    feed = OverrideFeed(plan, gradients=False, noise=noise)
    outlet = Outlet()
    outlet.override = lambda ticket, tensor, let_go: sent.append(tensor.array)
    feed.open(outlet)
    feed.arrived(
        ORIGINS[FIRST], (HostTensor.from_array(values.astype(np.float32)),), lambda: None, gradient=False
    )
    return sent[0]


def test_noise_is_as_large_as_asked_and_leaves_whole_numbers_alone():
    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    values[::10] = 2.0
    off = abs(sent_with(InputNoise(epsilons=0.5), values) / values - 1)
    assert not off[::10].any()
    assert 0.9 * 2.0**-24 < off.max() <= 2.0**-24


def test_noise_that_tips_tells_equal_values_apart_and_its_opposite_the_other_way():
    one, other = (
        sent_with(InputNoise(epsilons=sign * 6.0, draw=1, tips=True), MIXED) for sign in (1.0, -1.0)
    )
    assert one[2] != one[5]
    assert (one[2] > one[5]) is not (other[2] > other[5])
    assert one[0] != 0.0
    assert abs(one[0]) < 1e-6
    assert one[4] == np.inf


def test_zeros_go_down_alone_and_each_two_of_them_both_ways():
    values = np.array([0.0, 0.5, 0.0, 0.0, 2.5, 0.0], np.float32)
    one, other = (
        sent_with(InputNoise(epsilons=sign * 6.0, draw=1, tips=True), values)[values == 0.0]
        for sign in (1.0, -1.0)
    )
    assert (one < 0.0).all()
    assert (other < 0.0).all()
    assert np.array_equal(np.argsort(one), np.argsort(other)[::-1])


@pytest.mark.parametrize("noise", [InputNoise(epsilons=0.5), TIPS])
def test_what_is_whole_throughout_gets_no_noise(noise):
    mask = np.array([0.0, 1.0, -1e9, np.inf])
    assert np.array_equal(sent_with(noise, mask), mask)


def test_what_an_arrival_costs_does_not_grow_with_the_step():
    class Counting(LockstepPlan):
        asked = 0

        def label(self, ticket):
            type(self).asked += 1
            return super().label(ticket)

    names = [f"layer{number}" for number in range(300)]
    events = [
        event(moment, name, number + (moment is EXIT) + 1)
        for number, name in enumerate(names)
        for moment in (ENTRY, EXIT)
    ]
    traces = {side: Trace.of_events(events) for side in Side}
    made = plan_lockstep(join_calls(plan_of(*names), traces))
    feed = OverrideFeed(Counting(**vars(made)), gradients=False)
    outlet = Outlet()
    feed.open(outlet)
    tensor = HostTensor.from_array(np.zeros(4, np.float32))
    for name in names:
        feed.arrived(Origin(name, 0, EXIT, "0"), (tensor,), lambda: None, gradient=False)
    assert len(outlet.sent) == len(names)
    assert Counting.asked < 10 * len(made.places)
