"""Reports read back from JSON: each part as the record that it was written from."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import json
import types as python_types
from typing import Any, Union, get_args, get_origin, get_type_hints

from padiff_client.as_json import SCHEMA, steps_key
from padiff_client.whole_files import COMPRESSED
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import reason, shown
from padiff_rpc.paths import checked_path
from padiff_rpc.records import Word
from padiff_rpc.v1.records import LayoutRule, Note, ReportSummary, Row

_UNIONS = (Union, getattr(python_types, "UnionType", Union))
_NONE = type(None)


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
    if schema != SCHEMA:
        raise InvalidRequestError(
            f"{path} is no report of a schema that is known here: {shown(schema)}; allowed: {SCHEMA}",
            field="path",
        )
    try:
        notes = _read(content["note_records"], tuple[Note, ...])
        summary = _read({**content, "notes": []}, ReportSummary)
        return dataclasses.replace(summary, notes=notes), _read(content["rows"], tuple[Row, ...])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"{path} lacks a part of a report, or has another in its place: {type(error).__name__}: {error}; "
            "an earlier version may have written it",
            field="path",
        ) from None


def _read(value: Any, kind: Any) -> Any:
    """Returns a JSON value as what `as_json` wrote it from, which was of this type."""
    if get_origin(kind) in _UNIONS:
        (inner,) = (one for one in get_args(kind) if one is not _NONE)
        return None if value is None else _read(value, inner)
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        return tuple(_read(one, item) for one in value)
    if dataclasses.is_dataclass(kind):
        return _read_record(value, kind)
    if isinstance(kind, type) and issubclass(kind, Word):
        return kind(value)
    if getattr(kind, "__name__", "") == "Tree" or kind is bytes:
        return bytes.fromhex(value)
    if kind is float:
        return float(value)
    if not isinstance(value, kind):
        raise TypeError(f"{shown(value)} in place of a {kind.__name__}")
    return value


def _read_record(value: dict[str, Any], kind: Any) -> Any:
    """Returns a record; what a version did not write yet has its default."""
    given = {}
    for name, hint in _hints(kind).items():
        steps = value.get(steps_key(name))
        if steps is not None:
            given[name] = LayoutRule(steps=_read(steps, _hints(LayoutRule)["steps"]))
        elif name in value:
            given[name] = _read(value[name], hint)
    return kind(**given)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
