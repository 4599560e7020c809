"""Every decoder of messages: whatever comes, it is taken or refused with an error of ours."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from any_messages import any_message

from padiff_rpc import tensors
from padiff_rpc.convert import from_proto, message_class, to_proto
from padiff_rpc.errors import BusyError, InvalidRequestError, ProtocolError
from padiff_rpc.optimizer_states import values_of
from padiff_rpc.tensor_sender import received_tensors
from padiff_rpc.tensors import HostTensor, TensorAssembler
from padiff_rpc.v1 import records, tensors_pb2, worker_pb2
from padiff_rpc.v1.records import TensorSpec

OURS = (ProtocolError, InvalidRequestError, BusyError)
RECORDS = [
    value
    for value in vars(records).values()
    if dataclasses.is_dataclass(value) and isinstance(value, type) and value.__module__ == records.__name__
]
CLAIMED_BYTES = 1 << 16


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_any_message_is_a_record_that_survives_or_is_refused(record: type) -> None:
    @settings(max_examples=25, deadline=None)
    @given(any_message(message_class(record)))
    def check(message: Any) -> None:
        with contextlib.suppress(*OURS):
            made = from_proto(message, record)
            again = to_proto(made)
            assert repr(from_proto(again, record)) == repr(made)

    check()


@settings(deadline=None)
@given(st.sampled_from(RECORDS), st.binary(max_size=30))
def test_any_bytes_are_a_record_or_refused(record: type, content: bytes) -> None:
    with contextlib.suppress(DecodeError, *OURS):
        from_proto(message_class(record).FromString(content), record)


def _allocate(spec: TensorSpec) -> Any:
    """Memory for claims that fit; what is larger is as if there were none."""
    if tensors.byte_count(spec) > CLAIMED_BYTES:
        raise MemoryError
    return np.zeros(spec.shape, tensors.numpy_dtype(spec.dtype))


FRAMES = st.lists(
    any_message(
        tensors_pb2.TensorFrame,
        tensor=st.integers(0, 3),
        shape=st.integers(0, 4) | st.sampled_from([-1, 2**31, 2**62]),
        offset=st.integers(0, 8),
        content=st.integers(0, 16).map(bytes),
        sum_squares=st.sampled_from([0.0, 1.0, float("nan"), -1.0]),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(FRAMES)
def test_any_frames_are_tensors_or_refused(frames: list[Any]) -> None:
    assembler = TensorAssembler(_allocate)
    sent = sum(len(frame.chunk.content) for frame in frames)
    with contextlib.suppress(*OURS):
        done = [received for frame in frames if (received := assembler.frame(frame)) is not None]
        assembler.finish()
        assert sum(received.tensor.byte_count for received in done) <= sent
        assert len({received.number for received in done}) == len(done)


@settings(deadline=None)
@given(st.data())
def test_damaged_frames_give_the_same_tensors_or_are_refused(data: st.DataObject) -> None:
    given_tensors = [
        HostTensor.from_array(np.arange(size, dtype=dtype))
        for size, dtype in data.draw(
            st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["u1", "f4", "c8"])), max_size=3)
        )
    ]
    frames = [
        frame
        for number, tensor in enumerate(given_tensors)
        for frame in (
            tensors_pb2.TensorFrame(header=tensors.header_of(number, tensor)),
            *(tensors_pb2.TensorFrame(chunk=chunk) for chunk in tensors.chunks_of(number, tensor, 16)),
        )
    ]
    damage = data.draw(st.sampled_from(["none", "drop", "double", "swap"]))
    if frames and damage != "none":
        at = data.draw(st.integers(0, len(frames) - 1))
        if damage == "drop":
            del frames[at]
        elif damage == "double":
            frames.insert(at, frames[at])
        else:
            other = data.draw(st.integers(0, len(frames) - 1))
            frames[at], frames[other] = frames[other], frames[at]
    with contextlib.suppress(*OURS):
        received = {one.number: one.tensor for one in received_tensors(iter(frames))}
        # Only tensors of no bytes can be lost without a trace.
        for number, tensor in enumerate(given_tensors):
            if tensor.byte_count or damage == "none":
                assert received[number].array.tobytes() == tensor.array.tobytes()


@settings(deadline=None)
@given(
    st.lists(
        any_message(
            worker_pb2.WriteOptimizerStateRequest,
            tensor=st.integers(0, 3),
            shape=st.integers(0, 2),
            content=st.integers(0, 8).map(bytes),
            sum_squares=st.just(0.0),
        ),
        max_size=8,
    )
)
def test_any_messages_are_an_optimizers_state_or_refused(messages: list[Any]) -> None:
    with contextlib.suppress(*OURS):
        list(values_of(messages, "request"))
