"""The reference's captures are shown once more, in their order, and released."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from padiff_compare.capture.items import Announced
from padiff_compare.capture.store import TensorStore
from padiff_compare.steps.held_reference import HeldReference
from padiff_compare.steps.pairs import Half
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import CallEvent, CaptureId, TensorSpec
from padiff_rpc.v1.words import CallMoment, CaptureKind, DType, Side

SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(256,))
EVENT = CallEvent(moment=CallMoment.ENTRY, path="fc")


class Audience:
    def __init__(self, store: TensorStore) -> None:
        self.heard: list[Any] = []
        self._store = store

    def call(self, side: Side, event: CallEvent) -> None:
        self.heard.append((side, event.path))

    def announce(self, side: Side, capture: Announced) -> bool:
        self.heard.append((side, capture.number))
        return True

    def arrive(self, side: Side, capture: Announced, half: Half) -> None:
        self.heard.append((side, capture.number, float(half.tensors[0].array[0])))
        self._store.release(half.tensors[0].array)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with TensorStore(1024, tmp_path) as opened:
        yield opened


def filled(store: TensorStore, *numbers: int) -> HeldReference:
    held = HeldReference(store)
    for number in numbers:
        capture = Announced(
            id=CaptureId(step=0, path="fc", call=0, slot="0", kind=CaptureKind.INPUT), number=number
        )
        held.announced(capture)
        held.called(EVENT)
        array = store.allocate(SPEC)
        array[...] = number
        half = Half(tensors=(HostTensor(array=array, dtype=DType.FLOAT32),), sum_squares=0.0)
        held.arrived(capture, half)
        store.release(array)  # by whoever compared it
    return held


def test_all_is_shown_in_its_order_and_what_lies_beyond_the_limit_on_disk(store: TensorStore) -> None:
    held = filled(store, 1, 2, 3)
    assert (store.in_memory_bytes, store.spilled_bytes) == (1024, 2048)
    audience, side = Audience(store), Side.REFERENCE
    held.show(audience)
    assert audience.heard[:6] == [
        (side, 1),
        (side, "fc"),
        (side, 1, 1.0),
        (side, 2),
        (side, "fc"),
        (side, 2, 2.0),
    ]
    assert (store.in_memory_bytes, store.spilled_bytes) == (0, 0)


def test_what_nobody_was_shown_is_released(store: TensorStore) -> None:
    held = filled(store, 1, 2)
    held.close()
    held.close()
    assert (store.in_memory_bytes, store.spilled_bytes) == (0, 0)


def test_what_was_handed_over_is_no_longer_ours(store: TensorStore) -> None:
    class Keeping(Audience):
        def arrive(self, side: Side, capture: Announced, half: Half) -> None:
            pass

    held = filled(store, 1)
    held.show(Keeping(store))
    held.close()
    assert store.in_memory_bytes == np.zeros(256, np.float32).nbytes
