"""Parts of a recording, made of what its side says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from padiff_compare.capture.recorded import (
    Recorded,
    RecordedBatch,
    RecordedItem,
    RecordedLayers,
    RecordedState,
    RecordedWeight,
    RecordingEnds,
    StepEnds,
)
from padiff_compare.capture.source import Announced, CaptureBegins, CaptureChunk, StepItem
from padiff_rpc.convert import to_number, to_proto
from padiff_rpc.errors import ProtocolError
from padiff_rpc.optimizer_states import messages_of
from padiff_rpc.tensors import CHUNK_BYTES, frames_of
from padiff_rpc.v1 import recording_pb2 as pb
from padiff_rpc.v1 import worker_pb2
from padiff_rpc.v1.records import (
    CallEvent,
    DescribeOptimizerResponse,
    FunctionTrace,
    ModelFailure,
    RecordedFloors,
    RecordingBegins,
    StepStart,
    StepSummary,
    TraceResponse,
)
from padiff_rpc.v1.words import Phase

RECORDED = get_args(Recorded)
# Records that are a part as they are.
_WHOLE: dict[type, str] = {
    RecordingBegins: "begins",
    DescribeOptimizerResponse: "optimizer",
    TraceResponse: "trace",
    StepStart: "step_begins",
}
_EVENTS: dict[type, str] = {
    CallEvent: "call",
    ModelFailure: "failure",
    StepSummary: "summary",
    FunctionTrace: "function_trace",
}


def recorded_parts(said: Recorded) -> Iterator[pb.RecordedPart]:
    """Yields the parts that hold it; of a tensor there are several."""
    if isinstance(said, RecordedLayers):
        layers = worker_pb2.DescribeResponse(layers=map(to_proto, said.layers))
        yield pb.RecordedPart(layers=layers)
    elif isinstance(said, RecordedWeight):
        yield from (pb.RecordedPart(weight=frame) for frame in frames_of(0, said.tensor, said.name))
    elif isinstance(said, RecordedState):
        for message in messages_of([(said.entry, said.tensor)], worker_pb2.ReadOptimizerStateResponse):
            yield pb.RecordedPart(optimizer_state=message)
    elif isinstance(said, RecordedBatch):
        yield pb.RecordedPart(batch=to_proto(said.batch))
        for number, tensor in said.tensors:
            yield from (pb.RecordedPart(batch_tensor=frame) for frame in frames_of(number, tensor))
    elif isinstance(said, RecordedItem):
        yield pb.RecordedPart(events=worker_pb2.RunStepResponse(events=[_event(said.item)]))
    elif isinstance(said, RecordedFloors):
        for offset in range(0, len(said.content), CHUNK_BYTES):
            content = said.content[offset : offset + CHUNK_BYTES]
            yield pb.RecordedPart(floors=pb.RecordedFloors(content=content))
    elif isinstance(said, StepEnds):
        yield pb.RecordedPart(step_ends=said.step)
    elif isinstance(said, RecordingEnds):
        yield pb.RecordedPart(ends=said.steps)
    else:
        yield _part(_WHOLE[type(said)], said)


def _part(name: str, said: Any) -> pb.RecordedPart:
    part = pb.RecordedPart()
    getattr(part, name).CopyFrom(to_proto(said))
    return part


def _event(item: StepItem) -> worker_pb2.StepEvent:
    """Returns what a step said as it came; of overrides a model that runs alone says nothing."""
    if isinstance(item, CaptureChunk):
        return worker_pb2.StepEvent(chunk=item.chunk)
    if isinstance(item, CaptureBegins):
        return worker_pb2.StepEvent(capture=_capture(item.capture, item.header))
    if isinstance(item, Phase):
        return worker_pb2.StepEvent(phase=to_number(item))
    name = _EVENTS.get(type(item))
    if name is None:
        raise ProtocolError(f"the worker sent a {type(item).__name__} though nothing is overridden")
    event = worker_pb2.StepEvent()
    getattr(event, name).CopyFrom(to_proto(item))
    return event


def _capture(capture: Announced, header: Any) -> worker_pb2.CaptureHeader:
    told = worker_pb2.CaptureHeader(id=to_proto(capture.id), header=header, gradient_of=capture.gradient_of)
    if capture.sketch_of is not None:
        told.sketch_of.CopyFrom(to_proto(capture.sketch_of))
    return told
