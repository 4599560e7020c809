"""Records as JSON's own types.

A record is written without the fields that are at their default and empty: null, false, 0, "" and [].
"""

from __future__ import annotations

import enum
import functools
import math
from dataclasses import fields
from typing import Any

from padiff_client import function_sentences, hint_sentences, sentences
from padiff_rpc.records import PackedTuple
from padiff_rpc.v1.records import FunctionFinding, Hint, LayoutRule

# As many as tell two float32 apart, and as a report shows at most.
DIGITS = 9


def plain(value: Any) -> Any:
    """Returns a record, or a value of one, as what JSON has."""
    kind: Any = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else str(value)
    if isinstance(value, (tuple, list, PackedTuple)):
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
