"""A report as JSON; docs/report.md describes it.

What has many parts is written a part a line, and none of it is held whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from padiff_client.json_tables import Tables, dumped, lines
from padiff_client.json_values import plain

if TYPE_CHECKING:
    from padiff_client.report import Report

SUFFIX = ".json"
SCHEMA = "padiff-report/3"


def pieces(report: Report, *, with_all_figures: bool = False) -> Iterator[str]:
    """Yields valid JSON: NaN and infinities become the strings "nan", "inf" and "-inf".

    `with_all_figures`: of every row; else of those at fault, and of others those that judged them.
    """
    tables = Tables(with_all_figures=with_all_figures)
    separator = "{"
    for name, value in (*_content(report), ("rows", report.all_rows)):
        yield f"{separator}\n{dumped(name)}: "
        if name in _TABLES:
            yield from getattr(tables, name)(value)
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            yield from lines(dumped(plain(part)) for part in value)
        else:
            yield dumped(value)
        separator = ","
    for name, table in tables.shared():
        yield f",\n{dumped(name)}: "
        yield from table
    yield "\n}\n"


_TABLES = ("plan", "weights", "rows")


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
