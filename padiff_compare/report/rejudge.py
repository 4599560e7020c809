"""Kept runs judged again under other bounds, without a model: by their tensors, else by their figures."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Optional

from padiff_compare.judge.evidence import Evidence, Measured
from padiff_compare.judge.judged_row import fails, is_agreement, judged_row, unmeasured_row
from padiff_compare.judge.measured import Aspect, measure_pair
from padiff_compare.judge.tolerances import Tolerances, own_bounds
from padiff_compare.report.coverage import omitted
from padiff_compare.report.finished import FinishedReport, concluded
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import (
    Figures,
    Note,
    Options,
    OwnBounds,
    Reason,
    ReportSummary,
    Row,
    Tolerance,
)
from padiff_rpc.v1.words import Cause, CompareMode, NoteKind, Pass, Phase, Verdict

# Gives both tensors of the row of a number; None where they were not kept.
TensorsOf = Callable[[int], Optional[tuple[HostTensor, HostTensor]]]

# What bounds decide; other verdicts are of shapes, dtypes, NaN and of what is missing.
_BY_BOUNDS = frozenset({Verdict.MATCH, Verdict.WITHIN_TOLERANCE, Verdict.MISMATCH, Verdict.INCONCLUSIVE})
# Said of the place, whatever its figures.
_OF_PLACES = frozenset({Cause.LOW_CONFIDENCE, Cause.OFF_PLAN})
# Said of what differs in the free run, for which another row stands.
_OF_FREE_RUN = frozenset({Cause.ACCUMULATION, Cause.LOCAL_FAULT, Cause.LEAP, Cause.CARRIED_OVER})
# Follow from the rows, and are made anew of them.
_OF_ROWS = frozenset(
    {NoteKind.LOW_CONFIDENCE, NoteKind.LOW_CONFIDENCE_DIVERGENCE, NoteKind.LOW_CONFIDENCE_EVERYWHERE}
)


@record
class Rejudged:
    """A report under other bounds, and by what its rows were judged.

    Attributes:
        by_tensors, by_figures: how many rows of each.
        untold: the numbers of the rows that cannot be judged again; those that count make the report fail.
    """

    report: FinishedReport
    by_tensors: int
    by_figures: int
    untold: tuple[int, ...]


def rejudged(report: FinishedReport, options: Options, tensors_of: TensorsOf) -> Rejudged:
    """Returns the report of a run under the bounds of these options, of which at least one is given."""
    bounds = own_bounds(options)
    assert bounds is not None
    by: Counter[str] = Counter()
    untold: list[int] = []
    rows: list[Row] = []
    for number, row in enumerate(report.rows):
        if row.verdict not in _BY_BOUNDS or row.figures is None or row.phase is Phase.INITIAL_WEIGHTS:
            rows.append(row)  # weights were copied, and are equal or not
            continue
        tensors = tensors_of(number)
        measured = _measured_again(row, options, tensors) if tensors else _by_figures(row, bounds, options)
        if measured is None:
            untold.append(number)
            rows.append(_untold(row))
            continue
        by["tensors" if tensors else "figures"] += 1
        rows.append(_judged_again(row, measured, options))
    numbers = by["tensors"], by["figures"], len(untold)
    note = Note(kind=NoteKind.REJUDGED, numbers=tuple(map(float, numbers)))
    summary = concluded(_without_what_follows(report, options, rows, note), rows)
    return Rejudged(
        report=FinishedReport(rows=tuple(rows), summary=summary),
        by_tensors=by["tensors"],
        by_figures=by["figures"],
        untold=tuple(untold),
    )


def _measured_again(row: Row, options: Options, tensors: tuple[HostTensor, HostTensor]) -> Measured:
    tolerances = Tolerances(options, in_lockstep=row.pass_kind is Pass.LOCKSTEP)
    aspect = Aspect(phase=row.phase, kind=row.kind)
    measured = measure_pair(aspect, *tensors, tolerances=tolerances)
    # What would be without these bounds, the kept report says; the table alone does not tell it.
    return dataclasses.replace(measured, by_table=None)


def _by_figures(row: Row, bounds: Tolerance, options: Options) -> Optional[Measured]:
    """Returns what a row's figures say under other bounds; None where they do not tell."""
    figures = row.figures
    specs = [place.spec for place in (row.reference, row.candidate) if place is not None]
    reference, candidate = specs if len(specs) == 2 else (None, None)
    if figures is None or reference is None or candidate is None:
        return None
    if options.compare_mode is not CompareMode.MEAN and not figures.bitwise_equal:
        outside = _elements_outside(figures, row.tolerance, bounds)
        if outside is None:
            return None
        figures = dataclasses.replace(figures, mismatches=outside)
    return Measured(reference=reference, candidate=candidate, tolerance=bounds, figures=figures)


def _elements_outside(figures: Figures, before: Optional[Tolerance], bounds: Tolerance) -> Optional[int]:
    """Returns how many elements are outside of `bounds`, at least; None where it may be none, or some.

    Each may differ by atol + rtol * |reference|.
    """
    outside = sum(one.abs_diff > bounds.atol + bounds.rtol * abs(one.reference) for one in figures.worst)
    if outside or figures.max_abs <= bounds.atol or figures.elements <= len(figures.worst):
        return outside
    if before is not None:
        if bounds.atol >= before.atol and bounds.rtol >= before.rtol and not figures.mismatches:
            return 0
        if bounds.atol <= before.atol and bounds.rtol <= before.rtol and figures.mismatches:
            return figures.mismatches
    return None


def _judged_again(row: Row, measured: Measured, options: Options) -> Row:
    evidence = Evidence(kind=row.kind, measured=measured)
    again = judged_row(dataclasses.replace(row, hints=()), evidence, options)
    kept = _OF_PLACES if is_agreement(again) else _OF_PLACES | _OF_FREE_RUN
    return dataclasses.replace(
        again,
        rule=row.rule,
        counts=row.counts,
        from_gold=row.from_gold,
        hints=() if is_agreement(again) else row.hints,
        reasons=(*again.reasons, *(one for one in row.reasons if one.cause in kept)),
    )


def _untold(row: Row) -> Row:
    """Returns the row of a pair of which nothing is left that tells; one that counts fails."""
    why = Reason(cause=Cause.NOT_KEPT)
    again = unmeasured_row(dataclasses.replace(row, hints=(), omission=None), why, is_needed=row.counts)
    return dataclasses.replace(again, rule=row.rule)


def _without_what_follows(
    report: FinishedReport, options: Options, rows: list[Row], note: Note
) -> ReportSummary:
    """Returns the summary without what follows from the rows as they were, and with a note more."""
    summary = report.summary
    following = omitted(report.rows)
    failing = {row.step for row in rows if fails(row)}
    return dataclasses.replace(
        summary,
        passed=not (summary.failures or summary.troubles),
        notes=(
            *(one for one in summary.notes if one.kind not in _OF_ROWS),
            note,
        ),
        omitted=tuple(one for one in summary.omitted if one not in following),
        bounds=OwnBounds(atol=options.atol, rtol=options.rtol),
        steps=tuple(dataclasses.replace(step, passed=step.step not in failing) for step in summary.steps),
    )
