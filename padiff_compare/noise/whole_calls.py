"""Pairs of calls of which both moments are seen, and their tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from padiff_compare.capture.sides import TensorPair
from padiff_compare.capture.trace import CallName
from padiff_compare.join.calls import CallPair
from padiff_compare.join.pairs import PairTable
from padiff_compare.noise.noise import norm_of
from padiff_rpc.records import record
from padiff_rpc.v1.words import CallMoment


@record
class WholeCall:
    """Both moments of one call, and all that lie from the first to the last of them."""

    events: tuple[CallPair, ...]

    @property
    def entry(self) -> CallPair:
        return self.events[0]

    @property
    def exit(self) -> CallPair:
        return self.events[-1]

    @property
    def is_leaf(self) -> bool:
        """Whether no other call lies between its moments."""
        return len(self.events) == 2


def whole_calls(events: Sequence[CallPair]) -> dict[CallName, WholeCall]:
    """Returns the calls of which both moments are seen, by their names on the reference."""
    entries: dict[CallName, int] = {}
    calls: dict[CallName, WholeCall] = {}
    for number, event in enumerate(events):
        name = event.name
        if event.moment is CallMoment.ENTRY:
            entries[name] = number
        elif name in entries:
            calls[name] = WholeCall(events=tuple(events[entries[name] : number + 1]))
    return calls


def keys_of(event: CallPair) -> list[TensorPair[int]]:
    """Returns the tensors of an event that both sides have."""
    return [slots.tensors for slots in event.slots.pairs]


def gradient_keys_of(event: CallPair) -> list[TensorPair[int]]:
    """Returns the gradients of an event that both sides have."""
    return [slots.gradient_numbers for slots in event.slots.pairs]


def size_of(keys: Iterable[TensorPair[int]], table: PairTable[int]) -> tuple[float, float]:
    """Returns the norm and the root mean square of tensors together; 0 where nothing is known."""
    norms, elements = [0.0], 0
    for key in keys:
        measured = table.measured(key)
        norm = norm_of(measured)
        if measured is not None and measured.figures is not None and norm is not None:
            norms.append(norm)
            elements += measured.figures.elements
    norm = math.hypot(*norms)
    return norm, norm / math.sqrt(max(elements, 1))
