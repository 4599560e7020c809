"""Gradients of what is one tensor on one side and two on the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from padiff_rpc.v1.records import Reason, Row
from padiff_rpc.v1.words import Cause, Side, Verdict
from padiff_server.alignment.slots import SlotPair
from padiff_server.coverage import is_agreement
from padiff_server.sides import SIDES, TensorPair
from padiff_server.steps.calls import CallPair
from padiff_server.steps.pairs import PairTable


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

    def settled(self, row: Row, slots: SlotPair, gradients: PairTable[Any]) -> Row:
        """Returns the row of a gradient, which does not count where it differs and is a share of another."""
        found = self._own.get(slots.tensors) or self._whole.get(slots.tensors)
        if slots.has_own_gradient:
            return row
        if found is None or row.verdict is Verdict.NOT_COMPARED or is_agreement(row):
            return row
        whole, call = found
        if gradients.measured(whole) is None:
            return row
        event = call.candidate.event
        at = str(event.moment), f"{event.path or 'the root'}#{event.call}"
        reason = Reason(cause=Cause.SHARED_TENSOR, names=at)
        return dataclasses.replace(row, verdict=Verdict.NOT_COMPARED, reasons=(reason,), counts=False)
