"""Events of a step for its outbox, as messages of a sensible size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from padiff_rpc.convert import to_number, to_proto
from padiff_rpc.tensor_sender import TensorSender
from padiff_rpc.tensors import CHUNK_BYTES, header_of, plain_header_of
from padiff_rpc.v1 import worker_pb2 as pb
from padiff_rpc.v1.records import CallEvent, FunctionTrace, ModelFailure, NotOverridden, OverrideTicket
from padiff_rpc.v1.words import Phase
from padiff_worker.captures import Capture
from padiff_worker.outbox import Outbox
from padiff_worker.overrides import GrantedCredit
from padiff_worker.step import StepItem


def bundles(outbox: Outbox[StepItem], sender: TensorSender) -> Iterator[pb.RunStepResponse]:
    """Yields the outbox's items as messages of up to about a chunk's bytes, none held back.

    A message is sent when it is large enough, when nothing else waits, and at once for what the model
    waits for: a phase's acknowledgement, an override. The summary says what `sender` has sent.
    """
    waiting: list[pb.StepEvent] = []
    size = 0
    for item, is_last in outbox:
        for event in _events(item, sender):
            waiting.append(event)
            size += event.ByteSize()
            if size >= CHUNK_BYTES:
                yield pb.RunStepResponse(events=waiting)
                waiting, size = [], 0
        if waiting and (is_last or isinstance(item, (Phase, OverrideTicket))):
            yield pb.RunStepResponse(events=waiting)
            waiting, size = [], 0
    if waiting:
        yield pb.RunStepResponse(events=waiting)


def _events(item: StepItem, sender: TensorSender) -> Iterator[pb.StepEvent]:
    if isinstance(item, CallEvent):
        yield pb.StepEvent(call=to_proto(item))
    elif isinstance(item, Capture):
        yield pb.StepEvent(capture=_header(item))
        for chunk in sender.chunks_of(item.number, item.tensor) if item.place is None else ():
            yield pb.StepEvent(chunk=chunk)
    elif isinstance(item, Phase):
        yield pb.StepEvent(phase=to_number(item))
    elif isinstance(item, OverrideTicket):
        yield pb.StepEvent(wanted=to_proto(item))
    elif isinstance(item, GrantedCredit):
        yield pb.StepEvent(credit=item.bytes)
    elif isinstance(item, NotOverridden):
        yield pb.StepEvent(not_overridden=to_proto(item))
    elif isinstance(item, ModelFailure):
        yield pb.StepEvent(failure=to_proto(item))
    elif isinstance(item, FunctionTrace):
        yield pb.StepEvent(function_trace=to_proto(item))
    else:
        # A coordinator at the other end of a unix socket reads none, and has no use for it.
        sending = sender.sending(to_worker=False) if sender.readable else None
        yield pb.StepEvent(summary=to_proto(replace(item, sending=sending)))


def _header(capture: Capture) -> pb.CaptureHeader:
    number, tensor = capture.number, capture.tensor
    made = pb.CaptureHeader(id=to_proto(capture.id), gradient_of=capture.gradient_of)
    if capture.sum_squares is None:
        made.header.CopyFrom(header_of(number, tensor, capture.place))
    else:
        made.header.CopyFrom(plain_header_of(number, tensor))
        made.header.sum_squares = capture.sum_squares
    if tensor.sketch_of is not None and tensor.statistics is not None:
        made.sketch_of.CopyFrom(to_proto(tensor.sketch_of))
        made.statistics.CopyFrom(to_proto(tensor.statistics))
        made.is_transposed = capture.is_transposed
    return made
