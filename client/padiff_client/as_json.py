"""A report as JSON; docs/report.md describes it."""

from __future__ import annotations

import enum
import json
import math
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from padiff_client import function_sentences, hint_sentences, sentences
from padiff_rpc.v1.records import FunctionFinding, Hint, LayoutRule

if TYPE_CHECKING:
    from padiff_client.report import Report

SCHEMA = "padiff-report/1"


def to_json(report: Report) -> str:
    """Returns valid JSON: NaN and infinities become the strings "nan", "inf" and "-inf"."""
    return json.dumps({**head(report), "rows": plain(report.all_rows)}, indent=1, allow_nan=False)


def head(report: Report) -> dict[str, Any]:
    """Returns all of a report but its rows, as JSON's own types."""
    divergence = report.first_divergence
    content = {
        "schema": SCHEMA,
        "passed": bool(report),
        "exit_code": report.exit_code,
        "reasons": list(report.reasons),
        **{
            field.name: plain(getattr(report.summary, field.name))
            for field in fields(report.summary)
            if field.name not in ("passed", "notes")
        },
        "notes": list(report.notes),
        "note_records": plain(report.summary.notes),
    }
    if divergence is not None:
        content["first_divergence"]["text"] = str(divergence)
    return content


def plain(value: Any) -> Any:
    """Returns a record, a word, a number or a tuple of these as JSON's own types."""
    told: Any = value
    if isinstance(value, LayoutRule):
        return str(value)
    if isinstance(value, Hint):
        return {**_fields(value), "text": hint_sentences.sentence(value)}
    if isinstance(value, FunctionFinding):
        return {**_fields(value), "text": function_sentences.sentence(value)}
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value):
        found = _fields(value)
        return {**found, "reason": sentences.reason(told)} if "reasons" in found else found
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def steps_key(name: str) -> str:
    """Returns the key under which a layout rule's steps stand beside its text."""
    return f"{name}_steps"


def _fields(value: Any) -> dict[str, Any]:
    found = {}
    for field in fields(value):
        one = getattr(value, field.name)
        found[field.name] = plain(one)
        if isinstance(one, LayoutRule):
            found[steps_key(field.name)] = plain(one.steps)
    return found
