"""Captures come whole, in pieces or lent; arrays of those that cannot be taken are released."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from padiff_compare.capture.source import Announced, CaptureBegins, CaptureChunk, LentBytes
from padiff_compare.capture.store import TensorStore
from padiff_compare.steps.step_reader import StepReader
from padiff_rpc.errors import BusyError, ProtocolError
from padiff_rpc.tensors import HostTensor, chunks_of, header_of
from padiff_rpc.v1.records import CaptureId, StepSummary
from padiff_rpc.v1.words import CaptureKind, Phase, Side

SUMMARY = StepSummary()


class FullCaptures:
    """Wants every capture and has room for none."""

    def announce(self, side, capture):
        return True

    def arrive(self, side, capture, half):
        raise BusyError("the store is full")


def items():
    capture = Announced(id=CaptureId(step=0, path="a", call=0, slot="0", kind=CaptureKind.OUTPUT), number=1)
    tensor = HostTensor.from_array(np.ones(3, np.float32))
    yield CaptureBegins(capture=capture, header=header_of(1, tensor))
    for chunk in chunks_of(1, tensor):
        yield CaptureChunk(chunk=chunk)


def test_an_array_that_was_not_taken_goes_back_to_the_store():
    with TensorStore(1 << 20) as store:
        reader = StepReader(Side.REFERENCE, FullCaptures(), store)
        with pytest.raises(BusyError):
            reader.read(items(), lambda phase: None)
        assert store.in_memory_bytes == 0


class TakenCaptures:
    """Wants every capture but those of `unwanted`, and takes it."""

    def __init__(self, unwanted=()):
        self.unwanted = unwanted
        self.taken = []

    def announce(self, side, capture):
        return capture.number not in self.unwanted

    def arrive(self, side, capture, half):
        self.taken.append(half.tensors[0])


def lent_items(*scarce):
    for number, is_scarce in enumerate(scarce, start=1):
        capture_id = CaptureId(step=0, path="a", call=0, slot=str(number), kind=CaptureKind.OUTPUT)
        tensor = HostTensor.from_array(np.full(3, number, np.float32))
        yield CaptureBegins(
            capture=Announced(id=capture_id, number=number),
            header=header_of(number, tensor),
            content=LentBytes(array=tensor.array.view(np.uint8), is_scarce=is_scarce),
        )
    yield SUMMARY


def read_lent(store, captures, items):
    given = list(items)
    StepReader(Side.REFERENCE, captures, store).read(given, lambda phase: None)
    return [one.content.array for one in given if isinstance(one, CaptureBegins)]


def test_a_lent_capture_is_taken_as_it_is_and_counts_as_memory():
    captures = TakenCaptures()
    with TensorStore(1 << 20) as store:
        (lent,) = read_lent(store, captures, lent_items(False))
        (tensor,) = captures.taken
        assert np.shares_memory(tensor.array, lent)
        assert tensor.array.tolist() == [1, 1, 1]
        assert store.in_memory_bytes == 12
        store.release(tensor.array)
        assert store.in_memory_bytes == 0


def test_where_memory_to_lend_is_scarce_a_capture_is_copied():
    captures = TakenCaptures()
    with TensorStore(1 << 20) as store:
        lent = read_lent(store, captures, lent_items(False, True))
        shared = [np.shares_memory(*both) for both in zip((one.array for one in captures.taken), lent)]
        assert shared == [True, False]
        assert captures.taken[1].array.tolist() == [2, 2, 2]


def test_beyond_the_limit_a_lent_capture_goes_to_disk(tmp_path):
    captures = TakenCaptures()
    with TensorStore(20, tmp_path) as store:
        read_lent(store, captures, lent_items(False, False))
        assert (store.in_memory_bytes, store.spilled_bytes) == (12, 12)
        assert captures.taken[1].array.tolist() == [2, 2, 2]


def test_a_lent_capture_that_nobody_wants_is_counted_as_traffic_and_not_kept():
    captures = TakenCaptures(unwanted=(1,))
    with TensorStore(1 << 20) as store:
        reader = StepReader(Side.REFERENCE, captures, store)
        reader.read(lent_items(False, False), lambda phase: None)
        assert len(captures.taken) == 1
        assert reader.traffic == {Phase.FORWARD: 24}


def test_lent_bytes_that_are_too_few_are_the_workers_error():
    (begins, *_) = lent_items(False)
    cut = LentBytes(array=begins.content.array[:8], is_scarce=False)
    with TensorStore(1 << 20) as store, pytest.raises(ProtocolError, match="needs 12 bytes, and has 8"):
        read_lent(store, TakenCaptures(), [dataclasses.replace(begins, content=cut), SUMMARY])
