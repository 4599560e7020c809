"""The Worker service over a recording: decode, look up, encode."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import grpc

from padiff_rpc.convert import to_number, to_proto
from padiff_rpc.errors import StateError
from padiff_rpc.tensors import CHUNK_BYTES
from padiff_rpc.transport import requests
from padiff_rpc.v1 import worker_pb2 as pb
from padiff_rpc.v1 import worker_pb2_grpc
from padiff_worker.recorded.player import Player


class RecordedServicer(worker_pb2_grpc.WorkerServicer):
    """Carries the contract to a `Player`; errors pass to the interceptor."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def GetInfo(self, request: pb.GetInfoRequest, context: grpc.ServicerContext) -> pb.GetInfoResponse:
        return pb.GetInfoResponse(
            worker=to_proto(self._player.info()), state=to_number(self._player.leases.state())
        )

    def Lease(self, request: pb.LeaseRequest, context: grpc.ServicerContext) -> Iterator[pb.LeaseResponse]:
        ended = threading.Event()
        with self._player.lease(request.protocol_version) as lease:
            if context.add_callback(ended.set):
                yield pb.LeaseResponse(lease=lease)
                ended.wait()

    def Load(self, request: pb.LoadRequest, context: grpc.ServicerContext) -> pb.LoadResponse:
        loaded: pb.LoadResponse = to_proto(self._player.contents(request.lease).begins.loaded)
        return loaded

    def Describe(self, request: pb.DescribeRequest, context: grpc.ServicerContext) -> pb.DescribeResponse:
        return self._player.contents(request.lease).layers

    def Trace(
        self, request_iterator: Iterator[pb.TraceRequest], context: grpc.ServicerContext
    ) -> pb.TraceResponse:
        stream = requests(request_iterator)
        lease = next(stream, pb.TraceRequest()).start.lease
        _exhaust(stream)
        return self._player.contents(lease).trace

    def ReadWeights(
        self, request: pb.ReadWeightsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadWeightsResponse]:
        for frame in self._player.weights(request.lease, request.names):
            yield pb.ReadWeightsResponse(frames=[frame])

    def RunStep(
        self, request_iterator: Iterator[pb.RunStepRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.RunStepResponse]:
        stream = requests(request_iterator)
        start = next(stream, pb.RunStepRequest()).start
        # What the coordinator says during the step changes nothing of it.
        threading.Thread(target=_exhaust, args=(stream,), name="step-requests", daemon=True).start()
        for event in self._player.step(start):
            yield pb.RunStepResponse(events=[event])

    def KeepState(self, request: pb.KeepStateRequest, context: grpc.ServicerContext) -> pb.KeepStateResponse:
        before_step = request.before_step if request.HasField("before_step") else None
        self._player.keep_state(request.lease, before_step)
        return pb.KeepStateResponse()

    def RestoreState(
        self, request: pb.RestoreStateRequest, context: grpc.ServicerContext
    ) -> pb.RestoreStateResponse:
        self._player.restore_state(request.lease)
        return pb.RestoreStateResponse()

    def DescribeOptimizer(
        self, request: pb.DescribeOptimizerRequest, context: grpc.ServicerContext
    ) -> pb.DescribeOptimizerResponse:
        return self._player.optimizer(request.lease)

    def ReadOptimizerState(
        self, request: pb.ReadOptimizerStateRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadOptimizerStateResponse]:
        entries = [(entry.parameter, entry.state) for entry in request.entries]
        return self._player.optimizer_state(request.lease, entries)

    def ReadBatch(
        self, request: pb.ReadBatchRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadBatchResponse]:
        contents = self._player.contents(request.lease)
        if request.index >= len(contents.steps):
            yield pb.ReadBatchResponse(exhausted=True)
            return
        step = contents.steps[request.index]
        yield pb.ReadBatchResponse(batch=step.batch)
        for frame in contents.batch_frames(step):
            yield pb.ReadBatchResponse(frame=frame)

    def ReadFloors(
        self, request: pb.ReadFloorsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadFloorsResponse]:
        floors = self._player.recorded(request.lease, request.step).floors
        for offset in range(0, len(floors), CHUNK_BYTES):
            yield pb.ReadFloorsResponse(content=floors[offset : offset + CHUNK_BYTES])

    def Unload(self, request: pb.UnloadRequest, context: grpc.ServicerContext) -> pb.UnloadResponse:
        return pb.UnloadResponse()

    def WriteWeights(self, request_iterator: Any, context: grpc.ServicerContext) -> Any:
        raise _read_only()

    def WriteOptimizerState(self, request_iterator: Any, context: grpc.ServicerContext) -> Any:
        raise _read_only()

    def SaveWeights(self, request: Any, context: grpc.ServicerContext) -> Any:
        raise _read_only()

    def ApplyRule(self, request_iterator: Any, context: grpc.ServicerContext) -> Any:
        raise _read_only()


def _read_only() -> StateError:
    return StateError("this is a recording, which is not written to and runs no code; use a worker for that")


def _exhaust(stream: Iterable[Any]) -> None:
    for _ in stream:
        pass
