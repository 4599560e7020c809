"""The report as SARIF 2.1.0: a result for each fault, at the candidate's line and at the reference's."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from padiff_client import hint_sentences, sentences, verdict_reasons, wording
from padiff_rpc.v1.records import FunctionFinding, ModelFailure, Place, Row, SourceLine
from padiff_rpc.v1.words import Verdict
from padiff_rpc.version import package_version

if TYPE_CHECKING:
    from padiff_client.report import Report

SUFFIX = ".sarif"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "SRCROOT"
_RAISED, _NOT_A_PASS = "model-raised", "not-a-pass"
_RULES = {
    Verdict.MISMATCH: "Values differ by more than is allowed.",
    Verdict.SHAPE_MISMATCH: "Shapes differ.",
    Verdict.DTYPE_MISMATCH: "Dtypes differ.",
    Verdict.NONFINITE: "NaN or infinities are on one side alone.",
    Verdict.UNMATCHED: "One side alone has it.",
    Verdict.NOT_COMPARED: "It could not be compared.",
}


def pieces(report: Report) -> Iterator[str]:
    """Yields the log, a result at a time."""
    yield f'{{"$schema": {json.dumps(SCHEMA)}, "version": "2.1.0", "runs": [{{\n'
    yield f'"tool": {_dumped(_tool())},\n'
    yield f'"originalUriBaseIds": {_dumped({_ROOT: {"uri": Path.cwd().as_uri() + "/"}})},\n'
    yield f'"invocations": [{_dumped(_invocation(report))}],\n"results": ['
    separator = "\n"
    for result in _results(report):
        yield f"{separator}{_dumped(result)}"
        separator = ",\n"
    yield "\n]}]}\n"


def _dumped(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _tool() -> dict[str, Any]:
    rules = [(_rule(verdict), text) for verdict, text in _RULES.items()]
    rules += [(_RAISED, "A model raised."), (_NOT_A_PASS, "The report is no pass.")]
    described = [{"id": name, "shortDescription": {"text": text}} for name, text in rules]
    return {"driver": {"name": "padiff", "version": package_version(), "rules": described}}


def _invocation(report: Report) -> dict[str, Any]:
    made: dict[str, Any] = {
        "executionSuccessful": not (report.troubles or report.failures),
        "exitCode": report.exit_code,
        "startTimeUtc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(report.summary.started_at)),
    }
    notes = [{"message": {"text": verdict_reasons.trouble(one)}, "level": "error"} for one in report.troubles]
    if notes:
        made["toolExecutionNotifications"] = notes
    return made


def _results(report: Report) -> Iterator[dict[str, Any]]:
    for failed in report.failures:
        yield _result(_RAISED, verdict_reasons.failure(failed), _raised_at(failed))
    findings = {(one.step, one.phase, one.reference.path): one for one in reversed(report.findings)}
    differing = [row for row in report.rows if row.counts and row.verdict in _RULES]
    for row in differing:
        path = row.reference.path if row.reference is not None else ""
        yield _of_row(row, findings.get((row.step, row.phase, path)))
    if not report and not (differing or report.failures or report.troubles):
        for reason in report.reasons:
            yield _result(_NOT_A_PASS, reason, [])


def _of_row(row: Row, finding: Optional[FunctionFinding]) -> dict[str, Any]:
    figures = wording.measured(row.figures) if row.figures is not None else ""
    said = [
        f"{wording.moment_of(row)}, {wording.place_of(row)}: {wording.words(row.verdict)}",
        figures,
        sentences.reason(row),
        hint_sentences.probably(row),
    ]
    ours, theirs = _line(row.candidate), _line(row.reference)
    if finding is not None:
        ours = finding.candidate_call.source if finding.candidate_call is not None else ours
        theirs = finding.reference_call.source if finding.reference_call is not None else theirs
    # A result without a place in a file is shown by few viewers.
    path = _path(row)
    made = _result(_rule(row.verdict), "; ".join(filter(None, said)), [_location(ours or theirs, path)])
    if theirs is not None:
        made["relatedLocations"] = [
            {"id": 1, **_location(theirs, path), "message": {"text": "the reference"}}
        ]
    place = row.reference or row.candidate
    if place is not None:
        named = (row.phase, row.kind, place.path, place.call, place.slot)
        made["partialFingerprints"] = {"place/v1": "/".join(map(str, named))}
    return made


def _result(rule: str, text: str, locations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "ruleId": rule,
        "level": "error",
        "message": {"text": wording.plain(text)},
        "locations": locations,
    }


def _raised_at(failed: ModelFailure) -> list[dict[str, Any]]:
    return [_location(failed.source, failed.path)]


def _layer(path: str) -> dict[str, Any]:
    return {"fullyQualifiedName": wording.plain(path) or "the root", "kind": "module"}


def _line(place: Optional[Place]) -> Optional[SourceLine]:
    lines = (place.source, place.behind) if place is not None else ()
    return next((one for one in lines if one is not None and one.line), None)


def _path(row: Row) -> str:
    place = row.candidate or row.reference
    return place.path if place is not None else ""


def _location(line: Optional[SourceLine], path: str) -> dict[str, Any]:
    made: dict[str, Any] = {"logicalLocations": [_layer(path)]}
    if line is not None:
        region: dict[str, Any] = {"startLine": line.line}
        if line.text.strip():
            region["snippet"] = {"text": wording.plain(line.text)}
        made["physicalLocation"] = {"artifactLocation": _file(line.file), "region": region}
    return made


def _file(name: str) -> dict[str, Any]:
    """Returns a file's place: below the working directory relative to it, as code hosts want it."""
    path = Path(os.path.abspath(name))
    try:
        inside = path.relative_to(Path.cwd())
    except ValueError:
        return {"uri": path.as_uri()}
    # Quoted as URIs are, and without the root that as_uri puts before it.
    return {"uri": Path("/", inside).as_uri().removeprefix("file:///"), "uriBaseId": _ROOT}


def _rule(verdict: Verdict) -> str:
    return str(verdict).replace("_", "-")
