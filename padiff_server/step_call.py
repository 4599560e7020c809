"""One running RunStep: what the worker says, as records, and the way to answer."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Optional

from padiff_rpc.convert import from_proto, to_proto
from padiff_rpc.errors import ProtocolError
from padiff_rpc.records import record
from padiff_rpc.transport import ResponseStream
from padiff_rpc.types import CallEvent, CaptureId, ModelFailure, StepSummary
from padiff_rpc.words import Phase
from padiff_server.step_items import Announced, CaptureBegins, CaptureChunk, StepItem


@record
class RunStepRequest:
    """The one answer that a step needs: its phase may begin."""

    acknowledged: Phase


@record
class StepEvent:
    """The events that are whole in themselves; one of them is set."""

    call: Optional[CallEvent] = None
    phase: Optional[Phase] = None
    failure: Optional[ModelFailure] = None
    summary: Optional[StepSummary] = None


class StepCall:
    """A running step. One thread reads its items; `close` may come from any."""

    def __init__(self, open_call: Callable[[Iterator[Any]], ResponseStream], opening: Iterable[Any]) -> None:
        """`opening` are the messages that begin the step; gRPC takes them on a thread of its own."""
        self._answers: queue.SimpleQueue[Optional[Any]] = queue.SimpleQueue()
        self._opening = opening
        self._responses = open_call(self._requests())

    def items(self) -> Iterator[StepItem]:
        """Yields what the worker says, in order, until the step ends or breaks."""
        for response in self._responses:
            for event in response.events:
                yield _item(event)

    def acknowledge(self, phase: Phase) -> None:
        """Lets the worker begin the phase that it announced."""
        self._answers.put(to_proto(RunStepRequest(acknowledged=phase)))

    def close(self) -> None:
        """Ends the call; a step that still runs is cancelled at its next hook. May be called twice."""
        self._answers.put(None)
        self._responses.close()

    def _requests(self) -> Iterator[Any]:
        yield from self._opening
        yield from iter(self._answers.get, None)


def _item(message: Any) -> StepItem:
    kind = message.WhichOneof("event")
    if kind == "chunk":
        return CaptureChunk(chunk=message.chunk)
    if kind == "capture":
        capture = message.capture
        announced = Announced(
            id=from_proto(capture.id, CaptureId),
            number=capture.header.tensor,
            gradient_of=capture.gradient_of,
        )
        return CaptureBegins(capture=announced, header=capture.header)
    event = from_proto(message, StepEvent)
    item = event.call or event.phase or event.failure or event.summary
    if item is None:
        raise ProtocolError("a step event holds nothing known here: install the same padiff-rpc on both")
    return item
