"""The worth of a verdict where the alignment was not sure of a pair."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Optional

from padiff_compare.alignment.plan import LOW_CONFIDENCE
from padiff_compare.rows import fails
from padiff_rpc.v1.records import FirstDivergence, PlanPair, Reason, Row
from padiff_rpc.v1.words import Cause

_NAMED = 3


class Doubts:
    """The pairs of low confidence of a plan, by the paths of both sides."""

    def __init__(self, plan: Iterable[PlanPair] = ()) -> None:
        self._pairs = {
            (pair.reference.path, pair.candidate.path): pair
            for pair in plan
            if pair.reference is not None and pair.candidate is not None and pair.confidence < LOW_CONFIDENCE
        }

    def marked(self, row: Row) -> Row:
        """Returns the row, with a reason more where its layers are a pair of low confidence."""
        pair = self._pair(row)
        if pair is None:
            return row
        doubt = Reason(cause=Cause.LOW_CONFIDENCE, numbers=(pair.confidence,), names=(pair.reason,))
        return dataclasses.replace(row, reasons=(*row.reasons, doubt))

    def notes(self, rows: Sequence[Row], first: Optional[FirstDivergence]) -> list[str]:
        """Returns what a reader must know of the verdict, one line each; nothing without doubtful pairs."""
        if not self._pairs:
            return []
        advice = "pin what belongs together in the layer map"
        notes = [f"the verdict rests on {self._count(len(self._pairs))}: {self._examples()}; {advice}"]
        if first is not None and self._pair(first.row) is not None:
            notes.append(
                "the first divergence lies in a low-confidence pair: its two layers may not belong together"
            )
        failed = [row for row in rows if fails(row)]
        if failed and all(self._pair(row) is not None for row in failed):
            notes.append("every difference lies in low-confidence pairs")
        return notes

    def _pair(self, row: Row) -> Optional[PlanPair]:
        if row.reference is None or row.candidate is None:
            return None
        return self._pairs.get((row.reference.path, row.candidate.path))

    @staticmethod
    def _count(pairs: int) -> str:
        return "1 low-confidence pair" if pairs == 1 else f"{pairs} low-confidence pairs"

    def _examples(self) -> str:
        named = [
            f"{reference or '(root)'} ~ {candidate or '(root)'} ({pair.confidence:.2f}: {pair.reason})"
            for (reference, candidate), pair in list(self._pairs.items())[:_NAMED]
        ]
        more = len(self._pairs) - len(named)
        return ", ".join(named) + (f" and {more} more" if more else "")
