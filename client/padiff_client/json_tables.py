"""Long lists of a report as tables: a line an entry, and what many entries share written once.

`from_json` reads them; docs/report.md describes them. A line names by number what it shares with others:
`like`, a record without what the line's other columns have, and `place`, where it is on both sides.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any, Optional, TypeVar

from padiff_client import wording
from padiff_client.json_values import DIGITS, plain
from padiff_rpc.v1.records import Figures, Place, PlanPair, Row, SourceLine, TensorSpec, WeightFate
from padiff_rpc.v1.words import Verdict

T = TypeVar("T")
PLAN_COLUMNS = ("like", "place")
WEIGHT_COLUMNS = ("like", "path", "partner")
ROW_COLUMNS = ("like", "place", "order", "twin", "relative_l2", "max_abs", "atol", "mismatches", "more")
# Of each side of a place; `layer`, `spec` and `source` are numbers in the tables of these names.
SIDE_COLUMNS = ("layer", "slot", "spec", "source", "call", "more")
SIDE_MORE = ("shown_by", "behind")
# What hardly any two rows share.
ROW_MORE = ("between", "reasons", "hints", "from_gold")
_NOT_LIKE = {"reference", "candidate", "order", "twin", "figures", "tolerance", *ROW_MORE}
_LIKE = tuple(one.name for one in fields(Row) if one.name not in _NOT_LIKE)
_NOTHING = "null"
_SHORT_DIGITS = 6
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
dumped = _ENCODER.encode


def told_figures(row: Row, *, relative_l2: float, max_abs: float, mismatches: int) -> Figures:
    """Returns the figures that a line has, with NaN for those that it leaves out."""
    place = row.reference or row.candidate
    spec = place.spec if place is not None else None
    unknown = float("nan")
    return Figures(
        elements=math.prod(spec.shape) if spec is not None else 0,
        bitwise_equal=row.verdict is Verdict.MATCH,
        relative_l2=relative_l2,
        max_abs=max_abs,
        mismatches=mismatches,
        max_rel=unknown,
        bias=unknown,
        mean_reference=unknown,
        mean_candidate=unknown,
        mean_abs=unknown,
        rmse=unknown,
        rms_reference=unknown,
    )


def _needs_all(row: Row, figures: Figures) -> bool:
    """Whether a line's own figures would hide what a reader of this row looks for."""
    if row.counts and row.verdict in wording.FAILING:
        return True
    place = row.reference or row.candidate
    spec = place.spec if place is not None else None
    return (
        spec is None
        or figures.elements != math.prod(spec.shape)
        or figures.bitwise_equal is not (row.verdict is Verdict.MATCH)
        or figures.is_estimate
        or any(getattr(figures, name) for name in _SELDOM)
    )


_SELDOM = (
    *("nan_reference", "nan_candidate", "inf_reference", "inf_candidate", "nonfinite_mismatches"),
    *("first_nonfinite", "worst_row"),
)


class Tables:
    """Writes lists of a report as tables, and behind them what their lines name by number."""

    def __init__(self, *, with_all_figures: bool) -> None:
        """`with_all_figures`: also of rows that are not at fault, whose numbers else have six digits."""
        self._with_all_figures = with_all_figures
        self._digits = DIGITS if with_all_figures else _SHORT_DIGITS
        self._layers: dict[tuple[str, str], int] = {}
        self._specs: dict[TensorSpec, int] = {}
        self._sources: dict[SourceLine, int] = {}
        self._places: dict[str, int] = {}
        # Sides as text by the identity of a place of the report, which outlives this.
        self._sides: dict[int, str] = {}

    def plan(self, pairs: Iterable[PlanPair]) -> Iterator[str]:
        """Yields the plan's table."""

        def line(pair: PlanPair, like: _Likes) -> str:
            part = plain(pair)
            part.pop("reference", None)
            part.pop("candidate", None)
            return (
                f"[{like.number(dumped(part), lambda: part)},{self._place(pair.reference, pair.candidate)}]"
            )

        return _table(PLAN_COLUMNS, pairs, line)

    def weights(self, fates: Iterable[WeightFate]) -> Iterator[str]:
        """Yields the table of the weights' fates."""

        def line(fate: WeightFate, like: _Likes) -> str:
            part = plain(fate)
            path, partner = part.pop("path"), part.pop("partner", "")
            return dumped([like.number(dumped(part), lambda: part), path, partner])

        return _table(WEIGHT_COLUMNS, fates, line)

    def rows(self, rows: Iterable[Row]) -> Iterator[str]:
        """Yields the table of the rows."""
        return _table(ROW_COLUMNS, rows, self._row)

    def shared(self) -> Iterator[tuple[str, Iterator[str]]]:
        """Yields the tables of places, each with its name."""
        yield "layers", lines(map(dumped, self._layers))
        yield "specs", lines(dumped(plain(one)) for one in self._specs)
        yield "sources", lines(dumped(plain(one)) for one in self._sources)
        yield "places", lines(iter(self._places))

    def _row(self, row: Row, like: _Likes) -> str:
        tolerance, figures = row.tolerance, row.figures
        key = tuple(getattr(row, name) for name in _LIKE)
        if tolerance is not None:
            allowed = (tolerance.rtol, tolerance.relative_l2, tolerance.row_relative_l2, tolerance.of_one)
            key = (*key, *allowed, tolerance.source)
        cells = [
            str(like.number(key, lambda: _row_like(row))),
            str(self._place(row.reference, row.candidate)),
            *(str(row.order), str(row.twin)),
            *(
                [_NOTHING] * 2
                if figures is None
                else [self._number(figures.relative_l2), self._number(figures.max_abs)]
            ),
            _NOTHING if tolerance is None else self._number(tolerance.atol),
            str(figures.mismatches) if figures is not None and figures.mismatches else _NOTHING,
            self._row_more(row),
        ]
        while cells[-1] == _NOTHING:
            cells.pop()
        return f"[{','.join(cells)}]"

    def _number(self, figure: float) -> str:
        if not math.isfinite(figure):
            return f'"{figure}"'
        return f"{figure:.{self._digits}g}".replace("e-0", "e-")

    def _row_more(self, row: Row) -> str:
        figures, more = row.figures, {}
        if any(getattr(row, name) for name in ROW_MORE):
            whole = plain(row)
            more = {name: whole[name] for name in (*ROW_MORE, "reason") if name in whole}
        if figures is not None and (self._with_all_figures or _needs_all(row, figures)):
            more["figures"] = plain(figures)
        return dumped(more) if more else _NOTHING

    def _place(self, reference: Optional[Place], candidate: Optional[Place]) -> int:
        place = f"[{self._side(reference)},{self._side(candidate)}]"
        return self._places.setdefault(place, len(self._places))

    def _side(self, place: Optional[Place]) -> str:
        if place is None:
            return _NOTHING
        known = self._sides.get(id(place))
        if known is None:
            known = self._sides[id(place)] = self._new_side(place)
        return known

    def _new_side(self, place: Place) -> str:
        more = {name: plain(getattr(place, name)) for name in SIDE_MORE if getattr(place, name) is not None}
        cells = [
            self._layers.setdefault((place.path, place.class_name), len(self._layers)),
            place.slot or None,
            _numbered(place.spec, self._specs),
            _numbered(place.source, self._sources),
            place.call or None,
            more or None,
        ]
        while cells[-1] is None:
            cells.pop()
        return dumped(cells)


class _Likes:
    """What several lines of a table share, by number."""

    def __init__(self) -> None:
        self.parts: list[dict[str, Any]] = []
        self._numbers: dict[Any, int] = {}

    def number(self, key: Any, part: Callable[[], dict[str, Any]]) -> int:
        """Returns the number of what goes by `key`; `part` makes it where it is new."""
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.parts)
            self.parts.append(part())
        return found


def _table(columns: tuple[str, ...], entries: Iterable[T], line: Callable[[T, _Likes], str]) -> Iterator[str]:
    likes = _Likes()
    yield f'{{"columns": {dumped(columns)}, "lines": '
    yield from lines(line(entry, likes) for entry in entries)
    yield ', "like": '
    yield from lines(map(dumped, likes.parts))
    yield "}"


def lines(texts: Iterator[str]) -> Iterator[str]:
    """Yields a list, an item a line."""
    separator = "[\n"
    for text in texts:
        yield f"{separator}{text}"
        separator = ",\n"
    yield "[]" if separator == "[\n" else "]"


def _row_like(row: Row) -> dict[str, Any]:
    whole = plain(row)
    part = {name: value for name, value in whole.items() if name not in _NOT_LIKE and name != "reason"}
    if row.tolerance is not None:
        part["tolerance"] = {name: value for name, value in whole["tolerance"].items() if name != "atol"}
    return part


def _numbered(part: Optional[T], known: dict[T, int]) -> Optional[int]:
    return None if part is None else known.setdefault(part, len(known))
