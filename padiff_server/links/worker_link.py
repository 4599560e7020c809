"""The coordinator's end of one worker, for the length of one comparison."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Optional

from padiff_compare.capture.source import NumberedTensors
from padiff_rpc.convert import from_proto, to_number, to_proto
from padiff_rpc.errors import InvalidRequestError, ProtocolError
from padiff_rpc.names import mark_path
from padiff_rpc.tensors import HostTensor, bounded
from padiff_rpc.v1 import worker_pb2
from padiff_rpc.v1.records import (
    Layer,
    LoadResponse,
    ModelFailure,
    PackedBatch,
    Party,
    StepStart,
    TraceResponse,
)
from padiff_rpc.v1.words import Phase, Randomness, Side
from padiff_server.described import check_calls, checked_layers
from padiff_server.links.arena_probe import DEFAULT_RULE, MemoryRule
from padiff_server.links.connection import Connection
from padiff_server.links.loader_link import LoaderLink
from padiff_server.links.optimizer_link import OptimizerLink
from padiff_server.links.silence import DEFAULT_PATIENCE, Patience
from padiff_server.links.step_call import StepCall, TensorWays
from padiff_server.links.weights_link import WeightsLink


class WorkerLink(Connection):
    """A connection, and what the worker at its other end can do with a model.

    Attributes:
        model: the one to load.
        weights, optimizer, loader: what comes with it.
    """

    def __init__(
        self,
        side: Side,
        party: Party,
        say: Callable[[str], None],
        patience: Patience = DEFAULT_PATIENCE,
        rule: MemoryRule = DEFAULT_RULE,
    ) -> None:
        """As `Connection`."""
        super().__init__(side, party, say, patience, rule)
        self.model = party.model
        self.weights = WeightsLink(self)
        self.optimizer = OptimizerLink(self)
        self.loader = LoaderLink(self)
        self._paths: frozenset[str] = frozenset()

    def open(self) -> None:
        """As that of `Connection`; a recording brings its model."""
        super().open()
        if self.worker.recording is not None:
            self.model = self.worker.recording.shown_model

    def load(self, *, deterministic: bool, threads: int) -> LoadResponse:
        """Builds the model; what the user's factory raises is a failure in the result.

        Raises InvalidRequestError that names the side before the field ("candidate.model: ...").
        """
        with self.blamed():
            request = worker_pb2.LoadRequest(
                lease=self.lease, model=to_proto(self.model), deterministic=deterministic, threads=threads
            )
            try:
                return from_proto(self.caller.Load(request), LoadResponse)
            except InvalidRequestError as error:
                raise error.within(str(self.side)) from None

    def describe(self) -> tuple[Layer, ...]:
        """Returns the layer tree, definition order."""
        with self.blamed():
            response = self.caller.Describe(worker_pb2.DescribeRequest(lease=self.lease))
            layers = checked_layers([from_proto(layer, Layer) for layer in response.layers], peer=self.peer)
        self._paths = frozenset(layer.path for layer in layers)
        return layers

    def trace(
        self,
        batch: PackedBatch,
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
                lease=self.lease,
                batch=to_proto(batch),
                batch_from_loader=from_loader,
                randomness=to_number(randomness),
                repeat=repeat,
            )
            yield worker_pb2.TraceRequest(start=start)
            for frame in self.frames(tensors, Phase.TRACE):
                yield worker_pb2.TraceRequest(frame=frame)

        with self.blamed():
            response = from_proto(self.caller.Trace(self.watch.taken(requests())), TraceResponse)
            marks = frozenset(map(mark_path, response.marks))
            if marks & self._paths:
                raise ProtocolError(f"{self.peer} has a layer where marks are: {min(marks & self._paths)!r}")
            check_calls(response.calls, self._paths | marks, peer=self.peer)
            return response

    def keep_state(
        self,
        *,
        optimizer: bool,
        before_step: Optional[int] = None,
        changing: Optional[Collection[str]] = None,
    ) -> None:
        """Has the worker remember its model's state as it is now, and the `optimizer`'s if asked.

        Raises InvalidRequestError that names the side for an optimizer whose state cannot be seen.
        """
        with self.blamed():
            try:
                self.caller.KeepState(
                    worker_pb2.KeepStateRequest(
                        lease=self.lease,
                        optimizer=optimizer,
                        before_step=before_step,
                        spares_parameters=changing is not None,
                        changing_parameters=changing or (),
                    )
                )
            except InvalidRequestError as error:
                raise error.within(str(self.side)) from None

    def restore_state(self) -> Sequence[str]:
        """Has the worker put back what it remembered; returns the parameters that could not be."""
        with self.blamed():
            response = self.caller.RestoreState(worker_pb2.RestoreStateRequest(lease=self.lease))
            return tuple(response.lost_parameters)

    def floors(self, step: int) -> bytes:
        """Returns what was recorded of a step's rounding, packed; nothing where a model runs."""
        if not self.worker.has_kept_floors:
            return b""
        with self.blamed():
            request = worker_pb2.ReadFloorsRequest(lease=self.lease, step=step)
            with self.caller.ReadFloors(request) as responses:
                return b"".join(response.content for response in responses)

    def apply_rule(
        self, rule: str, arrays: Iterable[tuple[str, HostTensor]], phase: Phase
    ) -> tuple[dict[str, HostTensor], Optional[ModelFailure]]:
        """Runs the user's function on named arrays in the worker; returns its arrays, or its failure."""

        def requests() -> Iterator[Any]:
            start = worker_pb2.ApplyRuleStart(lease=self.lease, rule=rule)
            yield worker_pb2.ApplyRuleRequest(start=start)
            for number, (name, tensor) in enumerate(arrays, start=1):
                self.count_traffic({phase: tensor.byte_count})
                for frame in self.sender.frames_of(number, tensor, name):
                    yield worker_pb2.ApplyRuleRequest(frame=frame)

        failures: list[ModelFailure] = []

        def frames(responses: Iterable[Any]) -> Iterator[Any]:
            for response in responses:
                if response.HasField("failure"):
                    failures.append(from_proto(response.failure, ModelFailure))
                else:
                    yield response.frame

        with self.blamed(), self.caller.ApplyRule(self.watch.taken(requests())) as responses:
            results = {r.name: r.tensor for r in bounded(self.received(frames(responses), phase))}
        return results, failures[0] if failures else None

    def open_step(self, start: StepStart, tensors: NumberedTensors) -> StepCall:
        """Begins a step; `start.lease` is filled in here. The caller closes the call."""

        def opening() -> Iterator[Any]:
            message = to_proto(start)
            message.lease = self.lease
            yield worker_pb2.RunStepRequest(start=message)
            for frame in self.frames(tensors, Phase.INPUTS):
                yield worker_pb2.RunStepRequest(frame=frame)

        with self.blamed():
            ways = TensorWays(sender=self.sender, shared=self.shared)
            return StepCall(self.caller.RunStep, opening(), self.watch, self.entered, ways)
