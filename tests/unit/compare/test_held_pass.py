"""A pass that is held is shown once more, in its order, and released."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from padiff_compare.capture.held_pass import HeldPass
from padiff_compare.capture.source import Announced, HeldCapture
from padiff_compare.capture.store import TensorStore
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import CallEvent, CaptureId, StepSummary, TensorSpec
from padiff_rpc.v1.words import CallMoment, CaptureKind, DType

SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(256,))
EVENT = CallEvent(moment=CallMoment.ENTRY, path="fc")
SUMMARY = StepSummary(has_gradients=True)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with TensorStore(1024, tmp_path) as opened:
        yield opened


def filled(store: TensorStore, *numbers: int) -> HeldPass:
    held = HeldPass(store)
    for number in numbers:
        capture = Announced(
            id=CaptureId(step=0, path="fc", call=0, slot="0", kind=CaptureKind.INPUT), number=number
        )
        held.announced(capture)
        held.called(EVENT)
        array = store.allocate(SPEC)
        array[...] = number
        tensor = HostTensor(array=array, dtype=DType.FLOAT32)
        held.arrived(HeldCapture(capture=capture, tensor=tensor, sum_squares=0.0))
        store.release(array)  # by whoever compared it
    held.ended(SUMMARY)
    return held


def test_all_is_shown_in_its_order_and_what_lies_beyond_the_limit_on_disk(store: TensorStore) -> None:
    held = filled(store, 1, 2, 3)
    assert (store.in_memory_bytes, store.spilled_bytes) == (1024, 2048)
    shown = []
    for item in held.items():
        if isinstance(item, HeldCapture):
            shown.append(float(item.tensor.array[0]))
            store.release(item.tensor.array)
        else:
            shown.append(item.number if isinstance(item, Announced) else item)
    assert shown == [1, EVENT, 1.0, 2, EVENT, 2.0, 3, EVENT, 3.0, SUMMARY]
    assert (store.in_memory_bytes, store.spilled_bytes) == (0, 0)


def test_what_nobody_was_shown_is_released(store: TensorStore) -> None:
    held = filled(store, 1, 2)
    held.close()
    held.close()
    assert (store.in_memory_bytes, store.spilled_bytes) == (0, 0)


def test_what_was_handed_over_is_no_longer_ours(store: TensorStore) -> None:
    held = filled(store, 1)
    (shown,) = [item for item in held.items() if isinstance(item, HeldCapture)]
    held.close()
    assert store.in_memory_bytes == shown.tensor.array.nbytes
