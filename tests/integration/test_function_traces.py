"""Functions inside chosen calls, as real workers over the NumPy fake record them and send them on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import pytest
from processes import Service

from padiff_compare.capture.source import CaptureBegins, CaptureChunk, StepItem
from padiff_rpc import trees
from padiff_rpc.fingerprints import from_bytes
from padiff_rpc.tensors import HostTensor, ReceivedTensor, TensorAssembler
from padiff_rpc.v1.records import (
    FunctionSelection,
    FunctionTrace,
    Model,
    ModelFailure,
    OverridePlace,
    OverrideTicket,
    PackedBatch,
    Party,
    StepStart,
    StepSummary,
    WorkerAddress,
)
from padiff_rpc.v1.words import CallMoment, Cause, Pass, Phase, Randomness, Side
from padiff_server.links.worker_link import WorkerLink
from padiff_worker.functions.fingerprints import fingerprint
from padiff_worker.functions.trace import MOST_CALLS

X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
ROOT = FunctionSelection(path="", call=0)
NONE: Mapping[str, HostTensor] = {}


@contextmanager
def loaded(address: str, factory: str, **kwargs: Any) -> Iterator[WorkerLink]:
    model = Model(
        framework="fake", model=f"traced_models:{factory}", kwargs=trees.pack(kwargs), seed=1, train=True
    )
    link = WorkerLink(Side.CANDIDATE, Party(model=model, worker=WorkerAddress(address=address)), print)
    with closing(link):
        link.open()
        assert link.load(deterministic=True, threads=0).failure is None
        link.describe()
        yield link


def items(link: WorkerLink, overrides: Mapping[str, HostTensor] = NONE, **asked: Any) -> list[StepItem]:
    """Returns what a worker says in a step; `overrides` are of inputs, by the layers' paths."""
    places = tuple(
        OverridePlace(moment=CallMoment.ENTRY, path=path, call=0, slot="0", tensor=number)
        for number, path in enumerate(overrides, 1)
    )
    batch = PackedBatch(args=trees.pack([trees.TensorRef(number=1)]), kwargs=trees.pack({}))
    start = StepStart(
        lease="",
        step=0,
        batch=batch,
        optimize=False,
        pass_kind=Pass.LOCKSTEP if overrides else Pass.FREE,
        overrides=places,
        **{"backward": True, "functions": (ROOT,), **asked},
    )
    values = list(overrides.values())
    said = []
    with closing(link.open_step(start, [(1, HostTensor.from_array(X))])) as step:
        for item in step.items():
            said.append(item)
            if isinstance(item, Phase):
                step.acknowledge(item)
            elif isinstance(item, OverrideTicket):
                step.override(item, values[item.place], lambda: None)
    return said


def traces(said: list[StepItem]) -> list[FunctionTrace]:
    return [item for item in said if isinstance(item, FunctionTrace)]


def captured(said: list[StepItem]) -> dict[str, Any]:
    """Returns the values of captures by kind, path and slot."""
    assembler, found, open_captures = TensorAssembler(), {}, {}
    for item in said:
        received: ReceivedTensor | None = None
        if isinstance(item, CaptureBegins):
            open_captures[item.capture.number] = item.capture.id
            received = assembler.header(item.header)
        elif isinstance(item, CaptureChunk):
            received = assembler.chunk(item.chunk)
        if received is not None:
            capture = open_captures[received.number]
            found[f"{capture.kind} {capture.path}.{capture.slot}"] = received.tensor.array
    return found


def test_a_worker_says_that_it_records_functions(service: Service) -> None:
    with loaded(service.candidate, "scaled") as link:
        assert link.worker.has_function_traces


def test_a_trace_shows_the_functions_between_the_layers_before_the_summary(service: Service) -> None:
    with loaded(service.candidate, "scaled") as link:
        said = items(link)
    assert isinstance(said[-1], StepSummary)
    [trace] = traces(said)
    assert said[-2] is trace
    assert [call.operation for call in trace.calls] == ["Linear", "multiply", "add", "relu", "Linear"]
    multiplied = trace.calls[1]
    assert multiplied.source is not None
    assert multiplied.source.file.endswith("traced_models.py")
    assert multiplied.source.text == 'hidden = mark("hidden", self.first(x) * self._factor)'
    assert [(one.name, trees.unpack(one.value)) for one in multiplied.arguments] == [("other", 2.0)]
    values = captured(said)
    assert np.array_equal(
        from_bytes(trace.tensors[multiplied.inputs[0] - 1].fingerprint), fingerprint(values["output first.0"])
    )
    [marked] = [tensor for tensor in trace.tensors if tensor.mark]
    assert (marked.mark, marked.producer) == ("hidden", multiplied.number)
    assert np.array_equal(from_bytes(marked.fingerprint), fingerprint(values["output first.0"] * 2))


def test_the_gradients_of_its_tensors_come_with_it(service: Service) -> None:
    with loaded(service.candidate, "scaled") as link:
        said = items(link)
        [alone] = traces(items(link, backward=False))
    [trace] = traces(said)
    values = captured(said)
    of_first = trace.tensors[trace.calls[1].inputs[0] - 1]
    expected = fingerprint(values["output_gradient first.0"])
    assert np.allclose(from_bytes(of_first.gradient_fingerprint), expected, rtol=1e-6, atol=1e-9)
    assert {tensor.gradient_fingerprint for tensor in alone.tensors} == {b""}


def test_a_step_is_the_same_with_and_without_it(service: Service) -> None:
    with loaded(service.candidate, "scaled") as link:
        with_functions, without = captured(items(link)), captured(items(link, functions=()))
    assert with_functions.keys() == without.keys()
    assert all(with_functions[name].tobytes() == without[name].tobytes() for name in without)
    assert any("gradient" in name for name in without)


def test_nobody_is_told_of_functions_that_were_not_asked_for(service: Service) -> None:
    with loaded(service.candidate, "scaled") as link:
        assert traces(items(link, functions=())) == []
        assert traces(items(link, functions=(FunctionSelection(path="first", call=3),))) == []


def test_what_ran_before_the_model_raised_is_told(service: Service) -> None:
    with loaded(service.candidate, "scaled", fails=True) as link:
        said = items(link)
        assert any(isinstance(item, ModelFailure) for item in said)
        [trace] = traces(said)
        assert [call.operation for call in trace.calls] == ["Linear", "multiply", "add", "relu"]
        assert {bound.path for bound in trace.boundaries} == {"", "first"}


def test_an_override_takes_a_tensors_place_under_a_number_of_its_own(service: Service) -> None:
    given = HostTensor.from_array(np.ones((3, 4), np.float32))
    with loaded(service.candidate, "scaled") as link:
        [trace] = traces(items(link, {"second": given}))
    [bound] = [one for one in trace.boundaries if one.path == "second" and one.moment is CallMoment.ENTRY]
    own, other = trace.tensors[bound.tensor - 1], trace.tensors[bound.replaced_by - 1]
    assert own.producer == trace.calls[3].number
    assert (other.producer, other.replaces) == (0, own.number)
    assert np.array_equal(from_bytes(other.fingerprint), fingerprint(given.array))
    assert trace.calls[-1].inputs == (other.number,)


def test_an_override_of_equal_values_is_the_same_tensor(service: Service) -> None:
    with loaded(service.candidate, "scaled") as link:
        own = captured(items(link))["input second.0"]
        [trace] = traces(items(link, {"second": HostTensor.from_array(own)}))
    assert {bound.replaced_by for bound in trace.boundaries} == {0}


def test_more_calls_than_a_trace_holds_are_cut_off_with_the_reason(service: Service) -> None:
    with loaded(service.candidate, "looping", count=MOST_CALLS + 10) as link:
        [trace] = traces(items(link, backward=False))
    assert len(trace.calls) == MOST_CALLS
    assert trace.cut_short is not None
    assert (trace.cut_short.cause, trace.cut_short.numbers) == (
        Cause.FUNCTIONS_CUT_SHORT,
        (float(MOST_CALLS),),
    )


@pytest.mark.parametrize("randomness", [Randomness.SHARED, Randomness.REPORT])
def test_a_random_operation_is_one_call_whoever_draws(service: Service, randomness: Randomness) -> None:
    with loaded(service.candidate, "looping", count=1, p=0.5) as link:
        [trace] = traces(items(link, randomness=randomness))
    assert [(call.operation, call.is_random) for call in trace.calls] == [
        ("add", False),
        ("dropout", True),
        ("Linear", False),
    ]
