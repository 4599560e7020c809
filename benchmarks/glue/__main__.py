"""Runs planted faults in code between layers through real workers, and prints how they were named.

Usage: python -m benchmarks.glue [NAME ...], where a name is a pair's or PAIR.FAULT; without any, all.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Optional

from benchmarks.faults.comparing import interpreter, serving
from benchmarks.glue.planted import MODELS, Planted, Subject, healthy, planted, subjects
from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_rpc.v1.records import FunctionCall, FunctionFinding, SourceLine
from padiff_rpc.v1.words import FindingKind

EXACT, BOTH, REGION, FALSE = "line exact", "both functions", "region right", "function wrongly said"


def main(wanted: list[str]) -> int:
    totals: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        processes = [
            ("server", [sys.executable, "-m", "padiff_server", "--allow-any-worker"]),
            *(
                (name, [interpreter(name), "-m", f"padiff_worker_{name}", "--path", str(MODELS)])
                for name in ("torch", "paddle")
            ),
        ]
        at = {name: stack.enter_context(serving(command, Path(folder), name)) for name, command in processes}
        for subject in subjects():
            faults = [one for one in planted(subject) if _is_wanted(subject, one.name, wanted)]
            for way in healthy(subject) if _is_wanted(subject, "healthy", wanted) else ():
                report = _compare(subject, way, at)
                right = bool(report) and not report.findings
                name = f"{subject.name}.healthy {way}".rstrip()
                print(f"{'right' if right else 'WRONG':6} {name}  {_said(report)}", flush=True)
            for fault in faults:
                report = _compare(subject, fault.name, at)
                found = _outcome(report, fault)
                for of in ("all", "held out" if subject.held_out else "seen"):
                    totals.setdefault(of, Counter()).update([*found, "faults"])
                marks = "".join(letter if name in found else "-" for letter, name in zip("LBR!", _NAMES))
                print(f"{marks}   {subject.name}.{fault.name}  {_said(report)}", flush=True)
    for of, counts in totals.items():
        shares = ", ".join(f"{name} {counts[name]} of {counts['faults']}" for name in _NAMES)
        print(f"{of}: {shares}")
    return 0


_NAMES = (EXACT, BOTH, REGION, FALSE)


def _is_wanted(subject: Subject, name: str, wanted: list[str]) -> bool:
    return not wanted or subject.name in wanted or f"{subject.name}.{name}" in wanted


def _compare(subject: Subject, fault: str, at: dict[str, str]) -> Report:
    candidate, reference = (
        ModelSpec(
            framework, f"{framework}_{subject.module}:{subject.name}", kwargs=kwargs, worker=at[framework]
        )
        for framework, kwargs in (("paddle", {"fault": fault}), ("torch", {}))
    )
    return auto_diff(candidate, reference, (Batch(args=subject.values),) * 2, server=at["server"])


def _outcome(report: Report, fault: Planted) -> set[str]:
    """Returns what was right of the first finding, and whether a function was named that is not at fault."""
    first = report.findings[0] if report.findings else None
    if first is None:
        return set()
    ours, theirs = _named(first, "candidate"), _named(first, "reference")
    # What the candidate lacks has no line of its own.
    is_missing = first.kind is FindingKind.MISSING and bool(theirs & fault.reference)
    is_exact = bool(ours & fault.candidate) or is_missing
    found = {EXACT} if is_exact else set()
    if is_exact and theirs & fault.reference:
        found.add(BOTH)
    if is_exact or (ours | _numbers(first.candidate_lines)) & fault.candidate:
        found.add(REGION)
    if first.kind is FindingKind.FUNCTION and not is_exact:
        found.add(FALSE)
    return found


def _named(found: FunctionFinding, side: str) -> set[int]:
    call: Optional[FunctionCall] = getattr(found, f"{side}_call")
    user: Optional[FunctionCall] = getattr(found, f"{side}_user")
    taken = user.source if user is not None else getattr(found, side).source
    return _numbers([call.source if call is not None else None, taken])


def _numbers(lines: Iterable[Optional[SourceLine]]) -> set[int]:
    return {line.line for line in lines if line is not None}


def _said(report: Report) -> str:
    if not report.findings:
        return str(report).partition("\n")[0]
    return f"{report.findings[0].kind}: {report.finding(report.findings[0])}"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
