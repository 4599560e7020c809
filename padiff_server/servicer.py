"""The Coordinator service: decode, call, encode."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TypeVar, Union

import grpc

from padiff_compare.capture.batches import BatchEnd, BatchMessage
from padiff_compare.report.builder import KeptTensor, Message, pages
from padiff_rpc.convert import from_proto, to_proto
from padiff_rpc.errors import ProtocolError
from padiff_rpc.tensors import Array, TensorAssembler, frames_of
from padiff_rpc.transport import requests
from padiff_rpc.v1 import coordinator_pb2 as pb
from padiff_rpc.v1 import coordinator_pb2_grpc
from padiff_rpc.v1.records import (
    AssignWeightsRequest,
    AttachRequest,
    BatchFailure,
    BatchWanted,
    CheckInputsRequest,
    CompareStart,
    KeptPair,
    PlanStart,
    Progress,
    RecordStart,
    ReportSoFar,
    RowPage,
    SendBatch,
    TensorSpec,
)
from padiff_rpc.version import PROTOCOL_VERSION, check_protocol_version, package_version
from padiff_server.clients import Clients
from padiff_server.recorded_parts import RECORDED, recorded_parts
from padiff_server.running_session import Told
from padiff_server.sessions import Sessions
from padiff_server.worker_directory import ConfiguredWorker
from padiff_server.worker_listing import list_workers

S = TypeVar("S", CompareStart, PlanStart, RecordStart)
_Request = Union[pb.CompareRequest, pb.PlanRequest, pb.RecordRequest]


class CoordinatorServicer(coordinator_pb2_grpc.CoordinatorServicer):
    """Carries the contract to the sessions; errors pass to the interceptor."""

    def __init__(
        self,
        sessions: Sessions,
        clients: Clients,
        workers: Sequence[ConfiguredWorker],
        *,
        memory_limit_bytes: int,
    ) -> None:
        self._sessions = sessions
        self._clients = clients
        self._workers = workers
        self._memory_limit_bytes = memory_limit_bytes

    def GetCoordinatorInfo(
        self, request: pb.GetCoordinatorInfoRequest, context: grpc.ServicerContext
    ) -> pb.GetCoordinatorInfoResponse:
        return pb.GetCoordinatorInfoResponse(
            protocol_version=PROTOCOL_VERSION,
            package_version=package_version(),
            python_version=platform.python_version(),
            memory_limit_bytes=self._memory_limit_bytes,
        )

    def Compare(
        self, request_iterator: Iterator[pb.CompareRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ReportPart]:
        stream = requests(request_iterator)
        messages = self._sessions.compare(
            self._clients.call(context),
            _start(stream, CompareStart),
            _batch_messages(stream, self._sessions.room),
        )
        yield from chain.from_iterable(map(_parts, messages))

    def AssignWeights(
        self, request: pb.AssignWeightsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReportPart]:
        check_protocol_version(request.protocol_version, peer="the client")
        asked = from_proto(request, AssignWeightsRequest)
        messages = self._sessions.assign_weights(self._clients.call(context), asked)
        yield from map(_part, messages)

    def Plan(
        self, request_iterator: Iterator[pb.PlanRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ReportPart]:
        stream = requests(request_iterator)
        messages = self._sessions.plan(
            self._clients.call(context),
            _start(stream, PlanStart),
            _batch_messages(stream, self._sessions.room),
        )
        yield from map(_part, messages)

    def CheckInputs(
        self, request: pb.CheckInputsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReportPart]:
        check_protocol_version(request.protocol_version, peer="the client")
        asked = from_proto(request, CheckInputsRequest)
        messages = self._sessions.check_inputs(self._clients.call(context), asked)
        yield from map(_part, messages)

    def Record(
        self, request_iterator: Iterator[pb.RecordRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ReportPart]:
        stream = requests(request_iterator)
        messages = self._sessions.record(
            self._clients.call(context),
            _start(stream, RecordStart),
            _batch_messages(stream, self._sessions.room),
        )
        yield from chain.from_iterable(map(_parts, messages))

    def Attach(self, request: pb.AttachRequest, context: grpc.ServicerContext) -> Iterator[pb.ReportPart]:
        asked = from_proto(request, AttachRequest)
        yield from chain.from_iterable(map(_parts, self._sessions.attach(self._clients.call(context), asked)))

    def GetReport(
        self, request: pb.GetReportRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReportPart]:
        finished = self._sessions.report(self._clients.call(context), request.session)
        messages: list[Message] = [*pages(finished.rows), finished.summary]
        yield from map(_part, messages)

    def ListWorkers(
        self, request: pb.ListWorkersRequest, context: grpc.ServicerContext
    ) -> pb.ListWorkersResponse:
        return pb.ListWorkersResponse(workers=map(to_proto, list_workers(self._workers)))


def register(
    sessions: Sessions,
    clients: Clients,
    workers: Sequence[ConfiguredWorker],
    memory_limit_bytes: int,
    server: grpc.Server,
) -> None:
    """Adds the service to a server."""
    servicer = CoordinatorServicer(sessions, clients, workers, memory_limit_bytes=memory_limit_bytes)
    coordinator_pb2_grpc.add_CoordinatorServicer_to_server(servicer, server)


def _start(stream: Iterator[_Request], kind: type[S]) -> S:
    message = next(stream, None)
    if message is None or message.WhichOneof("request") != "start":
        raise ProtocolError("the stream must begin with its start")
    # Before anything else is read: another version may mean something else by it.
    check_protocol_version(message.start.protocol_version, peer="the client")
    return from_proto(message.start, kind)


def _batch_messages(
    stream: Iterator[_Request], room: Callable[[TensorSpec], Array]
) -> Iterator[BatchMessage]:
    assembler = TensorAssembler(room)
    for message in stream:
        kind = message.WhichOneof("request")
        if kind == "frame":
            received = assembler.frame(message.frame)
            if received is not None:
                yield received
                del received  # whose memory counts while anybody holds it
        elif kind == "batch":
            yield from_proto(message.batch, SendBatch)
        elif kind == "batch_end":
            assembler.finish()
            yield BatchEnd()
        elif kind == "batch_failure":
            yield BatchFailure(text=message.batch_failure.text)
        else:
            raise ProtocolError("the start was sent twice, or a request is empty")


def _parts(message: Told) -> Iterator[pb.ReportPart]:
    """Yields `message` as it travels; a tensor is several."""
    if isinstance(message, KeptTensor):
        yield from (pb.ReportPart(frame=frame) for frame in frames_of(message.number, message.tensor))
    elif isinstance(message, RECORDED):
        yield from (pb.ReportPart(recorded=part) for part in recorded_parts(message))
    else:
        yield _part(message)


def _part(message: Told) -> pb.ReportPart:
    """Returns `message` as it travels."""
    if isinstance(message, Progress):
        return pb.ReportPart(progress=to_proto(message))
    if isinstance(message, BatchWanted):
        return pb.ReportPart(batch_wanted=to_proto(message))
    if isinstance(message, RowPage):
        return pb.ReportPart(rows=to_proto(message))
    if isinstance(message, ReportSoFar):
        return pb.ReportPart(so_far=to_proto(message))
    if isinstance(message, KeptPair):
        return pb.ReportPart(kept=to_proto(message))
    return pb.ReportPart(summary=to_proto(message))
