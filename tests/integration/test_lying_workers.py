"""A worker that lies: the coordinator says so, blames the side, and goes on serving."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import Service

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

from proxy import RESPONSE, Said, proxy

from padiff_client.exit_codes import TROUBLE
from padiff_client.link import Batches, connect
from padiff_client.report import Report
from padiff_rpc import trees
from padiff_rpc.errors import BusyError, PaDiffError, ProtocolError, StateError
from padiff_rpc.limits import limits
from padiff_rpc.v1 import worker_pb2
from padiff_rpc.v1.records import CompareStart, Model, Options, Party, WorkerAddress
from padiff_rpc.version import PROTOCOL_VERSION

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def compare(service: Service, candidate: str, **options: Any) -> Report:
    model = Model(framework="fake", model="fake_models:net", kwargs=trees.pack({}))
    start = CompareStart(
        protocol_version=PROTOCOL_VERSION,
        reference=Party(model=model, worker=WorkerAddress(address=service.reference)),
        candidate=Party(model=model, worker=WorkerAddress(address=candidate)),
        options=Options(**options),
    )
    with connect(service.coordinator) as connection:
        return connection.compare(start, Batches(({"x": X}, {"x": X})))


def lying(method: str, lie: Callable[[Any], None]) -> Callable[[Said], bytes]:
    """Returns a change of every answer of `method`, once it is read."""

    def change(said: Said) -> bytes:
        name = said.method.rpartition("/")[2]
        if name != method or said.direction != RESPONSE:
            return said.content
        message = getattr(worker_pb2, f"{name}Response").FromString(said.content)
        lie(message)
        return bytes(message.SerializeToString())

    return change


def events(kind: str, lie: Callable[[Any], None]) -> Callable[[Any], None]:
    """Returns a lie about the events of one kind."""

    def change(message: Any) -> None:
        for event in message.events:
            if event.WhichOneof("event") == kind:
                lie(getattr(event, kind))

    return change


def another_protocol(message: Any) -> None:
    message.worker.protocol_version += 1


def two_roots(message: Any) -> None:
    message.layers[1].path = ""


def no_layers(message: Any) -> None:
    del message.layers[:]


def odd_weight(message: Any) -> None:
    message.layers[1].weights[0].spec.shape[0] = -1


def unknown_layer(message: Any) -> None:
    message.calls[2].path = "elsewhere"


def unknown_moment(message: Any) -> None:
    message.calls[0].moment = 99


def other_name(message: Any) -> None:
    for frame in message.frames:
        if frame.HasField("header"):
            frame.header.name += "x"


def one_row_less(message: Any) -> None:
    for frame in message.frames:
        if frame.HasField("header") and frame.header.spec.shape:
            frame.header.spec.shape[0] -= 1


def no_frames(message: Any) -> None:
    del message.frames[:]


def smaller(capture: Any) -> None:
    if capture.header.spec.shape:
        capture.header.spec.shape[0] -= 1


def endless(capture: Any) -> None:
    capture.header.spec.shape[:] = [1 << 58]


def no_such_dtype(capture: Any) -> None:
    capture.header.spec.dtype = 99


def elsewhere(chunk: Any) -> None:
    chunk.offset += 4


def no_phase(message: Any) -> None:
    for event in message.events:
        if event.WhichOneof("event") == "phase":
            event.phase = 99


def no_events(message: Any) -> None:
    for event in message.events:
        event.Clear()


def no_such_place(message: Any) -> None:
    message.events.add().wanted.place = 1 << 30


def a_parameter(capture: Any) -> None:
    capture.id.kind = worker_pb2.CAPTURE_KIND_PARAMETER


LIES: list[tuple[str, Callable[[Any], None], str]] = [
    ("GetInfo", another_protocol, f"speaks protocol version {PROTOCOL_VERSION + 1}"),
    ("Lease", lambda message: setattr(message, "lease", "another"), "this lease has ended"),
    ("Describe", two_roots, "describes two layers at ''"),
    ("Describe", no_layers, "a model without a root"),
    ("Describe", odd_weight, "a shape that no tensor has"),
    ("Trace", unknown_layer, "which it did not describe"),
    ("Trace", unknown_moment, "moment: 99 is no CallMoment"),
    ("ReadWeights", other_name, "out of order"),
    ("ReadWeights", one_row_less, "bytes have come"),
    ("ReadWeights", no_frames, "did not send the weight"),
    ("RunStep", events("capture", smaller), "bytes have come"),
    ("RunStep", events("capture", endless), "PADIFF_MAX_TENSOR_MIB sets this limit"),
    ("RunStep", events("capture", no_such_dtype), "dtype: 99 is no DType"),
    ("RunStep", events("capture", a_parameter), "sent a parameter among its captures"),
    ("RunStep", events("chunk", elsewhere), "bytes have come"),
    ("RunStep", no_phase, "phase: 99 is no Phase"),
    ("RunStep", no_events, "holds nothing known here"),
]


def text_of(service: Service, change: Callable[[Said], bytes], **options: Any) -> str:
    """Returns what becomes of a comparison with a candidate that lies: the error, or the report's trouble."""
    with proxy(service.candidate, change) as candidate:
        try:
            report = compare(service, candidate, **options)
        except (ProtocolError, StateError, BusyError) as error:
            return f"{error.context.get('side')}: {error}"
    assert report.exit_code == TROUBLE
    return "\n".join(f"{trouble.side}: {trouble.text}" for trouble in report.summary.troubles)


@pytest.mark.parametrize(
    ("method", "lie", "text"), LIES, ids=[f"{method}: {text}" for method, _, text in LIES]
)
def test_a_lie_is_told_and_the_next_comparison_passes(
    service: Service, method: str, lie: Callable[[Any], None], text: str
) -> None:
    told = text_of(service, lying(method, lie))
    assert text in told
    assert told.startswith("candidate: ")
    assert compare(service, service.candidate)


def test_a_process_that_does_not_know_the_lease_has_taken_the_place_of_a_lost_one(service: Service) -> None:
    """So the comparison is cut short; it is no error of the request."""

    def another(message: Any) -> None:
        message.lease = "another"

    with proxy(service.candidate, lying("Lease", another)) as candidate:
        report = compare(service, candidate)
    assert report.exit_code == TROUBLE
    assert "has lost the process of this comparison: this lease has ended" in report.troubles[0].text


def test_a_lie_about_overrides_is_told(service: Service) -> None:
    text = text_of(service, lying("RunStep", no_such_place), single_step=True)
    assert f"speaks of override {1 << 30}" in text
    assert compare(service, service.candidate, single_step=True)


@pytest.mark.parametrize("method", ["GetInfo", "Load", "Describe", "Trace", "ReadWeights", "RunStep"])
def test_an_answer_that_is_no_message_is_told(service: Service, method: str) -> None:
    def change(said: Said) -> bytes:
        lies = said.method.endswith(f"/{method}") and said.direction == RESPONSE
        return b"\x0a\xff" if lies else said.content

    assert "answered what is no message of the contract" in text_of(service, change)
    assert compare(service, service.candidate)


@pytest.mark.parametrize("method", ["Describe", "RunStep"])
def test_an_answer_over_the_limit_names_it_and_its_setting(service: Service, method: str) -> None:
    def change(said: Said) -> bytes:
        lies = said.method.endswith(f"/{method}") and said.direction == RESPONSE
        return b"\x00" * (limits().message_bytes + 1) if lies else said.content

    assert "PADIFF_MAX_MESSAGE_MIB sets it" in text_of(service, change)
    assert compare(service, service.candidate)


def test_a_worker_that_says_nothing_false_is_believed(service: Service) -> None:
    with proxy(service.candidate, lambda said: said.content) as candidate:
        assert compare(service, candidate)
        with pytest.raises(PaDiffError, match="each side needs"):
            compare(service, service.reference)
