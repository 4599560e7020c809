"""Rows of the report: before anything is known of their pairs, and of what one side alone has."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Optional

from padiff_rpc.v1.records import Place, Reason, Row
from padiff_rpc.v1.words import CaptureKind, Cause, Pass, Phase, Side, Verdict


def blank_row(
    phase: Phase,
    kind: CaptureKind,
    reference: Optional[Place] = None,
    candidate: Optional[Place] = None,
    *,
    step: int = 0,
    pass_kind: Pass = Pass.FREE,
) -> Row:
    """Returns the row of a pair of which nothing is known yet."""
    return Row(
        step=step,
        phase=phase,
        kind=kind,
        order=0,
        verdict=Verdict.NOT_COMPARED,
        reference=reference,
        candidate=candidate,
        pass_kind=pass_kind,
    )


def one_sided(row: Row, side: Side, *reasons: Reason, counts: bool = True) -> Row:
    """Returns the row of what only one side has; the other side's place is left out.

    `reasons`: none says no more than that.
    """
    return dataclasses.replace(
        row,
        verdict=Verdict.UNMATCHED,
        reference=row.reference if side is Side.REFERENCE else None,
        candidate=row.candidate if side is Side.CANDIDATE else None,
        reasons=reasons or (Reason(cause=Cause.ONE_SIDED, side=side),),
        counts=counts,
    )


def numbered(rows: Iterable[Row]) -> Iterator[Row]:
    """Yields the rows with their `order` counted from 0 within each phase."""
    counts: Counter[Phase] = Counter()
    for row in rows:
        yield dataclasses.replace(row, order=counts[row.phase])
        counts[row.phase] += 1
