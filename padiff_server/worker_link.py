"""The coordinator's end of one worker, for the length of one comparison."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Optional, Union

from padiff_rpc import transport
from padiff_rpc.convert import from_proto, to_number, to_proto
from padiff_rpc.errors import (
    CancelledError,
    InvalidRequestError,
    PaDiffError,
    ProtocolError,
    WorkerLostError,
)
from padiff_rpc.optimizer_states import EntryValue, messages_of, values_of
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor, ReceivedTensor, TensorAssembler, bounded, frames_of
from padiff_rpc.types import (
    Batch,
    CallEvent,
    DescribeOptimizerResponse,
    Layer,
    ModelFailure,
    OptimizerEntry,
    Party,
    RandomOperation,
    RunToRunNoise,
    StepStart,
    WorkerInfo,
)
from padiff_rpc.v1 import worker_pb2, worker_pb2_grpc
from padiff_rpc.version import check_protocol_version
from padiff_rpc.words import Phase, Randomness, Side
from padiff_server.described import check_calls, checked_layers
from padiff_server.steps.step_call import StepCall
from padiff_server.worker_lease import WorkerLease, take_lease

NumberedTensors = Sequence[tuple[int, HostTensor]]

# Long enough for a worker that is just starting, short enough for a mistyped address.
DIAL_SECONDS = 5.0
_PROBE_SECONDS = 2.0
_REASON_SECONDS = 0.1


@record
class LoadResponse:
    """What the framework was set to. `failure` set: no model was built."""

    flags: tuple[str, ...] = ()
    failure: Optional[ModelFailure] = None


@record
class TraceResponse:
    """The calls of one forward pass, up to the failure if there was one, and its random decisions.

    `noise`: how far a second pass from the same state differed; None without one.
    """

    calls: tuple[CallEvent, ...] = ()
    failure: Optional[ModelFailure] = None
    random_operations: tuple[RandomOperation, ...] = ()
    noise: Optional[RunToRunNoise] = None


@record
class LoadedBatch:
    """A batch of a worker's loader, and its tensors by number."""

    batch: Batch
    tensors: Mapping[int, HostTensor]


@record
class Look:
    """What a look into a loader found; neither: a batch."""

    exhausted: bool = False
    failure: Optional[ModelFailure] = None


class WorkerLink:
    """One worker, leased. Errors it raises carry the side in their context; any thread may `close` it.

    Attributes:
        side: the role that the worker plays.
        worker: what it says of itself.
        traffic: bytes of tensors that crossed this link, by phase.
    """

    worker: WorkerInfo

    def __init__(self, side: Side, party: Party) -> None:
        self.side = side
        self.model = party.model
        name = f" {party.worker.name}" if party.worker.name else ""
        self.peer = f"the {side} worker{name} at {party.worker.address}"
        self.traffic: Counter[Phase] = Counter()
        self._counting = threading.Lock()
        self._address = party.worker
        self._exits = contextlib.ExitStack()
        self._held: Optional[WorkerLease] = None
        self._lease = ""
        self._paths: frozenset[str] = frozenset()
        self._closed = threading.Event()

    def open(self) -> None:
        """Dials the worker, checks who it is and takes its lease.

        Raises WorkerLostError, StateError (protocol version), InvalidRequestError (framework) or
        BusyError (leased to another).
        """
        with self._blamed():
            address = self._address
            channel = transport.open_channel(
                address.address, token=address.token, tls=address.tls, insecure=address.insecure
            )
            self._exits.callback(channel.close)
            self._caller = transport.Caller(
                worker_pb2_grpc.WorkerStub(channel), peer=self.peer, explain=self._explained
            )
            self._introduce()
            self._held = take_lease(self._caller, peer=self.peer, closed=self._closed)
            self._exits.callback(self._held.close)
            self._lease = self._held.name

    def close(self) -> None:
        """Gives the worker back, which drops its model, and ends every call that still runs.

        May be called twice, and before `open`.
        """
        self._closed.set()
        self._exits.close()

    def _introduce(self) -> None:
        try:
            info = self._caller.GetInfo(
                worker_pb2.GetInfoRequest(), timeout=DIAL_SECONDS, wait_for_ready=True
            )
        except WorkerLostError:
            raise WorkerLostError(
                f"{self.peer} cannot be reached: nothing answered within {DIAL_SECONDS:g} s"
                f"{self._why_unreachable()}; start it, or correct the address or its credentials"
            ) from None
        # Before anything else is read: another version may mean something else by it.
        check_protocol_version(info.worker.protocol_version, peer=self.peer)
        self.worker = from_proto(info.worker, WorkerInfo)
        wanted = self.model.framework
        if wanted and wanted != self.worker.framework:
            raise InvalidRequestError(
                f"{self.side}.framework: {self.peer} runs {self.worker.framework}, not {wanted}: "
                "name the framework that it runs, or another worker"
            )

    def _why_unreachable(self) -> str:
        """A call that waits for a connection ends without the reason that there was none; one that does not
        wait has it."""
        try:
            self._caller.GetInfo(worker_pb2.GetInfoRequest(), timeout=_REASON_SECONDS)
        except PaDiffError as error:
            return f" ({error})"
        return ""

    def _explained(self, error: PaDiffError) -> PaDiffError:
        return error if self._held is None else self._held.explained(error)

    @contextlib.contextmanager
    def _blamed(self) -> Iterator[None]:
        if self._closed.is_set():
            raise CancelledError(f"the connection to {self.peer} is closed")
        try:
            yield
        except ValueError:  # what gRPC says when the channel was closed a moment ago
            if self._closed.is_set():
                raise CancelledError(f"the connection to {self.peer} is closed") from None
            raise
        except PaDiffError as error:
            error.context = {"side": str(self.side), **error.context}
            raise

    def count_traffic(self, byte_counts: Mapping[Phase, int]) -> None:
        """Adds to `traffic`; for any thread, since gRPC sends on threads of its own."""
        with self._counting:
            self.traffic.update(byte_counts)

    def is_alive(self) -> bool:
        """Asks the worker whether it still answers; waits at most two seconds."""
        try:
            self._caller.GetInfo(worker_pb2.GetInfoRequest(), timeout=_PROBE_SECONDS)
        except PaDiffError:
            return False
        return True

    def load(self, *, deterministic: bool, threads: int) -> LoadResponse:
        """Builds the model; what the user's factory raises is a failure in the result.

        Raises InvalidRequestError that names the side before the field ("candidate.model: ...").
        """
        with self._blamed():
            request = worker_pb2.LoadRequest(
                lease=self._lease, model=to_proto(self.model), deterministic=deterministic, threads=threads
            )
            try:
                return from_proto(self._caller.Load(request), LoadResponse)
            except InvalidRequestError as error:
                raise InvalidRequestError(f"{self.side}.{error}", **error.context) from None

    def describe(self) -> tuple[Layer, ...]:
        """Returns the layer tree, definition order."""
        with self._blamed():
            response = self._caller.Describe(worker_pb2.DescribeRequest(lease=self._lease))
            layers = checked_layers([from_proto(layer, Layer) for layer in response.layers], peer=self.peer)
        self._paths = frozenset(layer.path for layer in layers)
        return layers

    def trace(
        self,
        batch: Batch,
        tensors: NumberedTensors,
        *,
        from_loader: bool = False,
        randomness: Randomness,
        repeat: bool,
    ) -> TraceResponse:
        """Runs one forward pass that leaves nothing behind; what the model raises is in the result.

        `repeat`: twice, to see whether the model agrees with itself.
        """

        def requests() -> Iterator[Any]:
            start = worker_pb2.TraceStart(
                lease=self._lease,
                batch=to_proto(batch),
                batch_from_loader=from_loader,
                randomness=to_number(randomness),
                repeat=repeat,
            )
            yield worker_pb2.TraceRequest(start=start)
            for frame in self._frames(tensors, Phase.TRACE):
                yield worker_pb2.TraceRequest(frame=frame)

        with self._blamed():
            response = from_proto(self._caller.Trace(requests()), TraceResponse)
            check_calls(response.calls, self._paths, peer=self.peer)
            return response

    def look_for_batch(self, index: int) -> Look:
        """Has the worker's loader read batch `index`, counted from 0, which stays there for the step."""
        with self._blamed():
            request = worker_pb2.ReadBatchRequest(lease=self._lease, index=index, keep_there=True)
            with self._caller.ReadBatch(request) as responses:
                for response in responses:
                    if response.HasField("failure"):
                        return Look(failure=from_proto(response.failure, ModelFailure))
                    return Look(exhausted=response.exhausted)
        raise ProtocolError(f"{self.peer} said nothing of its loader's batch {index}")

    def read_batch(self, index: int) -> Union[Look, LoadedBatch]:
        """Returns batch `index` of the worker's loader, counted from 0, or why there is none."""
        heads: list[Batch] = []
        looks: list[Look] = []

        def frames(responses: Iterable[Any]) -> Iterator[Any]:
            for response in responses:
                kind = response.WhichOneof("response")
                if kind == "frame":
                    yield response.frame
                elif kind == "batch":
                    heads.append(from_proto(response.batch, Batch))
                elif kind == "failure":
                    looks.append(Look(failure=from_proto(response.failure, ModelFailure)))
                else:
                    looks.append(Look(exhausted=response.exhausted))

        with self._blamed():
            request = worker_pb2.ReadBatchRequest(lease=self._lease, index=index)
            with self._caller.ReadBatch(request) as responses:
                received = self._received(frames(responses), Phase.INPUTS)
                tensors = {r.number: r.tensor for r in bounded(received)}
        if looks:
            return looks[0]
        if not heads:
            raise ProtocolError(f"{self.peer} said nothing of its loader's batch {index}")
        return LoadedBatch(batch=heads[0], tensors=tensors)

    def keep_state(self, *, optimizer: bool) -> None:
        """Has the worker remember its model's state as it is now, and the `optimizer`'s if asked.

        Raises InvalidRequestError that names the side for an optimizer whose state cannot be seen.
        """
        with self._blamed():
            try:
                self._caller.KeepState(worker_pb2.KeepStateRequest(lease=self._lease, optimizer=optimizer))
            except InvalidRequestError as error:
                raise InvalidRequestError(f"{self.side}.{error}", **error.context) from None

    def restore_state(self) -> None:
        """Has the worker put back what it remembered."""
        with self._blamed():
            self._caller.RestoreState(worker_pb2.RestoreStateRequest(lease=self._lease))

    def read_weights(self, names: Sequence[str], phase: Phase) -> Iterator[HostTensor]:
        """Yields the named weights in this order, each when it has come whole."""
        if not names:
            return
        with self._blamed():
            request = worker_pb2.ReadWeightsRequest(lease=self._lease, names=names)
            with self._caller.ReadWeights(request) as responses:
                frames = (frame for response in responses for frame in response.frames)
                expected = iter(names)
                for received in self._received(frames, phase):
                    if received.name != next(expected, None):
                        raise ProtocolError(f"{self.peer} sent the weight {received.name!r} out of order")
                    yield received.tensor
                missing = next(expected, None)
                if missing is not None:
                    raise ProtocolError(f"{self.peer} did not send the weight {missing!r}")

    def write_weights(self, weights: Iterable[tuple[str, HostTensor]], phase: Phase) -> int:
        """Writes (full name, value) pairs; returns how many. `weights` is iterated on another thread."""
        broken: list[Exception] = []

        def requests() -> Iterator[Any]:
            yield worker_pb2.WriteWeightsRequest(lease=self._lease)
            try:
                for number, (name, tensor) in enumerate(weights, start=1):
                    self.count_traffic({phase: tensor.byte_count})
                    for frame in frames_of(number, tensor, name):
                        yield worker_pb2.WriteWeightsRequest(frame=frame)
            except Exception as error:  # gRPC would swallow it: keep it for the caller's thread
                broken.append(error)

        with self._blamed():
            try:
                written = int(self._caller.WriteWeights(requests()).written)
            except PaDiffError:
                if broken:
                    raise broken[0] from None
                raise
            if broken:
                raise broken[0]
            return written

    def save_weights(self, path: str) -> str:
        """Saves the model's state in the worker's file system; returns the path there."""
        with self._blamed():
            request = worker_pb2.SaveWeightsRequest(lease=self._lease, path=path)
            return str(self._caller.SaveWeights(request).path)

    def describe_optimizer(self) -> DescribeOptimizerResponse:
        """Returns the optimizer as it is now; without a class where there is nothing to look into."""
        with self._blamed():
            request = worker_pb2.DescribeOptimizerRequest(lease=self._lease)
            return from_proto(self._caller.DescribeOptimizer(request), DescribeOptimizerResponse)

    def read_optimizer_state(self, entries: Sequence[OptimizerEntry], phase: Phase) -> Iterator[HostTensor]:
        """Yields the values of `entries` in this order, each when it has come whole."""
        if not entries:
            return
        with self._blamed():
            request = worker_pb2.ReadOptimizerStateRequest(lease=self._lease, entries=map(to_proto, entries))
            with self._caller.ReadOptimizerState(request) as responses:
                expected = iter(entries)
                for entry, value in values_of(responses, "response"):
                    if entry != next(expected, None):
                        raise ProtocolError(
                            f"{self.peer} sent {entry.state} of {entry.parameter} out of order"
                        )
                    self.count_traffic({phase: value.byte_count})
                    yield value
                if next(expected, None) is not None:
                    raise ProtocolError(f"{self.peer} did not send all of its optimizer's state")

    def write_optimizer_state(self, values: Iterable[EntryValue], phase: Phase) -> int:
        """Writes the values that the optimizer has a place for; returns how many.

        `values` is iterated on another thread.
        """
        broken: list[Exception] = []

        def requests() -> Iterator[Any]:
            yield worker_pb2.WriteOptimizerStateRequest(lease=self._lease)
            try:
                yield from messages_of(self._counted(values, phase), worker_pb2.WriteOptimizerStateRequest)
            except Exception as error:  # gRPC would swallow it: keep it for the caller's thread
                broken.append(error)

        with self._blamed():
            try:
                written = int(self._caller.WriteOptimizerState(requests()).written)
            except PaDiffError:
                if broken:
                    raise broken[0] from None
                raise
            if broken:
                raise broken[0]
            return written

    def _counted(self, values: Iterable[EntryValue], phase: Phase) -> Iterator[EntryValue]:
        for entry, value in values:
            self.count_traffic({phase: value.byte_count})
            yield entry, value

    def apply_rule(
        self, rule: str, arrays: Sequence[tuple[str, HostTensor]], phase: Phase
    ) -> tuple[dict[str, HostTensor], Optional[ModelFailure]]:
        """Runs the user's function on named arrays in the worker; returns its arrays, or its failure."""

        def requests() -> Iterator[Any]:
            start = worker_pb2.ApplyRuleStart(lease=self._lease, rule=rule)
            yield worker_pb2.ApplyRuleRequest(start=start)
            for number, (name, tensor) in enumerate(arrays, start=1):
                self.count_traffic({phase: tensor.byte_count})
                for frame in frames_of(number, tensor, name):
                    yield worker_pb2.ApplyRuleRequest(frame=frame)

        failures: list[ModelFailure] = []

        def frames(responses: Iterable[Any]) -> Iterator[Any]:
            for response in responses:
                if response.HasField("failure"):
                    failures.append(from_proto(response.failure, ModelFailure))
                else:
                    yield response.frame

        with self._blamed(), self._caller.ApplyRule(requests()) as responses:
            results = {r.name: r.tensor for r in bounded(self._received(frames(responses), phase))}
        return results, failures[0] if failures else None

    def open_step(self, start: StepStart, tensors: NumberedTensors) -> StepCall:
        """Begins a step; `start.lease` is filled in here. The caller closes the call."""

        def opening() -> Iterator[Any]:
            message = to_proto(start)
            message.lease = self._lease
            yield worker_pb2.RunStepRequest(start=message)
            for frame in self._frames(tensors, Phase.INPUTS):
                yield worker_pb2.RunStepRequest(frame=frame)

        with self._blamed():
            return StepCall(self._caller.RunStep, opening())

    def _frames(self, tensors: NumberedTensors, phase: Phase) -> Iterator[Any]:
        for number, tensor in tensors:
            self.count_traffic({phase: tensor.byte_count})
            yield from frames_of(number, tensor)

    def _received(self, frames: Iterable[Any], phase: Phase) -> Iterator[ReceivedTensor]:
        assembler = TensorAssembler()
        for frame in frames:
            received = assembler.frame(frame)
            if received is not None:
                self.count_traffic({phase: received.tensor.byte_count})
                yield received
        assembler.finish()
