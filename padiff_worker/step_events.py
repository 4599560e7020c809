"""Events of a step for its outbox, as messages of a sensible size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from padiff_rpc.convert import content_of, to_number
from padiff_rpc.tensor_sender import TensorSender
from padiff_rpc.tensors import CHUNK_BYTES, plain_header_of, sum_of_squares
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
    waiting, size = pb.RunStepResponse(), 0
    for item, is_last in outbox:
        for event in _events(item, sender):
            size += waiting.events.add(**event).ByteSize()
            if size >= CHUNK_BYTES:
                yield waiting
                waiting, size = pb.RunStepResponse(), 0
        if size and (is_last or isinstance(item, (Phase, OverrideTicket))):
            yield waiting
            waiting, size = pb.RunStepResponse(), 0
    if size:
        yield waiting


def _events(item: StepItem, sender: TensorSender) -> Iterator[dict[str, Any]]:
    """Yields what the constructor of `StepEvent` takes."""
    if isinstance(item, CallEvent):
        yield {"call": content_of(item)}
    elif isinstance(item, Capture):
        yield {"capture": _header(item)}
        for chunk in sender.chunks_of(item.number, item.tensor) if item.place is None else ():
            yield {"chunk": chunk}
    elif isinstance(item, Phase):
        yield {"phase": to_number(item)}
    elif isinstance(item, OverrideTicket):
        yield {"wanted": content_of(item)}
    elif isinstance(item, GrantedCredit):
        yield {"credit": item.bytes}
    elif isinstance(item, NotOverridden):
        yield {"not_overridden": content_of(item)}
    elif isinstance(item, ModelFailure):
        yield {"failure": content_of(item)}
    elif isinstance(item, FunctionTrace):
        yield {"function_trace": content_of(item)}
    else:
        # A coordinator at the other end of a unix socket reads none, and has no use for it.
        sending = sender.sending(to_worker=False) if sender.readable else None
        yield {"summary": content_of(replace(item, sending=sending))}


def _header(capture: Capture) -> dict[str, Any]:
    number, tensor = capture.number, capture.tensor
    header = plain_header_of(number, tensor, place=capture.place)
    header.sum_squares = sum_of_squares(tensor) if capture.sum_squares is None else capture.sum_squares
    made = {"id": content_of(capture.id), "gradient_of": capture.gradient_of, "header": header}
    if tensor.sketch_of is not None and tensor.statistics is not None:
        made["sketch_of"] = content_of(tensor.sketch_of)
        made["statistics"] = content_of(tensor.statistics)
        made["is_transposed"] = capture.is_transposed
    return made
