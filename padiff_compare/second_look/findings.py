"""Findings as the report has them: what was located, and the row that led there."""

from __future__ import annotations

from padiff_compare.functions.arguments import differing_arguments
from padiff_compare.functions.locate import Located
from padiff_rpc.v1.records import FunctionFinding, Row
from padiff_rpc.v1.words import Side


def finding(row: Row, located: Located) -> FunctionFinding:
    """Returns the finding; the row has places on both sides."""
    parting, reference, candidate = located.parting, row.reference, row.candidate
    assert reference is not None
    assert candidate is not None
    calls, users = parting.calls, parting.users
    return FunctionFinding(
        kind=parting.kind,
        step=row.step,
        phase=row.phase,
        reference=reference,
        candidate=candidate,
        reference_call=calls[Side.REFERENCE],
        candidate_call=calls[Side.CANDIDATE],
        reference_user=users[Side.REFERENCE],
        candidate_user=users[Side.CANDIDATE],
        reference_lines=located.lines[Side.REFERENCE],
        candidate_lines=located.lines[Side.CANDIDATE],
        differing=differing_arguments(calls[Side.REFERENCE], calls[Side.CANDIDATE]),
    )


def without_repetition(findings: list[FunctionFinding]) -> tuple[FunctionFinding, ...]:
    """Returns each finding once, though several rows led there."""
    found: dict[object, FunctionFinding] = {}
    for one in findings:
        places = (one.reference.path, one.reference.call, one.candidate.path, one.candidate.call)
        numbers = tuple(
            call.number if call is not None else 0 for call in (one.reference_call, one.candidate_call)
        )
        found.setdefault((one.kind, places, numbers), one)
    return tuple(found.values())
