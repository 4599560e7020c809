"""The worth of a verdict where the alignment was not sure of a pair."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Optional

from padiff_compare.rows import fails
from padiff_rpc.v1.records import FirstDivergence, Note, PlanPair, Reason, Row
from padiff_rpc.v1.words import Cause, NoteKind


class Doubts:
    """The pairs of low confidence of a plan, by the paths of both sides."""

    def __init__(self, plan: Iterable[PlanPair] = ()) -> None:
        self._pairs = {pair.paths: pair for pair in plan if pair.is_doubtful}

    def marked(self, row: Row) -> Row:
        """Returns the row, with a reason more where its layers are a pair of low confidence."""
        pair = self._pair(row)
        if pair is None:
            return row
        doubt = Reason(cause=Cause.LOW_CONFIDENCE, numbers=(pair.confidence,), because=pair.reasons)
        return dataclasses.replace(row, reasons=(*row.reasons, doubt))

    def notes(self, rows: Sequence[Row], first: Optional[FirstDivergence]) -> Iterator[Note]:
        """Yields what a reader must know of the verdict; nothing without doubtful pairs."""
        if not self._pairs:
            return
        yield Note(kind=NoteKind.LOW_CONFIDENCE)
        if first is not None and self._pair(first.row) is not None:
            yield Note(kind=NoteKind.LOW_CONFIDENCE_DIVERGENCE)
        failed = [row for row in rows if fails(row)]
        if failed and all(self._pair(row) is not None for row in failed):
            yield Note(kind=NoteKind.LOW_CONFIDENCE_EVERYWHERE)

    def _pair(self, row: Row) -> Optional[PlanPair]:
        if row.reference is None or row.candidate is None:
            return None
        return self._pairs.get((row.reference.path, row.candidate.path))
