"""A report as JSON; docs/report.md describes it.

A record is written without the fields that are at their default and empty: null, false, 0, "" and [].
What has many parts is written a part a line, and none of it is held whole.
"""

from __future__ import annotations

import enum
import functools
import json
import math
from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from padiff_client import function_sentences, hint_sentences, sentences
from padiff_rpc.v1.records import FunctionFinding, Hint, LayoutRule

if TYPE_CHECKING:
    from padiff_client.report import Report

SUFFIX = ".json"
SCHEMA = "padiff-report/2"
# As many as tell two float32 apart, and as a report shows at most.
_DIGITS = 9
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def pieces(report: Report) -> Iterator[str]:
    """Yields valid JSON: NaN and infinities become the strings "nan", "inf" and "-inf"."""
    separator = "{"
    for name, value in (*_content(report), ("rows", report.all_rows)):
        yield f"{separator}\n{_dumped(name)}: "
        if isinstance(value, tuple) and value and is_dataclass(value[0]):
            yield from _lines(value)
        else:
            yield _dumped(value)
        separator = ","
    yield "\n}\n"


def _lines(parts: tuple[Any, ...]) -> Iterator[str]:
    separator = "["
    for part in parts:
        yield f"{separator}\n{_dumped(plain(part))}"
        separator = ","
    yield "]"


def _dumped(value: Any) -> str:
    return _ENCODER.encode(value)


def head(report: Report, without: Collection[str] = ()) -> dict[str, Any]:
    """Returns all of a report but its rows, and but the keys `without`, as JSON's own types."""
    return {
        name: plain(value) if isinstance(value, tuple) else value
        for name, value in _content(report)
        if name not in without
    }


def _content(report: Report) -> Iterator[tuple[str, Any]]:
    """Yields the keys of all but the rows, each with its value or with the records that it lists."""
    yield "schema", SCHEMA
    yield "passed", bool(report)
    yield "exit_code", report.exit_code
    yield "reasons", report.reasons
    for field in fields(report.summary):
        value = getattr(report.summary, field.name)
        if field.name == "first_divergence" and value is not None:
            yield field.name, {**plain(value), "text": str(report.first_divergence)}
        elif field.name not in ("passed", "notes"):
            # Times of day have more digits than any figure.
            is_time = field.name in ("started_at", "seconds")
            is_long = isinstance(value, tuple)
            yield field.name, value if is_time or is_long else plain(value)
    yield "notes", report.notes
    yield "note_records", report.summary.notes


def plain(value: Any) -> Any:
    """Returns a record, or a value of one, as what JSON has."""
    kind: Any = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else str(value)
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, LayoutRule):
        return str(value)
    return _with_text(value, _fields(value, kind))


_AS_THEY_ARE = frozenset({str, int, bool, type(None)})


def _with_text(value: Any, written: dict[str, Any]) -> dict[str, Any]:
    """Returns a record with the sentence that says it, where there is one."""
    if isinstance(value, Hint):
        written["text"] = hint_sentences.sentence(value)
    elif isinstance(value, FunctionFinding):
        written["text"] = function_sentences.sentence(value)
    elif hasattr(value, "reasons"):
        reason = sentences.reason(value)
        if reason:
            written["reason"] = reason
    return written


def steps_key(name: str) -> str:
    """Returns the key under which a layout rule's steps stand beside its text."""
    return f"{name}_steps"


def _fields(value: Any, kind: Any) -> dict[str, Any]:
    written = {}
    for name, default in _defaults(kind):
        one = getattr(value, name)
        if not one and one == default and type(one) is type(default):
            continue
        written[name] = plain(one)
        if isinstance(one, LayoutRule):
            written[steps_key(name)] = plain(one.steps)
    return written


@functools.cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.default) for field in fields(kind))
