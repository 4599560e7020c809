"""Gradients of what is one tensor on one side and two on the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from padiff_compare.alignment.slots import SlotPair
from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.join.calls import CallPair
from padiff_compare.join.pairs import PairTable
from padiff_rpc.v1.records import Reason
from padiff_rpc.v1.words import Cause, Side


class Shares:
    """Knows the pairs whose gradients need not agree, since another pair holds all of both.

    A dropout in eval mode, or a reshape to the same shape, hands the same tensor on in one framework and a
    copy in the other. A total gradient of the one tensor is then that of the first of the two, which the
    second is made of; the second's is as large only where nothing else takes the first.
    Where the gradients are compared that calls send back to a tensor (see `own_gradients`), its total is not.
    """

    def __init__(self, calls: Iterable[CallPair]) -> None:
        self._whole: dict[TensorPair[int], tuple[TensorPair[int], CallPair]] = {}
        self._own: dict[TensorPair[int], tuple[TensorPair[int], CallPair]] = {}
        first: dict[tuple[Side, int], tuple[TensorPair[int], CallPair]] = {}
        for call in sorted(calls, key=lambda call: call.candidate.index):
            for slots in call.slots.pairs:
                pair = slots.tensors
                if slots.has_own_gradient:
                    self._own.setdefault(pair, (slots.gradient_numbers, call))
                    continue
                for side in SIDES:
                    whole, at = first.setdefault((side, pair.of(side)), (pair, call))
                    if whole != pair:
                        self._whole.setdefault(pair, (whole, at))

    def elsewhere(self, slots: SlotPair, gradients: PairTable[Any]) -> Optional[Reason]:
        """Returns where a gradient that is a share of another is judged; None for all others."""
        if slots.has_own_gradient:
            return None
        found = self._own.get(slots.tensors) or self._whole.get(slots.tensors)
        if found is None or gradients.measured(found[0]) is None:
            return None
        event = found[1].candidate.event
        at = str(event.moment), f"{event.path or 'the root'}#{event.call}"
        return Reason(cause=Cause.SHARED_TENSOR, names=at)
