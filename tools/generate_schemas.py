"""Writes the JSON Schemas of the files that people and programs read: a report as JSON, a spec in YAML.

Usage: python tools/generate_schemas.py FOLDER, in the client's environment. Both are made of the typed
records that write or read these files; descriptions are the records' docstrings.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Optional, Union, get_args, get_origin, get_type_hints

from padiff_client import as_json, json_tables, json_values, specfile
from padiff_client.frameworks import FRAMEWORKS
from padiff_client.layer_map import LayerMap
from padiff_client.session import Server
from padiff_client.spec import ModelSpec
from padiff_rpc.records import Word
from padiff_rpc.typed_files import REQUIRED, Count
from padiff_rpc.v1.records import (
    FunctionFinding,
    Hint,
    LayoutRule,
    LayoutStep,
    Note,
    Place,
    PlanPair,
    ReportSummary,
    Row,
    SourceLine,
    TensorSpec,
    Tolerance,
    WeightFate,
)
from padiff_rpc.yaml_nodes import Entry

Schema = dict[str, Any]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Schema = {"type": "string"}
_ATTRIBUTE = re.compile(r"^    (\w+(?:, \w+)*): (.*)$")


class Definitions:
    """Schemas of types; those of records are collected, and referred to by name."""

    def __init__(self, known: Mapping[Any, Schema]) -> None:
        """`known`: types whose values are written in a way of their own."""
        self.collected: dict[str, Schema] = {}
        self._known = known

    def of(self, kind: Any) -> Schema:
        """Returns the schema of a type's values."""
        if kind in self._known:
            return self._known[kind]
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return _any_of([self.of(one) for one in arguments])
        if origin is tuple:
            return self.of_several(self.of(arguments[0]))
        if origin is not None and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if isinstance(kind, type) and issubclass(kind, Word):
            return {"enum": [str(one) for one in kind]}
        if is_dataclass(kind):
            name = kind.__name__.lstrip("_")
            if name not in self.collected:
                self.collected[name] = {}  # some records hold others of their kind
                self.collected[name] = self.record(kind)
            return {"$ref": f"#/$defs/{name}"}
        return self.of(kind.__supertype__)

    def of_several(self, one: Schema) -> Schema:
        """Returns the schema of a list."""
        return {"type": "array", "items": one}

    def record(self, kind: Any) -> Schema:
        """Returns the schema of a record."""
        raise NotImplementedError


class OfReports(Definitions):
    """Records as `as_json` writes them: what is empty and at its default is left out."""

    def __init__(self) -> None:
        number = {"anyOf": [{"type": "number"}, {"enum": ["nan", "inf", "-inf"]}]}
        simple = {
            bool: {"type": "boolean"},
            int: {"type": "integer"},
            float: number,
            str: _TEXT,
            bytes: _TEXT,
        }
        super().__init__({**simple, type(None): {"type": "null"}})

    def of(self, kind: Any) -> Schema:
        return _TEXT if kind is LayoutRule else super().of(kind)

    def record(self, kind: Any) -> Schema:
        hints, described = get_type_hints(kind), descriptions(kind)
        properties: dict[str, Schema] = {}
        for field in fields(kind):
            schema = self.of(hints[field.name])
            properties[field.name] = {**schema, **described.get(field.name, {})}
            if LayoutRule in (hints[field.name], *get_args(hints[field.name])):
                properties[json_values.steps_key(field.name)] = self.of(tuple[LayoutStep, ...])
        needed = [one.name for one in fields(kind) if one.default is MISSING or one.default]
        if kind in (Hint, FunctionFinding):
            properties["text"] = {**_TEXT, "description": "What it says, as a sentence."}
            needed.append("text")
        if "reasons" in properties:
            properties["reason"] = {**_TEXT, "description": "The reasons, as a sentence."}
        return {**about(kind), "type": "object", "properties": properties, "required": needed}


def of_reports() -> Schema:
    """Returns the schema of a report as JSON."""
    definitions = OfReports()
    summary = definitions.record(ReportSummary)["properties"]
    texts = definitions.of_several(_TEXT)
    properties = {
        "schema": {"const": as_json.SCHEMA},
        "passed": {"type": "boolean", "description": "Whether the models agree."},
        "exit_code": {
            "enum": [0, 1, 2],
            "description": "0: match, 1: mismatch or inconclusive, 2: cut short.",
        },
        "reasons": {**texts, "description": "Why it is no pass, a sentence each."},
        **{name: one for name, one in summary.items() if name not in ("passed", "notes")},
        "notes": {**texts, "description": "What a reader should know, a sentence each."},
        "note_records": definitions.of(tuple[Note, ...]),
        **_tables(definitions),
    }
    first = definitions.collected["FirstDivergence"]
    first["properties"]["text"] = {**_TEXT, "description": "What a person reads of it."}
    first["required"].append("text")
    return {
        "$schema": _DIALECT,
        "title": "A report of padiff",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "$defs": definitions.collected,
    }


def _tables(definitions: OfReports) -> dict[str, Schema]:
    """Returns the schemas of what stands in tables, and of the tables that lines name by number."""
    number: Schema = {"type": "integer", "minimum": 0}
    figure = _any_of([definitions.of(float), {"type": "null"}])
    row, place = (definitions.record(kind)["properties"] for kind in (Row, Place))
    more = {name: row[name] for name in (*json_tables.ROW_MORE, "reason", "figures")}
    aside = {name: place[name] for name in json_tables.SIDE_MORE}
    either = _any_of([number, {"type": "null"}])
    cells = {
        **dict.fromkeys(("like", "place", "order", "twin", "layer"), number),
        **dict.fromkeys(("path", "partner"), _TEXT),
        **dict.fromkeys(("relative_l2", "max_abs", "atol"), figure),
        **dict.fromkeys(("mismatches", "spec", "source", "call"), either),
        "slot": _any_of([_TEXT, {"type": "null"}]),
    }
    optional = _any_of([{"type": "object", "properties": aside}, {"type": "null"}])
    side = _line(json_tables.SIDE_COLUMNS, {**cells, "more": optional}, needed=1)
    made = {}
    for name, kind, columns, described in (
        ("plan", PlanPair, json_tables.PLAN_COLUMNS, "Which layers were paired."),
        ("weights", WeightFate, json_tables.WEIGHT_COLUMNS, "The fate of each parameter and buffer."),
        ("rows", Row, json_tables.ROW_COLUMNS, "Every compared tensor."),
    ):
        line = _line(columns, {**cells, "more": {"type": "object", "properties": more}}, needed=2)
        like = dict(definitions.record(kind)["properties"])
        if kind is Row:
            bounds = definitions.record(Tolerance)["properties"]
            like["tolerance"] = {"type": "object", "properties": bounds}
        properties = {
            "columns": {"const": list(columns)},
            "lines": {"type": "array", "items": line},
            "like": definitions.of_several({"type": "object", "properties": like}),
        }
        made[name] = {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "description": f"{described} A line is the record number `like` with its other columns put in.",
        }
    layer = {"type": "array", "prefixItems": [_TEXT, _TEXT], "items": False, "minItems": 2}
    both = _any_of([side, {"type": "null"}])
    pair = {"type": "array", "prefixItems": [both, both], "items": False, "minItems": 2}
    return {
        **made,
        "layers": {**definitions.of_several(layer), "description": "Path and class of each layer."},
        "specs": definitions.of(tuple[TensorSpec, ...]),
        "sources": definitions.of(tuple[SourceLine, ...]),
        "places": {
            **definitions.of_several(pair),
            "description": "Where a line is in the reference and in the candidate; null: nowhere.",
        },
    }


def _line(columns: tuple[str, ...], cells: Mapping[str, Schema], *, needed: int) -> Schema:
    """Returns the schema of a line of these columns, the last ones of which it may leave out."""
    return {
        "type": "array",
        "prefixItems": [cells[name] for name in columns],
        "items": False,
        "minItems": needed,
    }


class OfSpecs(Definitions):
    """Keys of a spec as `specfile` reads them; a key that is not described is a mistake."""

    def __init__(self) -> None:
        super().__init__(
            {
                bool: {"type": "boolean"},
                int: {"type": "integer"},
                Count: {"type": "integer", "minimum": 1},
                float: {"type": "number"},
                str: _TEXT,
                bytes: {**_TEXT, "description": "The file that holds it."},
                Any: {},
                type(None): {"type": "null"},
            }
        )

    def of(self, kind: Any) -> Schema:
        if kind is LayerMap:
            return _any_of([{**_TEXT, "description": "A plan's file."}, self.of(specfile._LayerMap)])
        if kind is Server:
            return _any_of([{**_TEXT, "description": "Its address."}, self.of(specfile._Server)])
        if kind is specfile._CodeName:
            return {**_TEXT, "pattern": r"^(\w+(\.\w+)*:\w+)?$"}
        if get_origin(kind) is type(None) or getattr(kind, "__name__", "") == "PathLike":
            return _TEXT
        if kind in (Entry, Optional[Entry]):
            return _TEXT
        schema = super().of(kind)
        # YAML's older version takes this word for a truth value, and so do some editors.
        return {"enum": [*schema["enum"], False]} if "off" in schema.get("enum", ()) else schema

    def of_several(self, one: Schema) -> Schema:
        listed = {"type": "array", "items": one}
        # One text stands for a list of one.
        return _any_of([one, listed]) if one == _TEXT else listed

    def record(self, kind: Any) -> Schema:
        own = ModelSpec if kind is specfile._Model else kind
        hints, known = get_type_hints(kind), get_type_hints(own)
        described = {**descriptions(own), **descriptions(kind)}
        properties = {}
        for field in fields(kind):
            hint = hints[field.name]
            schema = self.of(known.get(field.name, str) if hint is Any else hint)
            properties[field.name] = {
                **_BY_NAME.get((kind, field.name), schema),
                **described.get(field.name, {}),
            }
        needed = [
            one.name
            for one in fields(kind)
            if one.default in (REQUIRED, MISSING) and one.default_factory is MISSING
        ]
        made = {"type": "object", "properties": properties, "additionalProperties": False}
        return {**about(kind), **made, **({"required": needed} if needed else {})}


_ARRAY: Schema = {
    "type": "object",
    "description": "An array that is made up.",
    "properties": {
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "dtype": _TEXT,
        "seed": {"type": "integer", "minimum": 0},
        "range": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        "requires_grad": {"type": "boolean"},
    },
    "required": ["shape"],
    "additionalProperties": False,
}
_TABLE: Schema = {
    "anyOf": [
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/Array"}},
        {"type": "array", "items": {"$ref": "#/$defs/Array"}},
    ]
}
_ONE_SIDED: Schema = {
    "anyOf": [
        _TEXT,
        _TABLE,
        {"type": "object", "additionalProperties": _TEXT},
        {"type": "array", "items": _TEXT},
    ]
}
_INPUTS: Schema = {
    "description": "What both models are fed: package.module:function, a file of arrays, a table of them.",
    "anyOf": [
        _TEXT,
        _TABLE,
        {
            "type": "object",
            "properties": {
                "function": _TEXT,
                "file": _TEXT,
                "table": _TABLE,
                "path": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
                "reference": _ONE_SIDED,
                "candidate": _ONE_SIDED,
            },
            "additionalProperties": False,
        },
    ],
}
_BY_NAME: Mapping[tuple[Any, str], Schema] = {
    (specfile._File, "inputs"): _INPUTS,
    (specfile._Model, "framework"): {"enum": list(FRAMEWORKS)},
}


def of_specs() -> Schema:
    """Returns the schema of a spec: of two models, of one to be recorded, or of two scripts."""
    definitions = OfSpecs()
    whole = definitions.record(specfile._File)
    definitions.collected["Array"] = _ARRAY
    return {
        "$schema": _DIALECT,
        "title": "A spec of padiff",
        **{key: one for key, one in whole.items() if key != "description"},
        "$defs": definitions.collected,
    }


def _any_of(schemas: list[Schema]) -> Schema:
    found = [one for n, one in enumerate(schemas) if one not in schemas[:n]]
    return found[0] if len(found) == 1 else {"anyOf": found}


def about(kind: Any) -> Schema:
    """Returns a record's first sentences."""
    text = " ".join((inspect.getdoc(kind) or "").partition("\n\nAttributes:")[0].split())
    return {"description": text} if text else {}


def descriptions(kind: Any) -> dict[str, Schema]:
    """Returns what a record's docstring says of its attributes."""
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in (inspect.getdoc(kind) or "").partition("Attributes:\n")[2].splitlines():
        begun = _ATTRIBUTE.match(line)
        if begun is not None:
            names = begun[1].split(", ")
        for name in names:
            found.setdefault(name, []).append(begun[2] if begun is not None else line.strip())
    return {name: {"description": " ".join(lines)} for name, lines in found.items()}


def main() -> None:
    folder = Path(sys.argv[1])
    for name, schema in (("report", of_reports()), ("spec", of_specs())):
        (folder / f"{name}.schema.json").write_text(json.dumps(schema, indent=1) + "\n")


if __name__ == "__main__":
    main()
