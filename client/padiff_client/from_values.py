"""Records read back from JSON's own types, as `json_values` wrote them."""

from __future__ import annotations

import dataclasses
import functools
import types as python_types
from typing import Any, Union, get_args, get_origin, get_type_hints

from padiff_client.json_values import steps_key
from padiff_rpc.names import shown
from padiff_rpc.records import Word
from padiff_rpc.v1.records import LayoutRule

_UNIONS = (Union, getattr(python_types, "UnionType", Union))
_NONE = type(None)


def read(value: Any, kind: Any) -> Any:
    """Returns a JSON value as what `json_values` wrote it from, which was of this type."""
    if get_origin(kind) in _UNIONS:
        (inner,) = (one for one in get_args(kind) if one is not _NONE)
        return None if value is None else read(value, inner)
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        return tuple(read(one, item) for one in value)
    if dataclasses.is_dataclass(kind):
        return _record(value, kind)
    if isinstance(kind, type) and issubclass(kind, Word):
        return kind(value)
    if getattr(kind, "__name__", "") == "Tree" or kind is bytes:
        return bytes.fromhex(value)
    if kind is float:
        return float(value)
    if not isinstance(value, kind):
        raise TypeError(f"{shown(value)} in place of a {kind.__name__}")
    return value


def fields_of(value: dict[str, Any], kind: Any) -> dict[str, Any]:
    """Returns those fields of a record that a JSON object has, by name."""
    given = {}
    for name, hint in hints(kind).items():
        steps = value.get(steps_key(name))
        if steps is not None:
            given[name] = LayoutRule(steps=read(steps, hints(LayoutRule)["steps"]))
        elif name in value:
            given[name] = read(value[name], hint)
    return given


def _record(value: dict[str, Any], kind: Any) -> Any:
    """Returns a record; what a version did not write yet has its default."""
    return kind(**fields_of(value, kind))


@functools.cache
def hints(kind: Any) -> dict[str, Any]:
    """Returns the type of each field of a record."""
    known = get_type_hints(kind)
    return {field.name: known[field.name] for field in dataclasses.fields(kind)}
