"""Arrays of a capture that cannot be taken are released."""

from __future__ import annotations

import numpy as np
import pytest

from padiff_compare.capture.source import Announced, CaptureBegins, CaptureChunk
from padiff_compare.capture.store import TensorStore
from padiff_compare.steps.step_reader import StepReader
from padiff_rpc.errors import BusyError
from padiff_rpc.tensors import HostTensor, chunks_of, header_of
from padiff_rpc.v1.records import CaptureId
from padiff_rpc.v1.words import CaptureKind, Side


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
