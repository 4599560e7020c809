"""Parting of the two sides: the calls that make different things of the same tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Optional

from padiff_compare.capture.sides import TensorPair
from padiff_rpc.records import record
from padiff_rpc.v1.records import FunctionCall
from padiff_rpc.v1.words import FindingKind, Side

# By side; None: what takes a tensor is no function but the place where it shows.
Calls = Mapping[Side, Optional[FunctionCall]]
NOBODY: Calls = {Side.REFERENCE: None, Side.CANDIDATE: None}


@record
class Parting:
    """Where the ways back from two tensors part.

    Attributes:
        kind: how.
        at: the tensors that are not equal there, though they should be.
        calls: what made them; None where a side has no such call.
        users: what takes them; None: the place from which the way back began.
        is_firm: whether all else that the calls take is sound, so that they do correspond.
    """

    kind: FindingKind
    at: TensorPair[int]
    calls: Calls = dataclasses.field(default_factory=lambda: NOBODY)
    users: Calls = dataclasses.field(default_factory=lambda: NOBODY)
    is_firm: bool = False

    @property
    def order(self) -> tuple[int, int]:
        """Sorts by the candidate's order of execution, then by the reference's."""
        numbers = []
        for side in (Side.CANDIDATE, Side.REFERENCE):
            call = self.calls[side] or self.users[side]
            numbers.append(call.number if call is not None else 1 << 31)
        return numbers[0], numbers[1]
