"""The conversation with a coordinator, against a stand-in that speaks the real wire."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Optional

import numpy as np
import pytest

from padiff_client import InvalidRequestError, StateError, UnauthenticatedError, WorkerLostError
from padiff_client.link import Batches, connect
from padiff_rpc import trees
from padiff_rpc.convert import from_proto, to_proto
from padiff_rpc.tensor_sender import received_tensors
from padiff_rpc.transport import open_server, requests
from padiff_rpc.v1 import coordinator_pb2, coordinator_pb2_grpc
from padiff_rpc.v1.records import (
    CompareStart,
    Coverage,
    Model,
    PackedBatch,
    Party,
    Progress,
    ReportSoFar,
    ReportSummary,
    Row,
    StepResult,
    WorkerAddress,
)
from padiff_rpc.v1.words import CaptureKind, Phase, Verdict
from padiff_rpc.version import PROTOCOL_VERSION

PARTY = Party(model=Model(), worker=WorkerAddress(address="unix:/nowhere"))
START = CompareStart(protocol_version=PROTOCOL_VERSION, candidate=PARTY, reference=PARTY, steps=2)
ROW = Row(step=0, phase=Phase.FORWARD, kind=CaptureKind.OUTPUT, order=0, verdict=Verdict.MATCH)
SUMMARY = ReportSummary(session="s", passed=True, coverage=Coverage())
STEP = StepResult(step=0, passed=True, loss_reference=1.0, loss_candidate=1.0)
SO_FAR = ReportSummary(session="a1", passed=True, coverage=Coverage(), steps=(STEP,))


class StandIn(coordinator_pb2_grpc.CoordinatorServicer):  # type: ignore[misc]
    """Wants one batch a step, keeps what comes, and answers with one row and a summary."""

    def __init__(self) -> None:
        self.version = PROTOCOL_VERSION
        self.heard: list[Any] = []
        self.ended = threading.Event()
        # Said in place of all that, and raised then.
        self.script: Optional[list[Any]] = None
        self.error: Exception = WorkerLostError("gone")

    def GetCoordinatorInfo(self, request: Any, context: Any) -> Any:
        return coordinator_pb2.GetCoordinatorInfoResponse(protocol_version=self.version)

    def Compare(self, iterator: Any, context: Any) -> Iterator[Any]:
        if self.script is not None:
            yield from self.script
            raise self.error
        context.add_callback(self.ended.set)
        response = coordinator_pb2.ReportPart
        incoming = requests(iterator)
        self.heard.append(from_proto(next(incoming).start, CompareStart))
        for step in range(self.heard[0].steps):
            yield response(batch_wanted=coordinator_pb2.BatchWanted(step=step))
            for message in incoming:
                kind = message.WhichOneof("request")
                self.heard.append(message)
                if kind in ("batch_end", "batch_failure"):
                    break
            if kind == "batch_failure":
                break
        yield response(rows=page())
        yield response(summary=to_proto(SUMMARY))


def page() -> Any:
    return coordinator_pb2.RowPage(rows=[to_proto(ROW)])


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
def address(stand_in: StandIn) -> Iterator[str]:
    def register(server: Any) -> None:
        coordinator_pb2_grpc.add_CoordinatorServicer_to_server(stand_in, server)

    with open_server("127.0.0.1:0", register, token="secret", stop_seconds=0.1) as bound:
        yield bound


def test_a_batch_is_sent_when_it_is_wanted_and_the_report_comes_back(address: str, stand_in: StandIn) -> None:
    image = np.arange(6, dtype=np.float32).reshape(2, 3)
    with connect(address, token="secret") as connection:
        report = connection.compare(START, Batches(({"x": image}, {"y": image})))
    assert report
    assert report.rows == (ROW,)
    start, *messages = stand_in.heard
    assert start == START
    assert [message.WhichOneof("request") for message in messages] == [
        *("batch", "frame", "frame", "batch_end"),
        *("batch", "frame", "frame", "batch_end"),
    ]
    assert messages[4].batch.step == 1
    reference = from_proto(messages[0].batch.reference, PackedBatch)
    assert trees.unpack(reference.kwargs) == {"y": trees.TensorRef(number=1)}
    frames = [message.frame for message in messages if message.WhichOneof("request") == "frame"]
    first, second = received_tensors(frames)
    assert (first.number, second.number) == (1, 2)
    np.testing.assert_array_equal(second.tensor.array, image)


def test_a_batch_that_cannot_be_had_ends_the_comparison_with_its_report(
    address: str, stand_in: StandIn
) -> None:
    one = [{"x": 1}]
    with connect(address, token="secret") as connection:
        report = connection.compare(START, Batches((one, one)))
    assert report.rows == (ROW,)
    failure = stand_in.heard[-1].batch_failure
    assert failure.text == (
        "example_inp[0]: ended after 1 batches; every step needs one, so give more or fewer steps"
    )


def test_a_bad_leaf_is_heard_of_before_anything_is_sent() -> None:
    with pytest.raises(InvalidRequestError, match="cannot travel"):
        Batches(({"x": {1, 2}}, {}))


def test_an_interrupt_cancels_the_stream(address: str, stand_in: StandIn) -> None:
    def interrupted() -> Iterator[Any]:
        yield {"x": 1}
        raise KeyboardInterrupt

    both = interrupted()
    with connect(address, token="secret") as connection:
        with pytest.raises(KeyboardInterrupt):
            connection.compare(START, Batches((both, both)))
        assert stand_in.ended.wait(5)


def test_another_protocol_version_is_refused(address: str, stand_in: StandIn) -> None:
    stand_in.version = PROTOCOL_VERSION + 1
    with pytest.raises(StateError, match=rf"the coordinator at {address} speaks protocol version"):
        with connect(address, token="secret"):
            pass


def test_a_wrong_token_is_refused(address: str) -> None:
    with pytest.raises(UnauthenticatedError, match="no token or a wrong one"):
        with connect(address, token="guess"):
            pass


def test_nobody_at_the_address_is_one_clear_line() -> None:
    with pytest.raises(
        WorkerLostError, match=r"the coordinator at 127\.0\.0\.1:1 is gone or cannot"
    ) as caught:
        with connect("127.0.0.1:1"):
            pass
    assert "\n" not in str(caught.value)


def test_a_stream_that_breaks_ends_the_report_with_what_has_come(address: str, stand_in: StandIn) -> None:
    response = coordinator_pb2.ReportPart
    stand_in.script = [
        response(progress=to_proto(Progress(session="a1", phase=Phase.FORWARD, step=3))),
        response(so_far=to_proto(ReportSoFar(summary=SO_FAR))),
        response(rows=page()),
    ]
    with connect(address, token="secret") as connection:
        stand_in.error = WorkerLostError("gone")
        report = connection.compare(START, None)
        assert report.rows == (ROW,)
        assert report.exit_code == 2
        (trouble,) = report.troubles
        assert (trouble.text, trouble.step, trouble.phase) == ("gone", 3, Phase.FORWARD)
        assert report.steps == SO_FAR.steps
        # What is wrong with the request is no report.
        stand_in.error = InvalidRequestError("wrong")
        with pytest.raises(InvalidRequestError, match="wrong"):
            connection.compare(START, None)


def test_a_stream_that_breaks_before_anything_was_found_is_an_error(address: str, stand_in: StandIn) -> None:
    progress = to_proto(Progress(session="a1", phase=Phase.CONNECT))
    stand_in.script = [coordinator_pb2.ReportPart(progress=progress)]
    stand_in.error = WorkerLostError("cannot be reached")
    with connect(address, token="secret") as connection:
        with pytest.raises(WorkerLostError, match="cannot be reached"):
            connection.compare(START, None)
