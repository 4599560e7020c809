"""Coordinators that send nonsense are refused with an error of ours."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from any_messages import any_message, damaged

from padiff_rpc import trees
from padiff_rpc.convert import from_proto, to_proto
from padiff_rpc.errors import BusyError, InvalidRequestError, ProtocolError
from padiff_rpc.limits import limits
from padiff_rpc.tensors import HostTensor, frames_of
from padiff_rpc.trees import TensorRef
from padiff_rpc.v1 import tensors_pb2, worker_pb2
from padiff_rpc.v1.records import OverrideTicket, PackedBatch
from padiff_worker.overrides import OverrideReader, Overrides
from padiff_worker.servicer import _batch

OURS = (ProtocolError, InvalidRequestError, BusyError)
VALUES = {3: HostTensor.from_array(np.ones(6, np.float32)), 5: HostTensor.from_array(np.ones(2, np.int64))}
BATCH = PackedBatch(
    args=trees.pack([TensorRef(number=3), {"n": TensorRef(number=5)}]),
    kwargs=trees.pack({"again": TensorRef(number=3)}),
)
LIKELY = {
    "tensor": st.sampled_from([3, 4, 5]),
    "shape": st.integers(0, 6),
    "offset": st.sampled_from([0, 8]),
    "content": st.sampled_from([8, 16, 24]).map(bytes),
    "place": st.integers(0, 2),
    "sum_squares": st.just(1.0),
}


def requests(*numbers: int) -> list[Any]:
    return [
        worker_pb2.TraceRequest(frame=frame)
        for number in numbers
        for frame in frames_of(number, VALUES[number])
    ]


@settings(deadline=None)
@given(damaged([to_proto(BATCH)], any_message(worker_pb2.PackedBatch)), st.data())
def test_any_batch_is_taken_or_refused(batches: list[Any], data: st.DataObject) -> None:
    sent = data.draw(damaged(requests(3, 5), any_message(worker_pb2.TraceRequest, **LIKELY)))
    with contextlib.suppress(*OURS):
        for batch in batches:
            taken = _batch(batch, iter(sent))
            assert set(taken.tensors) == trees.tensor_numbers(
                trees.pack(list(taken.args)), trees.pack(taken.kwargs), trees.pack(taken.target)
            )


def test_a_batch_is_read_to_its_last_tensor_and_no_further() -> None:
    stream = iter([*requests(3, 5), "the next message"])
    assert set(_batch(to_proto(BATCH), stream).tensors) == {3, 5}
    assert next(stream) == "the next message"


def test_a_tensor_that_the_batch_does_not_point_at_is_refused() -> None:
    only_first = to_proto(PackedBatch(args=trees.pack([TensorRef(number=3)]), kwargs=trees.pack({})))
    with pytest.raises(ProtocolError, match="does not point at tensor 5"):
        _batch(only_first, iter(requests(5, 3)))


def test_a_batch_that_ends_early_is_refused() -> None:
    for sent in ([], requests(3), requests(3, 5)[:-1]):
        with pytest.raises(ProtocolError, match="before the batch's tensors"):
            _batch(to_proto(BATCH), iter(sent))


def test_a_batch_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADIFF_MAX_TENSOR_MIB", "1")
    limits.cache_clear()
    try:
        large = HostTensor.from_array(np.ones(700 << 10, np.uint8))
        batch = to_proto(
            PackedBatch(args=trees.pack([TensorRef(number=n) for n in range(2)]), kwargs=trees.pack({}))
        )
        sent = [worker_pb2.TraceRequest(frame=frame) for n in range(2) for frame in frames_of(n, large)]
        with pytest.raises(
            BusyError, match="together make over 1 MiB; PADIFF_MAX_TENSOR_MIB sets this limit"
        ):
            _batch(batch, iter(sent))
    finally:
        limits.cache_clear()


@settings(deadline=None)
@given(
    st.lists(
        any_message(worker_pb2.OverrideBegins, **LIKELY) | any_message(tensors_pb2.TensorFrame, **LIKELY),
        max_size=8,
    )
)
def test_any_overrides_are_taken_or_refused(messages: list[Any]) -> None:
    reader = OverrideReader(Overrides(want=lambda ticket: None, credit=lambda size: None))
    with contextlib.suppress(*OURS):
        for message in messages:
            if isinstance(message, worker_pb2.OverrideBegins):
                reader.begins(from_proto(message.ticket, OverrideTicket), message.header)
            else:
                reader.chunk(message.chunk)
