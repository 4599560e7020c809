"""A recorded conversation is understood today: each peer's part is played against the others of today.

tests/record_conversation.py made the recording. Where a test here fails, peers that speak the same protocol
version as ours no longer understand us: raise PROTOCOL_VERSION, then record anew. (A change of the fake
framework's Net shows here as well; then recording anew is enough.)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from processes import Service, failure_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fakes"))

from conversation import (
    RESPONSE,
    Call,
    Caller,
    answering,
    from_the_future,
    lacking,
    meaning,
    message_of,
    read,
)
from conversation_script import talk
from proxy import REQUEST, Said, proxy

from padiff_client.link import connect
from padiff_client.report import Report
from padiff_rpc.errors import StateError
from padiff_rpc.v1 import coordinator_pb2, worker_pb2
from padiff_rpc.version import PROTOCOL_VERSION, package_version

RECORDING = Path(__file__).resolve().parents[1] / "recordings" / "comparison.bin"
LARGEST_BYTES = 200_000

future = pytest.mark.parametrize("future", [False, True], ids=["as recorded", "with unknown fields"])


@pytest.fixture(scope="module")
def links() -> dict[str, list[Call]]:
    return read(RECORDING)


def assert_same_meaning(call: Call, now: list[bytes]) -> None:
    recorded = meaning(call.method, call.responses)
    assert lacking(recorded, meaning(call.method, now)) == [], call.method


def test_the_recording_is_small_and_of_todays_version(links: dict[str, list[Call]]) -> None:
    assert RECORDING.stat().st_size < LARGEST_BYTES
    said = {call.name for calls in links.values() for call in calls}
    assert {"Lease", "Load", "Describe", "Trace", "ReadWeights", "WriteWeights", "RunStep"} <= said
    assert {"Compare", "Plan", "AssignWeights"} <= said
    (greeting, *_) = links["client"]
    answer = message_of(greeting.method, RESPONSE, greeting.responses[0])
    assert answer.protocol_version == PROTOCOL_VERSION


@future
@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_todays_worker_answers_the_recorded_coordinator(
    service: Service, links: dict[str, list[Call]], side: str, future: bool
) -> None:
    with Caller(getattr(service, side), future=future) as caller:
        for call in links[side]:
            assert_same_meaning(call, caller.play(call, call.requests))


@future
def test_todays_coordinator_answers_the_recorded_client(
    service: Service, links: dict[str, list[Call]], future: bool
) -> None:
    with Caller(service.coordinator, future=future) as caller:
        for call in links["client"]:
            requests = [redirected(call, content, service) for content in call.requests]
            assert_same_meaning(call, caller.play(call, requests))


def redirected(call: Call, content: bytes, service: Service) -> bytes:
    """Returns a recorded request with the addresses of today's workers."""
    message = message_of(call.method, REQUEST, content)
    asked = message.start if call.name in ("Compare", "Plan") else message
    for side in ("reference", "candidate"):
        if hasattr(asked, side) and asked.HasField(side):
            getattr(asked, side).worker.address = getattr(service, side)
    if call.name == "Compare" and message.HasField("start") and not asked.options.single_step:
        asked.options.local_error = False  # what the recorded client left out meant that
    return bytes(message.SerializeToString())


@future
def test_todays_coordinator_understands_the_recorded_workers(
    service: Service, links: dict[str, list[Call]], future: bool
) -> None:
    with ExitStack() as exits:
        reference, candidate = (
            exits.enter_context(answering(links[side], future=future)) for side in ("reference", "candidate")
        )
        assert_reports(talk(service.coordinator, reference, candidate))


@future
def test_todays_client_understands_the_recorded_coordinator(
    links: dict[str, list[Call]], future: bool
) -> None:
    with answering(links["client"], future=future) as coordinator:
        assert_reports(talk(coordinator, "127.0.0.1:1", "127.0.0.1:2"))


def assert_reports(reports: list[Report]) -> None:
    training, lockstep, plan, assignment = reports
    assert training
    assert training.summary.coverage.tensors_compared == training.summary.coverage.tensors_total > 30
    assert lockstep
    assert len(plan.plan) == 5
    assert assignment
    assert len(assignment.rows) == 8


def test_all_of_todays_peers_understand_messages_with_unknown_fields(service: Service) -> None:
    def change(said: Said) -> bytes:
        return from_the_future(said.method, said.direction, said.content) if said.content else b""

    with ExitStack() as exits:
        coordinator, reference, candidate = (
            exits.enter_context(proxy(address, change))
            for address in (service.coordinator, service.reference, service.candidate)
        )
        assert_reports(talk(coordinator, reference, candidate))


# Older and newer peers


OTHERS = pytest.mark.parametrize(
    "other", [PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1], ids=["older", "newer"]
)


def of_version(number: int, method: str) -> Callable[[Said], bytes]:
    """Returns a change of what a peer says its version is, in the answers of `method`."""

    def change(said: Said) -> bytes:
        if not said.method.endswith(f"/{method}") or said.direction != RESPONSE:
            return said.content
        message = message_of(said.method, RESPONSE, said.content)
        (message.worker if method == "GetInfo" else message).protocol_version = number
        return bytes(message.SerializeToString())

    return change


def message_for(peer: str, other: int, *, says_package: bool = True) -> str:
    """What is said of a peer of another protocol version, whose package is of the same version as ours."""
    ours = package_version()
    package = f" (padiff-rpc {ours})" if says_package else ""
    where = "there" if other < PROTOCOL_VERSION else "here"
    wanted = f"padiff-rpc=={ours}" if where == "there" or says_package else "--upgrade padiff-rpc"
    return (
        f"{peer}{package} speaks protocol version {other} and this side (padiff-rpc {ours}) version "
        f"{PROTOCOL_VERSION}: run 'pip install {wanted}' {where}"
    )


@OTHERS
def test_a_coordinator_tells_of_a_worker_of_another_version(service: Service, other: int) -> None:
    with proxy(service.candidate, of_version(other, "GetInfo")) as candidate:
        with pytest.raises(StateError) as caught:
            talk(service.coordinator, service.reference, candidate)
    assert str(caught.value).startswith(message_for(f"the candidate worker at {candidate}", other))


@OTHERS
def test_a_client_tells_of_a_coordinator_of_another_version(service: Service, other: int) -> None:
    with proxy(service.coordinator, of_version(other, "GetCoordinatorInfo")) as coordinator:
        with pytest.raises(StateError) as caught, connect(coordinator):
            pass
    assert str(caught.value).startswith(message_for(f"the coordinator at {coordinator}", other))


def refused(address: str, method: str, request: Any) -> tuple[grpc.StatusCode, str]:
    def attempt() -> None:
        with grpc.insecure_channel(address) as channel:
            list(channel.stream_stream(method)(iter([request.SerializeToString()]), timeout=30))

    failure = failure_of(attempt, grpc.StatusCode.FAILED_PRECONDITION)
    return failure.code(), failure.details()


def coordinator_requests(other: int) -> Iterator[tuple[str, Any]]:
    pb = coordinator_pb2
    yield "Compare", pb.CompareRequest(start=pb.CompareStart(protocol_version=other))
    yield "Plan", pb.PlanRequest(start=pb.PlanStart(protocol_version=other))
    yield "AssignWeights", pb.AssignWeightsRequest(protocol_version=other)
    yield "CheckInputs", pb.CheckInputsRequest(protocol_version=other)


@OTHERS
def test_a_coordinator_and_a_worker_tell_callers_of_another_version(service: Service, other: int) -> None:
    for method, request in coordinator_requests(other):
        code, text = refused(service.coordinator, f"/padiff_rpc.v1.Coordinator/{method}", request)
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert text.startswith(message_for("the client", other, says_package=False))
    lease = worker_pb2.LeaseRequest(protocol_version=other)
    code, text = refused(service.reference, "/padiff_rpc.v1.Worker/Lease", lease)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert text.startswith(message_for("the coordinator", other, says_package=False))
