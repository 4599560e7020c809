"""The dtype in which each tensor of a pass was computed, which may be coarser than its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from padiff_compare.capture.trace import CallName
from padiff_compare.judge.tolerances import coarser
from padiff_rpc.tensors import COMPLEX, FLOATING
from padiff_rpc.v1.records import CallEvent, Slot
from padiff_rpc.v1.words import CallMoment, DType


@dataclass
class _Open:
    """A call that has not ended, and the coarsest dtype of what its code has in hand."""

    name: CallName
    in_hand: Optional[DType] = None


class Precision:
    """Follows one side's events: a value that was cast to a wider dtype is no more exact for it.

    What a call shows at its exit, and what its code hands to a call in it, was made of what the code had in
    hand by then. What the model itself takes is exact, whatever its dtype.
    """

    def __init__(self) -> None:
        self._tensors: dict[int, Optional[DType]] = {}
        self._layers: dict[str, Optional[DType]] = {}
        self._open: list[_Open] = []
        # Of what the model returned.
        self.returned: Optional[DType] = None

    def note(self, event: CallEvent) -> None:
        """Takes in the next event of the pass."""
        name = event.path, event.call
        if event.moment is CallMoment.ENTRY:
            if not self._open:
                self._tensors.update(dict.fromkeys(slot.tensor for slot in event.slots))
            around = self._open[-1].in_hand if self._open else None
            self._open.append(_Open(name, self._shown(event.slots, around)))
            return
        # What raised, and was caught by a layer around it, shows no exit.
        ended = next((n for n, one in enumerate(self._open) if one.name == name), None)
        if ended is None:
            return
        made = self._shown(event.slots, self._open[ended].in_hand)
        del self._open[ended:]
        self._layers[event.path] = _coarsest(self._layers.get(event.path), made)
        if self._open:
            self._open[-1].in_hand = _coarsest(self._open[-1].in_hand, made)
        else:
            self.returned = made

    def of(self, tensor: int) -> Optional[DType]:
        """Returns the dtype that a tensor was computed in; None where nothing was computed."""
        return self._tensors.get(tensor)

    def of_layer(self, path: str) -> Optional[DType]:
        """Returns the coarsest dtype of what a layer's calls made."""
        return self._layers.get(path)

    def _shown(self, slots: Iterable[Slot], in_hand: Optional[DType]) -> Optional[DType]:
        """Returns the coarsest dtype of these tensors, of which new ones were made of what was in hand."""
        found: Optional[DType] = None
        for slot in slots:
            dtype = slot.spec.dtype
            if dtype in FLOATING or dtype in COMPLEX:
                found = _coarsest(found, self._tensors.setdefault(slot.tensor, _coarsest(dtype, in_hand)))
        return found


def _coarsest(first: Optional[DType], second: Optional[DType]) -> Optional[DType]:
    return second if first is None else first if second is None else coarser(first, second)
