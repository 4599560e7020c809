"""The Worker service: decode, call, encode."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Collection, Iterator
from typing import Any, Optional

import grpc

from padiff_rpc import trees
from padiff_rpc.arena import SharedArenas, SharedStream
from padiff_rpc.convert import from_number, from_proto, to_number, to_proto
from padiff_rpc.errors import PaDiffError, ProtocolError
from padiff_rpc.optimizer_states import messages_of, values_of
from padiff_rpc.tensor_sender import NamedTensor, StreamAssembler, received_bundles, received_tensors
from padiff_rpc.tensors import ReceivedTensor, bounded, checksum, digest
from padiff_rpc.transport import requests
from padiff_rpc.v1 import worker_pb2 as pb
from padiff_rpc.v1 import worker_pb2_grpc
from padiff_rpc.v1.records import (
    DescribeOptimizerResponse,
    Model,
    OptimizerEntry,
    OverrideTicket,
    PackedBatch,
    StepStart,
)
from padiff_rpc.v1.words import Randomness
from padiff_worker.batches import HostBatch, host_batch, packed_batch
from padiff_worker.failures import ModelRaised
from padiff_worker.overrides import OverrideReader
from padiff_worker.step import RunningStep
from padiff_worker.step_events import bundles
from padiff_worker.worker import Worker


def register(worker: Worker, server: grpc.Server) -> None:
    """Adds `worker` to `server`."""
    worker_pb2_grpc.add_WorkerServicer_to_server(WorkerServicer(worker), server)


logger = logging.getLogger(__name__)


class WorkerServicer(worker_pb2_grpc.WorkerServicer):
    """Carries the contract to a `Worker`; errors pass to the interceptor."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def GetInfo(self, request: pb.GetInfoRequest, context: grpc.ServicerContext) -> pb.GetInfoResponse:
        before = self._worker.before()
        return pb.GetInfoResponse(
            worker=to_proto(self._worker.info()),
            state=to_number(self._worker.state()),
            broken_lease=before.broken_lease,
            exit_status=before.exit_status,
            was_silent=before.was_silent,
        )

    def Lease(self, request: pb.LeaseRequest, context: grpc.ServicerContext) -> Iterator[pb.LeaseResponse]:
        ended = threading.Event()
        with self._worker.lease(request.protocol_version, request.patience_seconds, request.codings) as lease:
            if context.add_callback(ended.set):
                self._worker.leases.on_end(ended.set)
                yield pb.LeaseResponse(lease=lease)
                ended.wait()
                self._worker.leases.check_not_ended()

    def OfferArena(
        self, request: pb.OfferArenaRequest, context: grpc.ServicerContext
    ) -> pb.OfferArenaResponse:
        offered = self._worker.offer_arena(request.lease, to_worker=request.to_worker)
        response: pb.OfferArenaResponse = to_proto(offered)
        return response

    def SettleArena(
        self, request: pb.SettleArenaRequest, context: grpc.ServicerContext
    ) -> pb.SettleArenaResponse:
        self._worker.settle_arena(request.lease, to_worker=request.to_worker, mapped=request.mapped)
        return pb.SettleArenaResponse()

    def Load(self, request: pb.LoadRequest, context: grpc.ServicerContext) -> pb.LoadResponse:
        loaded = self._worker.load(
            request.lease,
            from_proto(request.model, Model),
            deterministic=request.deterministic,
            threads=request.threads,
        )
        response: pb.LoadResponse = to_proto(loaded)
        return response

    def Describe(self, request: pb.DescribeRequest, context: grpc.ServicerContext) -> pb.DescribeResponse:
        return pb.DescribeResponse(layers=map(to_proto, self._worker.describe(request.lease)))

    def Trace(
        self, request_iterator: Iterator[pb.TraceRequest], context: grpc.ServicerContext
    ) -> pb.TraceResponse:
        stream = requests(request_iterator)
        start = _first(stream, "start").start
        batch = None if start.batch_from_loader else _batch(start.batch, stream)
        randomness = from_number(start.randomness, Randomness, field="randomness")
        traced = self._worker.trace(start.lease, batch, randomness, repeat=start.repeat)
        return pb.TraceResponse(
            calls=map(to_proto, traced.calls),
            failure=_optional(traced.failure),
            random_operations=map(to_proto, traced.random_operations),
            noise=_optional(traced.noise),
            marks=traced.marks,
            changed_parameters=traced.changed,
        )

    def ReadWeights(
        self, request: pb.ReadWeightsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadWeightsResponse]:
        if request.checksums_only:
            for bundle in self._worker.read_weights(request.lease, request.names):
                yield pb.ReadWeightsResponse(checksums=[checksum(laid.tensor) for _, laid in bundle])
            return
        if request.digests_only:
            for bundle in self._worker.read_weights(request.lease, request.names):
                yield pb.ReadWeightsResponse(digests=[digest(laid.tensor) for _, laid in bundle])
            return
        room, numbers = SharedStream(self._worker.shared).room, itertools.count()
        for bundle in self._worker.read_weights(request.lease, request.names, room):
            named = [
                NamedTensor(number=next(numbers), tensor=laid.tensor, name=name, place=laid.place)
                for name, laid in bundle
            ]
            for frames in self._worker.sender.messages_of(named):
                yield pb.ReadWeightsResponse(frames=frames)

    def WriteWeights(
        self, request_iterator: Iterator[pb.WriteWeightsRequest], context: grpc.ServicerContext
    ) -> pb.WriteWeightsResponse:
        stream = requests(request_iterator)
        lease = _first(stream, "lease").lease
        messages = (request.frames or [request.frame] for request in stream)
        bundles = received_bundles(messages, self._worker.shared.lent)
        return pb.WriteWeightsResponse(written=self._worker.write_weights(lease, bundles))

    def SaveWeights(
        self, request: pb.SaveWeightsRequest, context: grpc.ServicerContext
    ) -> pb.SaveWeightsResponse:
        path, size = self._worker.save_weights(request.lease, request.path)
        return pb.SaveWeightsResponse(path=path, bytes=size)

    def ApplyRule(
        self, request_iterator: Iterator[pb.ApplyRuleRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ApplyRuleResponse]:
        stream = requests(request_iterator)
        start = _first(stream, "start").start
        arrays = bounded(received_tensors(request.frame for request in stream))
        given = {array.name: array.tensor for array in arrays}
        try:
            made = self._worker.apply_rule(start.lease, start.rule, given)
        except ModelRaised as raised:
            yield pb.ApplyRuleResponse(failure=to_proto(raised.failure))
            return
        for number, (name, value) in enumerate(made.items()):
            for frame in self._worker.sender.frames_of(number, value, name):
                yield pb.ApplyRuleResponse(frame=frame)

    def RunStep(
        self, request_iterator: Iterator[pb.RunStepRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.RunStepResponse]:
        stream = requests(request_iterator)
        start = from_proto(_first(stream, "start").start, StepStart)
        with self._worker.step(start) as (run, begin):
            context.add_callback(run.cancel)
            batch = _batch(to_proto(start.batch), stream)
            broken: list[PaDiffError] = []
            listening = threading.Thread(
                target=_listen,
                args=(stream, run, self._worker.shared, broken),
                name="step-requests",
                daemon=True,
            )
            listening.start()
            yield from bundles(begin(batch), self._worker.sender)
            if broken:
                raise broken[0]

    def DescribeOptimizer(
        self, request: pb.DescribeOptimizerRequest, context: grpc.ServicerContext
    ) -> pb.DescribeOptimizerResponse:
        view = self._worker.view_optimizer(request.lease)
        described = DescribeOptimizerResponse() if view is None else view.described()
        response: pb.DescribeOptimizerResponse = to_proto(described)
        return response

    def ReadOptimizerState(
        self, request: pb.ReadOptimizerStateRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadOptimizerStateResponse]:
        entries = [from_proto(entry, OptimizerEntry) for entry in request.entries]
        values = self._worker.read_optimizer_state(request.lease, entries)
        message, worker = pb.ReadOptimizerStateResponse, self._worker
        return messages_of(values, message, worker.shared, worker.sender.frames_of)

    def WriteOptimizerState(
        self, request_iterator: Iterator[pb.WriteOptimizerStateRequest], context: grpc.ServicerContext
    ) -> pb.WriteOptimizerStateResponse:
        stream = requests(request_iterator)
        lease = _first(stream, "lease").lease
        values = values_of(stream, "request", self._worker.shared)
        written = self._worker.write_optimizer_state(lease, values)
        return pb.WriteOptimizerStateResponse(written=written)

    def KeepState(self, request: pb.KeepStateRequest, context: grpc.ServicerContext) -> pb.KeepStateResponse:
        changing = request.changing_parameters if request.spares_parameters else None
        self._worker.keep_state(request.lease, optimizer=request.optimizer, changing=changing)
        return pb.KeepStateResponse()

    def RestoreState(
        self, request: pb.RestoreStateRequest, context: grpc.ServicerContext
    ) -> pb.RestoreStateResponse:
        return pb.RestoreStateResponse(lost_parameters=self._worker.restore_state(request.lease))

    def ReadBatch(
        self, request: pb.ReadBatchRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ReadBatchResponse]:
        try:
            batch = self._worker.read_batch(request.lease, request.index)
        except ModelRaised as raised:
            yield pb.ReadBatchResponse(failure=to_proto(raised.failure))
            return
        if batch is None:
            yield pb.ReadBatchResponse(exhausted=True)
        elif request.keep_there:
            yield pb.ReadBatchResponse(batch=pb.PackedBatch())
        else:
            yield pb.ReadBatchResponse(batch=to_proto(packed_batch(batch, f"batch {request.index}")))
            for number, tensor in batch.tensors.items():
                for frame in self._worker.sender.frames_of(number, tensor):
                    yield pb.ReadBatchResponse(frame=frame)

    def Unload(self, request: pb.UnloadRequest, context: grpc.ServicerContext) -> pb.UnloadResponse:
        self._worker.unload(request.lease)
        return pb.UnloadResponse()

    def GetActivity(
        self, request: pb.GetActivityRequest, context: grpc.ServicerContext
    ) -> pb.GetActivityResponse:
        return pb.GetActivityResponse(activity=to_proto(self._worker.activity(request.lease)))


def _optional(value: Optional[Any]) -> Any:
    return None if value is None else to_proto(value)


def _first(stream: Iterator[Any], expected: str) -> Any:
    """Returns the first message of a request stream, which must hold `expected`."""
    message = next(stream, None)
    if message is None or message.WhichOneof("request") != expected:
        raise ProtocolError(f"the stream must begin with its {expected}")
    return message


def _batch(message: Any, stream: Iterator[Any]) -> HostBatch:
    """Reads the tensors that a batch points at, and no message beyond them."""
    batch = from_proto(message, PackedBatch)
    wanted = trees.tensor_numbers(batch.args, batch.kwargs, batch.target)
    tensors = {got.number: got.tensor for got in bounded(_wanted_tensors(wanted, stream))}
    return host_batch(batch, tensors)


def _wanted_tensors(wanted: Collection[int], stream: Iterator[Any]) -> Iterator[ReceivedTensor]:
    missing = set(wanted)
    assembler = StreamAssembler()
    while missing:
        request = next(stream, None)
        if request is None or request.WhichOneof("request") != "frame":
            raise ProtocolError(f"the stream ended before the batch's tensors {sorted(missing)[:8]} came")
        if request.frame.HasField("header") and request.frame.header.tensor not in missing:
            raise ProtocolError(f"the batch does not point at tensor {request.frame.header.tensor}")
        received = assembler.frame(request.frame)
        if received is not None:
            missing.discard(received.number)
            yield received


def _listen(stream: Iterator[Any], run: RunningStep, shared: SharedArenas, broken: list[PaDiffError]) -> None:
    """Passes on what the coordinator says during a step; its end, however it comes, is a cancellation.

    What contradicts the contract, or is over a limit, is left in `broken`. `shared`: where overrides lie.
    """
    overrides = OverrideReader(run.overrides, shared)
    try:
        for request in stream:
            kind = request.WhichOneof("request")
            if kind == "acknowledged":
                run.acknowledge()
            elif kind == "override":
                overrides.begins(from_proto(request.override.ticket, OverrideTicket), request.override.header)
            elif kind == "override_chunk":
                overrides.chunk(request.override_chunk)
            elif kind == "absent":
                run.overrides.lacks(from_proto(request.absent, OverrideTicket))
            elif request.cancel:
                break
    except PaDiffError as error:
        logger.info("a step's request stream ended: %s", error)
        broken.append(error)
    finally:
        run.cancel()
