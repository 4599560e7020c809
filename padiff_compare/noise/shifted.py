"""Values that lie apart because noise moved a bias in the steps before, and what is fed with them."""

from __future__ import annotations

from collections.abc import Iterable

from padiff_compare.alignment.slots import SlotPair
from padiff_compare.capture.sides import TensorPair
from padiff_compare.join.calls import CallPair
from padiff_compare.judge.interim_history import GradientHistory
from padiff_rpc.v1.words import CallMoment


class Shifted:
    """Knows the tensors that layers with such biases made in one step, wherever they show."""

    def __init__(self, history: GradientHistory, calls: Iterable[CallPair]) -> None:
        """`calls`, in order of execution; `history` learns which layers take such tensors."""
        self._shifts: dict[TensorPair[int], float] = {}
        for call in calls if history.shifts else ():
            path = call.layer.candidate
            shift = history.shift_of(path) if call.moment is CallMoment.EXIT else 0.0
            for slots in call.slots.pairs:
                if shift:
                    self._shifts.setdefault(slots.tensors, shift)
                elif call.moment is CallMoment.ENTRY and slots.tensors in self._shifts:
                    history.fed[path] = max(history.fed.get(path, 0.0), self._shifts[slots.tensors])

    def of(self, slots: SlotPair) -> float:
        """Returns how far such a bias may have moved a value."""
        return self._shifts.get(slots.tensors, 0.0)
