"""Rows of the report: their numbers, and what their verdicts say."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Optional

from padiff_compare.judge.evidence import AGREEING
from padiff_rpc.v1.records import Reason, Row
from padiff_rpc.v1.words import Phase, Verdict

_COMPARED = AGREEING | {
    Verdict.MISMATCH,
    Verdict.SHAPE_MISMATCH,
    Verdict.DTYPE_MISMATCH,
    Verdict.NONFINITE,
}


def reasons_of(reason: Optional[Reason]) -> tuple[Reason, ...]:
    """Returns a reason as rows and other records carry it: () for None."""
    return () if reason is None else (reason,)


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
    return row.verdict in AGREEING


def differs(row: Row) -> bool:
    """Whether the row says that its two sides are not the same."""
    return row.verdict not in AGREEING and row.verdict is not Verdict.NOT_COMPARED


def fails(row: Row) -> bool:
    """Whether the row alone makes its report fail."""
    return row.counts and row.verdict not in AGREEING
