"""Batches as the client sends them."""

from __future__ import annotations

import numpy as np
import pytest

from padiff_compare.capture.batches import BatchEnd, BatchSource, BatchUnavailable
from padiff_rpc import trees
from padiff_rpc.errors import CancelledError, InvalidRequestError, ProtocolError
from padiff_rpc.tensors import HostTensor, ReceivedTensor
from padiff_rpc.v1.records import BatchFailure, PackedBatch, SendBatch
from padiff_rpc.v1.words import Side

REF = trees.TensorRef


def batch(*args, **kwargs):
    return PackedBatch(args=trees.pack(list(args)), kwargs=trees.pack(kwargs))


def tensor(number):
    return ReceivedTensor(number=number, name="", tensor=HostTensor.from_array(np.float32([number])))


def pulled(*messages, step=0):
    asked = []
    found = BatchSource(iter(messages), asked.append).batch(step)
    assert asked == [step]
    return found


def head(step=0, reference=None, candidate=None):
    return SendBatch(step=step, reference=reference or batch(), candidate=candidate or batch())


def test_each_side_gets_the_tensors_that_it_points_at():
    sent = head(
        reference=batch(REF(number=1), {"deep": [REF(number=3)]}),
        candidate=batch(x=REF(number=1), y=(REF(number=2), 4)),
    )
    found = pulled(sent, tensor(1), tensor(2), tensor(3), BatchEnd())
    assert [number for number, _ in found.tensors_of(Side.REFERENCE)] == [1, 3]
    assert [number for number, _ in found.tensors_of(Side.CANDIDATE)] == [1, 2]


def test_the_target_counts_too():
    target = PackedBatch(args=trees.pack([]), kwargs=trees.pack({}), target=trees.pack(REF(number=5)))
    found = pulled(head(reference=target), tensor(5), BatchEnd())
    assert [number for number, _ in found.tensors_of(Side.REFERENCE)] == [5]


def test_a_tensor_that_was_not_sent_is_the_clients_fault():
    found = pulled(head(reference=batch(REF(number=1))), BatchEnd())
    with pytest.raises(ProtocolError, match="reference"):
        found.tensors_of(Side.REFERENCE)


@pytest.mark.parametrize("messages", [[BatchFailure(text="no more")], [head(), BatchFailure(text="no more")]])
def test_a_client_without_a_batch_says_so(messages):
    with pytest.raises(BatchUnavailable, match="no more"):
        pulled(*messages)


def test_the_end_of_the_stream_is_the_end():
    with pytest.raises(CancelledError):
        pulled(head())


@pytest.mark.parametrize("messages", [[head(step=3)], [tensor(1)], [head(), head()]])
def test_anything_else_is_a_broken_protocol(messages):
    with pytest.raises(ProtocolError):
        pulled(*messages)


def test_arguments_may_be_empty_but_not_absent():
    with pytest.raises(InvalidRequestError, match="reference"):
        pulled(head(reference=PackedBatch(args=trees.ABSENT, kwargs=trees.pack({}))), BatchEnd())
