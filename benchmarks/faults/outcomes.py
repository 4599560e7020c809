"""Outcomes: what a report said of a planted fault, or of a healthy pair, and whether that is right."""

from __future__ import annotations

from typing import Any, Optional

from benchmarks.faults.faults import Fault
from benchmarks.faults.naming import NAMES
from benchmarks.faults.subjects import SUBJECTS
from padiff_client import Report
from padiff_rpc.v1.records import Row

# Of a fault, best first.
EXACT, PHASE, ELSEWHERE, MISSED = "at the culprit", "right phase", "elsewhere", "missed"
# Of a healthy pair.
PASS, FALSE_ALARM, INCONCLUSIVE = "pass", "false alarm", "inconclusive"
# Of either: the comparison itself broke.
TROUBLE = "trouble"
UNKNOWN = "unknown"
HINTS_READ = 2


def of_fault(fault: Fault, report: Report) -> dict[str, Any]:
    """Returns how the fault was found, what was said, and whether its class was among the first hints."""
    row = _first(report)
    return {**_said(report), "found": _found(fault, report, row), "hint": _hint(fault, row)}


def of_healthy(report: Report) -> dict[str, Any]:
    """Returns how a healthy pair came out, and what was said."""
    said = _said(report)
    if report.troubles or report.failures:
        found = TROUBLE
    elif report.inconclusive is not None and not report.faults:
        found = INCONCLUSIVE
    else:
        found = PASS if report else FALSE_ALARM
    return {**said, "found": found}


def _said(report: Report) -> dict[str, Any]:
    row = _first(report)
    told = [str(report).partition("\n")[0]]
    if row is not None and row.figures is not None:
        told.append(f"relative L2 {row.figures.relative_l2:.3g}")
    if row is not None and row.between:
        told.append(row.between)
    told.append(f"{len(report.faults)} rows fail")
    told += [f"{failure.path}: {failure.text}"[:200] for failure in report.failures]
    return {"said": "; ".join(told), "seconds": round(report.summary.seconds, 2)}


def _first(report: Report) -> Optional[Row]:
    return None if report.first_divergence is None else report.first_divergence.row


def _found(fault: Fault, report: Report, row: Optional[Row]) -> str:
    if report.troubles:
        return TROUBLE
    if report:
        return MISSED
    if row is None:
        return PHASE if any(one.phase.value in fault.phases for one in report.failures) else ELSEWHERE
    if row.phase.value not in fault.phases:
        return ELSEWHERE
    return EXACT if _names_site(fault, row) else PHASE


def _names_site(fault: Fault, row: Row) -> bool:
    """Whether the row names the site; of code between layers, the layer whose code it is."""
    place = row.candidate or row.reference
    path = place.path if place is not None else ""
    if fault.paths:
        return any(part in path for part in fault.paths)
    if path == fault.site:
        return True
    # Where no pass charges the layer around the calls, a call that it makes shows what it was given.
    is_given = row.kind.value in ("input", "output_gradient")
    return fault.is_glue and is_given and SUBJECTS[fault.setting.subject].parent(path) == fault.site


def _hint(fault: Fault, row: Optional[Row]) -> str:
    """Returns "right" or "wrong", or "unknown" where the row has no hints."""
    hints = getattr(row, "hints", ())
    if not hints:
        return UNKNOWN
    named = [hint.kind.value for hint in hints[:HINTS_READ]]
    return "right" if NAMES[fault.kind] & set(named) else f"wrong: {', '.join(named)}"
