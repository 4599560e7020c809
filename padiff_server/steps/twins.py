"""The two rows of one place: of the pass on the reference's own values, and of the candidate's free run."""

from __future__ import annotations

import dataclasses
from typing import Optional

from padiff_rpc.results import Place, Row
from padiff_rpc.words import CaptureKind, Pass, Phase, Verdict
from padiff_server.coverage import differs, is_agreement

ACCUMULATION = "accumulation: on the reference's own values this place agrees"
FAULT = "a fault, which the row on the reference's own values shows"

_At = Optional[tuple[str, int, str]]


class Twins:
    """Knows the rows of both passes of one step by their places; the pass in lockstep comes first."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Phase, CaptureKind, _At, _At], int] = {}
        self._local: dict[int, Row] = {}

    def numbered(self, row: Row) -> Row:
        """Returns the row of a place, before any of it is charged to another, with the place's number."""
        key = (row.phase, row.kind, _at(row.reference), _at(row.candidate))
        return dataclasses.replace(row, twin=self._numbers.setdefault(key, len(self._numbers) + 1))

    def settled(self, row: Row) -> Row:
        """Takes the local row of a place; returns a free one, which does not count where its twin tells all.

        Values that differ in the free run alone are what smaller differences before have grown to. A fault
        is counted by the local row. Whatever else keeps a free row from agreeing, its twin does not explain.
        Of a local row that is charged to another layer, the one before that has to come first.
        """
        if row.pass_kind is Pass.LOCKSTEP:
            self._local.setdefault(row.twin, row)
            return row
        local = self._local.get(row.twin)
        if local is None or not (row.counts and differs(row)):
            return row
        if differs(local):
            return _explained(row, FAULT)
        if row.verdict is Verdict.MISMATCH and is_agreement(local):
            return _explained(row, ACCUMULATION)
        return row


def _explained(row: Row, text: str) -> Row:
    return dataclasses.replace(row, counts=False, reason="; ".join(filter(None, (text, row.reason))))


def _at(place: Optional[Place]) -> _At:
    return None if place is None else (place.path, place.call, place.slot)
