"""The tables of a report as JSON, read back: the lists that `json_tables` wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Optional

from padiff_client.from_values import fields_of, read
from padiff_client.json_tables import (
    PLAN_COLUMNS,
    ROW_COLUMNS,
    ROW_MORE,
    SIDE_COLUMNS,
    SIDE_MORE,
    WEIGHT_COLUMNS,
    told_figures,
)
from padiff_rpc.v1.records import Figures, Place, PlanPair, Row, SourceLine, TensorSpec, WeightFate


class ReadTables:
    """The tables of a report's content. Whatever fits none of them is a KeyError, TypeError or ValueError."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self._layers = content["layers"]
        self._specs = read(content["specs"], tuple[TensorSpec, ...])
        self._sources = read(content["sources"], tuple[SourceLine, ...])
        # Equal sides are one record.
        self._sides: dict[str, Place] = {}
        self._places = [tuple(map(self._side, place)) for place in content["places"]]

    def plan(self) -> tuple[PlanPair, ...]:
        """Returns the plan."""
        table = self._content["plan"]
        likes = [fields_of(like, PlanPair) for like in table["like"]]
        return tuple(
            PlanPair(**likes[cells["like"]], **self._place(cells))
            for cells in (_cells(line, PLAN_COLUMNS) for line in table["lines"])
        )

    def weights(self) -> tuple[WeightFate, ...]:
        """Returns what became of the weights."""
        table = self._content["weights"]
        likes = [fields_of(like, WeightFate) for like in table["like"]]
        return tuple(
            WeightFate(**likes[cells["like"]], path=cells["path"], partner=cells["partner"])
            for cells in (_cells(line, WEIGHT_COLUMNS) for line in table["lines"])
        )

    def rows(self) -> tuple[Row, ...]:
        """Returns the rows; figures that the file leaves out are NaN."""
        table = self._content["rows"]
        likes = [_like_of(like) for like in table["like"]]
        return tuple(self._row(_cells(line, ROW_COLUMNS), likes) for line in table["lines"])

    def _row(self, cells: dict[str, Any], likes: list[dict[str, Any]]) -> Row:
        given = dict(likes[cells["like"]])
        more = cells["more"] or {}
        own = fields_of({name: more[name] for name in ROW_MORE if name in more}, Row)
        if given.get("tolerance") is not None:
            given["tolerance"] = replace(given["tolerance"], atol=float(cells["atol"]))
        row = Row(order=cells["order"], twin=cells["twin"], **given, **own, **self._place(cells))
        if "figures" in more:
            return replace(row, figures=read(more["figures"], Figures))
        if cells["relative_l2"] is None:
            return row
        figures = told_figures(
            row,
            relative_l2=float(cells["relative_l2"]),
            max_abs=float(cells["max_abs"]),
            mismatches=cells["mismatches"] or 0,
        )
        return replace(row, figures=figures)

    def _place(self, cells: dict[str, Any]) -> dict[str, Any]:
        reference, candidate = self._places[cells["place"]]
        return {"reference": reference, "candidate": candidate}

    def _side(self, given: Optional[list[Any]]) -> Optional[Place]:
        if given is None:
            return None
        key = repr(given)
        if key not in self._sides:
            cells = _cells(given, SIDE_COLUMNS)
            path, class_name = self._layers[cells["layer"]]
            more = fields_of(
                {name: one for name, one in (cells["more"] or {}).items() if name in SIDE_MORE}, Place
            )
            self._sides[key] = Place(
                path=path,
                class_name=class_name,
                call=cells["call"] or 0,
                slot=cells["slot"] or "",
                spec=_at(self._specs, cells["spec"]),
                source=_at(self._sources, cells["source"]),
                **more,
            )
        return self._sides[key]


def _cells(line: list[Any], columns: tuple[str, ...]) -> dict[str, Any]:
    """Returns a line's cells by column; None for those that it leaves out at its end."""
    return dict(zip(columns, [*line, *[None] * (len(columns) - len(line))]))


def _like_of(like: dict[str, Any]) -> dict[str, Any]:
    if "tolerance" in like:
        like = {**like, "tolerance": {**like["tolerance"], "atol": math.nan}}
    return fields_of(like, Row)


def _at(parts: tuple[Any, ...], number: Optional[int]) -> Any:
    return None if number is None else parts[number]
