"""Finished reports: what follows from all rows together joins what was gathered."""

from __future__ import annotations

import dataclasses

from padiff_compare.judge.interim_history import rounding_notes
from padiff_compare.report.builder import ReportBuilder
from padiff_compare.report.coverage import coverage_of, first_divergence, omitted, passes
from padiff_rpc.records import record
from padiff_rpc.v1.records import ReportSummary, Row


@record
class FinishedReport:
    """All rows, and the summary that goes with them."""

    rows: tuple[Row, ...]
    summary: ReportSummary


def finished(report: ReportBuilder, *, wants_outputs: bool = True) -> FinishedReport:
    """Returns the finished report; it passes without outputs only where none are wanted."""
    rows, unmatched = report.rows, report.unmatched
    coverage = coverage_of(rows, unmatched)
    is_whole = not wants_outputs or passes(rows, unmatched, coverage)
    first = first_divergence(rows, unmatched)
    gathered = report.gathered(coverage)
    summary = dataclasses.replace(
        gathered,
        passed=is_whole and gathered.passed,
        first_divergence=first,
        notes=(*gathered.notes, *rounding_notes(rows), *report.certainty_notes(first)),
        omitted=(*omitted(rows), *gathered.omitted),
    )
    return FinishedReport(rows=rows, summary=summary)
