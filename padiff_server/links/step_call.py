"""One running RunStep: what the worker says, as records, and the way to answer."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Optional

from padiff_compare.capture.source import (
    Announced,
    CaptureBegins,
    CaptureChunk,
    Credit,
    LentBytes,
    StepItem,
)
from padiff_rpc.arena import NOT_SHARED, SharedArenas
from padiff_rpc.convert import from_proto, to_proto
from padiff_rpc.errors import ProtocolError
from padiff_rpc.records import record
from padiff_rpc.tensor_codings import plain
from padiff_rpc.tensor_sender import TensorSender
from padiff_rpc.tensors import WIRE_BUCKETS, HostTensor, plain_header_of
from padiff_rpc.transport import ResponseStream
from padiff_rpc.v1.records import (
    ArenaPlace,
    CallEvent,
    CaptureId,
    FunctionTrace,
    ModelFailure,
    NotOverridden,
    OverrideTicket,
    StepSummary,
    TensorSpec,
    TensorStatistics,
)
from padiff_rpc.v1.words import CallMoment, CaptureKind, DType, Phase
from padiff_server.links.silence import SilenceWatch


@record
class RunStepRequest:
    """The answers that are whole in themselves; one of them is set."""

    acknowledged: Optional[Phase] = None
    absent: Optional[OverrideTicket] = None


@record
class StepEvent:
    """The events that are whole in themselves; one of them is set."""

    call: Optional[CallEvent] = None
    phase: Optional[Phase] = None
    failure: Optional[ModelFailure] = None
    summary: Optional[StepSummary] = None
    wanted: Optional[OverrideTicket] = None
    not_overridden: Optional[NotOverridden] = None
    function_trace: Optional[FunctionTrace] = None


@record
class TensorWays:
    """How tensors go to a worker, and come from it.

    Attributes:
        sender: sends them over the connection.
        shared: where captures and overrides may lie.
    """

    sender: TensorSender
    shared: SharedArenas = NOT_SHARED


class StepCall:
    """A running step. One thread reads its items; `close` may come from any."""

    def __init__(
        self,
        open_call: Callable[[Iterator[Any]], ResponseStream],
        opening: Iterable[Any],
        watch: SilenceWatch,
        entered: Callable[[CallEvent], None],
        ways: TensorWays,
    ) -> None:
        """`opening` are the messages that begin the step; gRPC takes them on a thread of its own.

        `watch` hears of what the worker waits for, and `entered` of each layer that it enters.
        """
        self._ways = ways
        self._watch = watch
        self._entered = entered
        self._owed = _Owed(watch)
        self._answers: queue.SimpleQueue[Optional[Iterable[Any]]] = queue.SimpleQueue()
        self._opening = opening
        self._overrides = itertools.count(1)
        self._responses = open_call(self._requests())

    def items(self) -> Iterator[StepItem]:
        """Yields what the worker says, in order, until the step ends or breaks."""
        for response in self._responses:
            for event in response.events:
                item = _item(event, self._ways.shared)
                if isinstance(item, OverrideTicket):
                    self._owed.wanted(item)
                elif isinstance(item, CallEvent) and item.moment is CallMoment.ENTRY:
                    self._entered(item)
                yield item

    def acknowledge(self, phase: Phase) -> None:
        """Lets the worker begin the phase that it announced."""
        self._answers.put((to_proto(RunStepRequest(acknowledged=phase)),))

    def absent(self, ticket: OverrideTicket) -> None:
        """Says that no override will come for that place."""
        self._answers.put((to_proto(RunStepRequest(absent=ticket)),))
        self._owed.answered(ticket)

    def override(self, ticket: OverrideTicket, tensor: HostTensor, sent: Callable[[], None]) -> None:
        """Sends an override after the answers before it; `sent` is called on gRPC's thread."""
        number = next(self._overrides)
        self._answers.put(_override(ticket, number, tensor, sent, self._ways))
        self._owed.answered(ticket)

    def close(self) -> None:
        """Ends the call; a step that still runs is cancelled at its next hook. May be called twice."""
        self._answers.put(None)
        self._responses.close()
        self._owed.close()

    def _requests(self) -> Iterator[Any]:
        yield from self._opening
        for answer in iter(self._answers.get, None):
            for message in answer:
                yield message
                self._watch.heard()


class _Owed:
    """The overrides that the worker's model waits for. Thread-safe."""

    def __init__(self, watch: SilenceWatch) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._answered: set[OverrideTicket] = set()
        self._waited_for: set[OverrideTicket] = set()

    def wanted(self, ticket: OverrideTicket) -> None:
        """The model waits for this one, which may be on its way."""
        with self._lock:
            if ticket not in self._answered and ticket not in self._waited_for:
                self._waited_for.add(ticket)
                self._watch.owes()

    def answered(self, ticket: OverrideTicket) -> None:
        """It is sent, or will not come."""
        with self._lock:
            self._answered.add(ticket)
            if ticket in self._waited_for:
                self._waited_for.remove(ticket)
                self._watch.owes_no_more()

    def close(self) -> None:
        """The step is over; may be called twice."""
        with self._lock:
            while self._waited_for:
                self._waited_for.pop()
                self._watch.owes_no_more()


def _override(
    ticket: OverrideTicket, number: int, tensor: HostTensor, sent: Callable[[], None], ways: TensorWays
) -> Iterator[Any]:
    place = ways.shared.laid(tensor)
    message = to_proto(RunStepRequest())
    message.override.ticket.CopyFrom(to_proto(ticket))
    message.override.header.CopyFrom(plain_header_of(number, tensor, place=place))
    yield message
    for chunk in ways.sender.chunks_of(number, tensor) if place is None else ():
        message = to_proto(RunStepRequest())
        message.override_chunk.CopyFrom(chunk)
        yield message
    sent()


def _statistics(capture: Any) -> TensorStatistics:
    """Returns what came with a sketch. Raises ProtocolError for what no tensor has."""
    found = from_proto(capture.statistics, TensorStatistics)
    spec = from_proto(capture.header.spec, TensorSpec)
    is_sketch = spec.dtype is DType.FLOAT64 and spec.shape == (WIRE_BUCKETS,)
    if not capture.HasField("sketch_of") or not is_sketch or not found.minimum <= found.maximum:
        raise ProtocolError("a capture claims statistics or a sketch that no tensor has")
    return found


def _item(message: Any, shared: SharedArenas) -> StepItem:
    kind = message.WhichOneof("event")
    if kind == "chunk":
        return CaptureChunk(chunk=plain(message.chunk))
    if kind == "capture":
        capture = message.capture
        capture_id = from_proto(capture.id, CaptureId)
        is_target = capture_id.kind is CaptureKind.TARGET
        announced = Announced(
            id=capture_id,
            number=capture.header.tensor,
            gradient_of=capture.gradient_of,
            spec=from_proto(capture.header.spec, TensorSpec) if is_target else None,
            sketch_of=from_proto(capture.sketch_of, TensorSpec) if capture.HasField("sketch_of") else None,
            statistics=_statistics(capture) if capture.HasField("statistics") else None,
            is_transposed=capture.is_transposed,
        )
        content = None
        if capture.header.HasField("arena"):
            array = shared.lent(from_proto(capture.header.arena, ArenaPlace))
            content = LentBytes(array=array, is_scarce=shared.is_scarce)
        return CaptureBegins(capture=announced, header=capture.header, content=content)
    if kind == "credit":
        return Credit(bytes=message.credit)
    event = from_proto(message, StepEvent)
    item: Optional[StepItem] = next((one for one in vars(event).values() if one is not None), None)
    if item is None:
        raise ProtocolError("a step event holds nothing known here: install the same padiff-rpc on both")
    return item
