"""A recorded step as another one asks for it: what of its events is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Optional

from padiff_rpc.convert import to_number
from padiff_rpc.v1 import worker_pb2 as pb
from padiff_rpc.v1.words import Phase

_FORWARD = frozenset({to_number(Phase.INPUTS), to_number(Phase.FORWARD)})


class Replay:
    """Shows the events of a step, without those that were not asked for."""

    def __init__(self, start: pb.StepStart) -> None:
        self._backward = start.backward
        self._own = {(one.path, one.call, one.slot) for one in start.own_gradients}
        self._functions = {(one.path, one.call) for one in start.functions}
        self._gradients_left_out: set[int] = set()
        self._tensors_left_out: set[int] = set()

    def shown(self, events: Iterable[pb.StepEvent]) -> Iterator[pb.StepEvent]:
        """Yields what is shown of the step; forward alone where no backward is asked for."""
        is_shown = True
        for event in events:
            kind = event.WhichOneof("event")
            if kind == "phase":
                is_shown = self._backward or event.phase in _FORWARD
            if kind == "summary":
                yield pb.StepEvent(summary=self._summary(event.summary))
            elif kind == "failure" or (kind == "function_trace" and self._is_asked(event)):
                yield event
            elif kind != "function_trace" and is_shown:
                told = self._told(event)
                if told is not None:
                    yield told

    def _is_asked(self, event: pb.StepEvent) -> bool:
        return (event.function_trace.path, event.function_trace.call) in self._functions

    def _told(self, event: pb.StepEvent) -> Optional[pb.StepEvent]:
        """Returns an event without gradients of inputs' own that nobody asks for; None for nothing."""
        kind = event.WhichOneof("event")
        if kind == "call":
            for slot in event.call.slots:
                if slot.gradient and (event.call.path, event.call.call, slot.name) not in self._own:
                    self._gradients_left_out.add(slot.gradient)
                    slot.gradient = 0
        elif kind == "capture" and event.capture.gradient_of in self._gradients_left_out:
            self._tensors_left_out.add(event.capture.header.tensor)
            return None
        elif kind == "chunk" and event.chunk.tensor in self._tensors_left_out:
            return None
        return event

    def _summary(self, summary: pb.StepSummary) -> pb.StepSummary:
        if not self._backward:
            kept = [one for one in summary.seconds if one.phase in _FORWARD]
            del summary.seconds[:]
            summary.seconds.extend(kept)
            summary.has_gradients = False
        return summary
