"""Workers that send nonsense are refused with an error of ours, wherever it is noticed."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from any_messages import any_message, damaged

from padiff_compare.alignment.align import align
from padiff_compare.alignment.plan import SideTrace
from padiff_compare.alignment.plan_view import plan_pairs
from padiff_compare.alignment.slots import Meeting, loss_slots
from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.store import TensorStore
from padiff_compare.capture.trace import Origin, Trace
from padiff_compare.join.calls import join_calls
from padiff_compare.join.captures import PassPlan, StepCaptures
from padiff_compare.join.foreseen import Expectations
from padiff_compare.judge.measured import measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.lockstep.lockstep_plan import LockstepPlan
from padiff_compare.lockstep.override_feed import OverrideFeed
from padiff_compare.model_index import ModelIndex
from padiff_compare.steps.step_reader import StepReader
from padiff_compare.weights.hyper_parameters import differences
from padiff_compare.weights.weight_fates import fates
from padiff_compare.weights.weight_plan import plan_weights
from padiff_rpc import trees
from padiff_rpc.arena import NOT_SHARED
from padiff_rpc.convert import from_proto, to_number, to_proto
from padiff_rpc.errors import BusyError, InvalidRequestError, ProtocolError
from padiff_rpc.limits import limits
from padiff_rpc.tensors import HostTensor, chunks_of, header_of
from padiff_rpc.v1 import models_pb2, worker_pb2
from padiff_rpc.v1.records import (
    CallEvent,
    CaptureId,
    DescribeOptimizerResponse,
    Layer,
    NotOverridden,
    OptimizerGroup,
    Options,
    OverridePlace,
    OverrideTicket,
    Reason,
    Slot,
    StatedPairing,
    TensorSpec,
    Weight,
)
from padiff_rpc.v1.words import CallMoment, CaptureKind, Cause, DType, Phase, Side, WeightKind
from padiff_server.described import check_calls, check_optimizer, checked_layers
from padiff_server.links.step_call import _item

OURS = (ProtocolError, InvalidRequestError, BusyError)
PEER = "the worker"
SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(2, 3))
WEIGHT = Weight(name="weight", kind=WeightKind.PARAMETER, spec=SPEC)
LAYERS = (
    Layer(path="", classes=("fake.Net",)),
    Layer(path="a", classes=("torch.nn.modules.linear.Linear",), weights=(WEIGHT,)),
    Layer(path="b", classes=("torch.nn.modules.activation.ReLU",)),
)
PATHS = tuple(layer.path for layer in LAYERS)


def call(path: str, moment: CallMoment, *slots: Slot) -> CallEvent:
    return CallEvent(path=path, moment=moment, slots=slots)


def slot(tensor: int, name: str = "0", spec: TensorSpec = SPEC) -> Slot:
    return Slot(name=name, tensor=tensor, spec=spec)


CALLS = (
    call("", CallMoment.ENTRY, slot(1)),
    call("a", CallMoment.ENTRY, slot(1)),
    call("a", CallMoment.EXIT, slot(2)),
    call("", CallMoment.EXIT, slot(2)),
)


def _aligned(layers: dict[Side, tuple[Layer, ...]], calls: dict[Side, tuple[CallEvent, ...]]) -> Any:
    """Does with both sides' descriptions what a comparison does before its first step."""
    traces = {side: Trace.of_events(calls[side]) for side in SIDES}
    sides = [SideTrace(layers=layers[side], trace=traces[side]) for side in SIDES]
    plan = align(*sides, StatedPairing())
    models = {side: ModelIndex(layers[side]) for side in SIDES}
    weights = plan_weights(plan, layers[Side.REFERENCE], layers[Side.CANDIDATE], StatedPairing())
    fates(weights, layers[Side.REFERENCE], layers[Side.CANDIDATE])
    differences(plan, layers[Side.REFERENCE], layers[Side.CANDIDATE])
    plan_pairs(plan, models, traces)
    loss_slots(traces)
    return PassPlan(plan=plan, weights=weights, expectations=Expectations(join_calls(plan, traces)))


LIKELY = {
    "path": st.sampled_from([*PATHS, "c"]),
    "shape": st.integers(1, 3) | st.sampled_from([0, -1, 2**62]),
    "name": st.sampled_from(["0", "weight", "bias", "mask"]),
    "tied_to": st.sampled_from(["", "a.weight", "b.bias"]),
    "tensor": st.integers(0, 4),
    "place": st.integers(0, 3),
    "call": st.integers(0, 2),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_description_is_aligned_or_refused(data: st.DataObject) -> None:
    layers = data.draw(damaged([to_proto(one) for one in LAYERS], any_message(models_pb2.Layer, **LIKELY)))
    calls = data.draw(damaged([to_proto(one) for one in CALLS], any_message(models_pb2.CallEvent, **LIKELY)))
    with contextlib.suppress(*OURS):
        described = checked_layers([from_proto(layer, Layer) for layer in layers], peer=PEER)
        traced = tuple(from_proto(event, CallEvent) for event in calls)
        check_calls(traced, {layer.path for layer in described}, peer=PEER)
        _aligned(
            {Side.REFERENCE: LAYERS, Side.CANDIDATE: described},
            {Side.REFERENCE: CALLS, Side.CANDIDATE: traced},
        )


def _events() -> list[Any]:
    """An honest step: calls with their captures, and the gradient of one of them."""
    value = HostTensor.from_array(np.ones((2, 3), np.float32))

    def capture(number: int, kind: CaptureKind, path: str, gradient_of: int = 0) -> list[Any]:
        named = CaptureId(step=0, path=path, call=0, slot="0", kind=kind)
        header = worker_pb2.CaptureHeader(
            id=to_proto(named), header=header_of(number, value), gradient_of=gradient_of
        )
        chunks = [worker_pb2.StepEvent(chunk=chunk) for chunk in chunks_of(number, value, 12)]
        return [worker_pb2.StepEvent(capture=header), *chunks]

    first, second, third, fourth = (worker_pb2.StepEvent(call=to_proto(event)) for event in CALLS)
    return [
        worker_pb2.StepEvent(phase=to_number(Phase.FORWARD)),
        *capture(1, CaptureKind.INPUT, ""),
        first,
        second,
        *capture(2, CaptureKind.OUTPUT, "a"),
        third,
        fourth,
        *capture(3, CaptureKind.OUTPUT_GRADIENT, "a", gradient_of=2),
        *capture(4, CaptureKind.PARAMETER_GRADIENT, "a"),
        worker_pb2.StepEvent(summary=worker_pb2.StepSummary(calls=2)),
    ]


def _read(side: Side, events: list[Any], captures: StepCaptures, store: TensorStore) -> None:
    reader = StepReader(side, captures, store)
    reader.read((_item(event, NOT_SHARED) for event in events), lambda phase: None)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(damaged(_events(), any_message(worker_pb2.StepEvent, **LIKELY)))
def test_any_step_is_read_and_measured_or_refused(events: list[Any]) -> None:
    known = _aligned(dict.fromkeys(SIDES, LAYERS), dict.fromkeys(SIDES, CALLS))
    tolerances = Tolerances(Options())

    def measure(table: Any, pair: Any) -> None:
        first, second = table.halves(pair)
        with contextlib.suppress(*OURS):
            measure_pair(
                table.aspect(pair),
                first.tensors,
                second.tensors[0],
                sum_squares=first.sum_squares,
                tolerances=tolerances,
            )
        table.settle(pair, None)

    with TensorStore(1 << 16) as store:
        captures = StepCaptures(known, store, measure)
        _read(Side.CANDIDATE, _events(), captures, store)
        with contextlib.suppress(*OURS):
            _read(Side.REFERENCE, events, captures, store)
        captures.close()
        assert store.in_memory_bytes == store.spilled_bytes == 0


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(["wanted", "refused"]))
def test_a_ticket_without_a_place_is_refused(place: int, gradient: bool, what: str) -> None:
    places = (OverridePlace(moment=CallMoment.ENTRY, path="a", call=0, slot="0", tensor=1),)
    origin = Origin("a", 0, CallMoment.ENTRY, "0")
    feed = OverrideFeed(
        LockstepPlan(
            places=places,
            labels={origin: 1},
            specs=(SPEC,),
            meetings=((Meeting(), Meeting()),),
            gradients=(1,),
        ),
        gradients=True,
    )
    ticket = OverrideTicket(place=place, gradient=gradient)

    def say() -> None:
        if what == "wanted":
            feed.wanted(ticket)
        else:
            feed.refused(NotOverridden(ticket=ticket, reason=Reason(cause=Cause.NO_SUCH_TENSOR)))

    if place == 0:
        say()
        assert len(list(feed.notes())) == (what == "refused")
    else:
        with pytest.raises(ProtocolError, match="there are 1"):
            say()


@pytest.mark.parametrize(
    ("layers", "match"),
    [
        ((), "without a root"),
        (LAYERS[1:], "without a root"),
        ((*LAYERS, LAYERS[1]), "two layers at 'a'"),
        ((*LAYERS, Layer(path="c", aliases=("b",))), "two layers at 'b'"),
        ((LAYERS[0], Layer(path="a", weights=(WEIGHT, WEIGHT))), "two weights called 'a.weight'"),
        (
            (LAYERS[0], Layer(path="a", weights=(dataclasses.replace(WEIGHT, tied_to="b.weight"),))),
            "ties the weight 'a.weight' to 'b.weight'",
        ),
        (
            (
                LAYERS[0],
                Layer(
                    path="a",
                    weights=(dataclasses.replace(WEIGHT, spec=TensorSpec(dtype=DType.FLOAT32, shape=(-1,))),),
                ),
            ),
            "a shape that no tensor has",
        ),
    ],
)
def test_a_description_that_cannot_be_is_refused(layers: tuple[Layer, ...], match: str) -> None:
    with pytest.raises(ProtocolError, match=match):
        checked_layers(layers, peer=PEER)


def test_a_trace_of_what_was_not_described_is_refused() -> None:
    with pytest.raises(ProtocolError, match="a call of 'c', which it did not describe"):
        check_calls([call("c", CallMoment.ENTRY)], PATHS, peer=PEER)
    with pytest.raises(ProtocolError, match="two tensors in the slot '0'"):
        check_calls([call("a", CallMoment.ENTRY, slot(1), slot(2))], PATHS, peer=PEER)


@pytest.mark.parametrize(
    ("settings_tree", "conventions", "match"),
    [
        ([1], {}, "no map from names"),
        ({1: 2}, {}, "no map from names"),
        ({"learning_rate": [0.1]}, {}, "no plain value"),
        ({}, {"epsilon": 1}, "a convention that is no text"),
    ],
)
def test_an_optimizer_that_cannot_be_is_refused(settings_tree: Any, conventions: Any, match: str) -> None:
    described = DescribeOptimizerResponse(
        groups=(OptimizerGroup(parameters=("a.weight",), settings=trees.pack(settings_tree)),),
        conventions=trees.pack(conventions),
    )
    with pytest.raises(ProtocolError, match=match):
        check_optimizer(described, peer=PEER)


def test_hyper_parameters_that_are_no_map_are_refused() -> None:
    with pytest.raises(ProtocolError, match="no map from names"):
        checked_layers([Layer(path="", hyper_parameters=trees.pack([1]))], peer=PEER)


@pytest.fixture
def of_one(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Bounds layers and calls by one."""
    monkeypatch.setenv("PADIFF_MAX_LAYERS", "1")
    monkeypatch.setenv("PADIFF_MAX_CALLS", "1")
    limits.cache_clear()
    yield
    limits.cache_clear()


@pytest.mark.usefixtures("of_one")
def test_layers_and_calls_beyond_their_limits_name_the_settings() -> None:
    with pytest.raises(BusyError, match="more than 1 layers; PADIFF_MAX_LAYERS sets this limit"):
        checked_layers(LAYERS, peer=PEER)
    with pytest.raises(BusyError, match="more than 1 entries and exits; PADIFF_MAX_CALLS sets this limit"):
        check_calls(CALLS, PATHS, peer=PEER)
    known = _aligned(dict.fromkeys(SIDES, LAYERS), dict.fromkeys(SIDES, CALLS))
    with TensorStore(1 << 16) as store:
        captures = StepCaptures(known, store, lambda *ready: None)
        with pytest.raises(BusyError, match="in a step; PADIFF_MAX_CALLS sets this limit"):
            _read(Side.REFERENCE, _events(), captures, store)
