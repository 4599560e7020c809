"""Finished reports: what follows from all rows together joins what was gathered."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Optional

from padiff_compare.judge.judged_row import exceeds_rounding
from padiff_compare.report.builder import Doubts, ReportBuilder
from padiff_compare.report.coverage import (
    coverage_of,
    first_divergence,
    inconclusive,
    judged,
    omitted,
    passes,
    places_of,
)
from padiff_rpc.records import record
from padiff_rpc.v1.records import Measurement, OwnBounds, ReportSummary, Row
from padiff_rpc.v1.words import DecidedBy


@record
class FinishedReport:
    """All rows, and the summary that goes with them."""

    rows: tuple[Row, ...]
    summary: ReportSummary


def finished(report: ReportBuilder, *, wants_outputs: bool = True) -> FinishedReport:
    """Returns the finished report; it passes without outputs only where none are wanted."""
    rows = report.rows
    return FinishedReport(rows=rows, summary=concluded(report.gathered(), rows, wants_outputs=wants_outputs))


def concluded(gathered: ReportSummary, rows: Sequence[Row], *, wants_outputs: bool = True) -> ReportSummary:
    """Returns what was gathered with what follows from these rows, which are all that there are."""
    unmatched = gathered.unmatched
    coverage = coverage_of(rows, unmatched)
    is_whole = not wants_outputs or passes(rows, unmatched, coverage)
    first = first_divergence(rows, unmatched)
    return dataclasses.replace(
        gathered,
        passed=is_whole and gathered.passed,
        coverage=coverage,
        first_divergence=first,
        notes=(*gathered.notes, *Doubts(gathered.plan).notes(rows, first)),
        omitted=(*omitted(rows), *gathered.omitted),
        inconclusive=inconclusive(rows),
        bounds=_counted(gathered.bounds, rows),
        measurement=_measured(gathered.measurement, rows),
    )


def _counted(bounds: Optional[OwnBounds], rows: Sequence[Row]) -> Optional[OwnBounds]:
    """Returns the user's bounds with the number of places that agree by them alone."""
    if bounds is None:
        return None
    found = places_of(row for row in judged(rows) if row.counts and exceeds_rounding(row))
    return dataclasses.replace(bounds, places=found)


def _measured(cost: Measurement, rows: Sequence[Row]) -> Measurement:
    """Returns what measuring has cost, with the numbers of judged rows by what decided them."""
    numbers = Counter(row.decided_by for row in judged(rows))
    return dataclasses.replace(
        cost,
        by_equality=numbers[DecidedBy.EQUALITY],
        by_table=numbers[DecidedBy.TABLE],
        by_sums=numbers[DecidedBy.SUMS],
        by_gold=numbers[DecidedBy.GOLD],
        by_noise=numbers[DecidedBy.NOISE],
        by_bounds=numbers[DecidedBy.BOUNDS],
        not_compared=numbers[None],
    )
