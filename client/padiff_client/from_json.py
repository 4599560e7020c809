"""Reports read back from JSON: each part as the record that it was written from."""

from __future__ import annotations

import dataclasses
import gzip
import json
from typing import Any

from padiff_client.as_json import SCHEMA
from padiff_client.from_tables import ReadTables
from padiff_client.from_values import read
from padiff_client.whole_files import COMPRESSED
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import reason, shown
from padiff_rpc.paths import checked_path
from padiff_rpc.v1.records import Note, ReportSummary, Row

# In which every entry of a list is an object, with everything that it shares with others.
_WITHOUT_TABLES = "padiff-report/2"


def read_report(path: str) -> tuple[ReportSummary, tuple[Row, ...]]:
    """Returns the summary and the rows of a file. Raises InvalidRequestError for what is no report."""
    checked_path(path, field="path")
    opened = gzip.open if path.lower().endswith(COMPRESSED) else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, EOFError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {reason(error)}", field="path") from None
    except ValueError as error:
        raise InvalidRequestError(f"{path} is no JSON: {error}", field="path") from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema not in (SCHEMA, _WITHOUT_TABLES):
        raise InvalidRequestError(
            f"{path} is no report of a schema that is known here: {shown(schema)}; "
            f"allowed: {SCHEMA}, {_WITHOUT_TABLES}",
            field="path",
        )
    try:
        return _without_tables(content) if schema == _WITHOUT_TABLES else _with_tables(content)
    except (LookupError, TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"{path} lacks a part of a report, or has another in its place: {type(error).__name__}: {error}; "
            "an earlier version may have written it",
            field="path",
        ) from None


def _with_tables(content: dict[str, Any]) -> tuple[ReportSummary, tuple[Row, ...]]:
    tables = ReadTables(content)
    summary = _summary({**content, "plan": [], "weights": []})
    return dataclasses.replace(summary, plan=tables.plan(), weights=tables.weights()), tables.rows()


def _without_tables(content: dict[str, Any]) -> tuple[ReportSummary, tuple[Row, ...]]:
    return _summary(content), read(content["rows"], tuple[Row, ...])


def _summary(content: dict[str, Any]) -> ReportSummary:
    summary: ReportSummary = read({**content, "notes": []}, ReportSummary)
    return dataclasses.replace(summary, notes=read(content["note_records"], tuple[Note, ...]))
