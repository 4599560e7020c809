"""Targets of both sides' losses, where they come from loaders in the workers."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from padiff_compare.alignment.slots import SlotPairing, pair_slots
from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.store import TensorStore
from padiff_compare.join.pairs import Half, PairTable, Ready
from padiff_compare.judge.measured import Aspect
from padiff_rpc.v1.records import Slot
from padiff_rpc.v1.words import CallMoment, CaptureKind, Phase, Side


class Targets:
    """Targets by their tensor numbers; paired when both models are called, before which all have come.

    Thread-safe.

    Attributes:
        table: the pairs.
        pairing: which belongs to which; empty until they are paired.
    """

    def __init__(self, store: TensorStore, ready: Ready) -> None:
        self.table: PairTable[int] = PairTable(
            Aspect(phase=Phase.INPUTS, kind=CaptureKind.TARGET), store, ready
        )
        self.pairing = SlotPairing(pairs=())
        self._lock = threading.Lock()
        self._slots: Mapping[Side, list[Slot]] = {side: [] for side in SIDES}
        self._called: set[Side] = set()

    def announce(self, side: Side, slot: Slot) -> None:
        """Notes a target that begins to arrive."""
        self._slots[side].append(slot)

    def arrive(self, side: Side, number: int, half: Half) -> None:
        """Takes a target, and ownership of its array."""
        self.table.arrive(side, number, half)

    def model_called(self, side: Side) -> None:
        """Says that this side's targets are all announced."""
        with self._lock:
            if side in self._called:
                return
            self._called.add(side)
            if len(self._called) < len(SIDES):
                return
            self.pairing = pairing = pair_slots(
                CallMoment.EXIT, self._slots[Side.REFERENCE], self._slots[Side.CANDIDATE]
            )
        for pair in pairing.pairs:
            self.table.expect(pair.tensors)

    def close(self) -> None:
        """Releases every target still held. May be called twice."""
        self.table.close()
