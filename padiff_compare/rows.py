"""Rows of the report: blank, of what one side alone has, and what their verdicts say."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Optional

from padiff_rpc.v1.records import Place, Reason, Row
from padiff_rpc.v1.words import CaptureKind, Cause, Pass, Phase, Side, Verdict

_AGREEING = frozenset({Verdict.MATCH, Verdict.WITHIN_TOLERANCE})
_COMPARED = _AGREEING | {
    Verdict.MISMATCH,
    Verdict.SHAPE_MISMATCH,
    Verdict.DTYPE_MISMATCH,
    Verdict.NONFINITE,
}


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


def reasons_of(reason: Optional[Reason]) -> tuple[Reason, ...]:
    """Returns a reason as rows and other records carry it: () for None."""
    return () if reason is None else (reason,)


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


def is_compared(row: Row) -> bool:
    """Whether the row's two tensors were held against each other."""
    return row.verdict in _COMPARED


def is_agreement(row: Row) -> bool:
    """Whether the row's two tensors were compared and do not differ."""
    return row.verdict in _AGREEING


def differs(row: Row) -> bool:
    """Whether the row says that its two sides are not the same."""
    return row.verdict not in _AGREEING and row.verdict is not Verdict.NOT_COMPARED


def fails(row: Row) -> bool:
    """Whether the row alone makes its report fail."""
    return row.counts and row.verdict not in _AGREEING
