"""The content of a report's page: the report as JSON has it, with equal parts written once.

`page/content.js` reads it. Names and meanings of fields are those of docs/report.md.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Optional

from padiff_client import as_json, error_maps, hint_sentences, mending, render, sentences, wording
from padiff_client.json_values import plain
from padiff_client.likely import likely
from padiff_client.places import PlaceErrors, all_places
from padiff_client.run_state import state_of
from padiff_rpc.v1.records import Figures, Row

if TYPE_CHECKING:
    from padiff_client.report import Report

# Columns that most rows leave at their defaults stand last, where they take no room.
_NUMBERS = ("step", "order", "twin")
_SHARED = (
    *("phase", "kind", "verdict", "pass_kind", "reference", "candidate", "tolerance", "decided_by"),
    *("between", "omission", "rule", "from_gold"),
)
_ALWAYS = (
    *("elements", "bitwise_equal", "relative_l2", "max_abs", "mismatches", "cosine", "scale", "bias"),
    *("mean_reference", "mean_candidate", "mean_abs", "rmse", "rms_reference", "max_rel"),
    *("nan_reference", "nan_candidate", "inf_reference", "inf_candidate", "nonfinite_mismatches"),
)
_FIGURES = (*_ALWAYS, "is_estimate", "first_nonfinite", "worst_row", "worst", "histogram")
_DEFAULTS = {field.name: field.default for field in fields(Figures)}
# In a larger report, histograms and single elements are shown of faults alone.
_ROWS_WITH_ALL_FIGURES = 20_000


class WrittenRows:
    """Rows as the page has them, with equal parts written once; of a running comparison more join them.

    Attributes:
        rows: each a list of columns.
        parts: what the rows name by number.
    """

    def __init__(self, rows: Sequence[Row] = ()) -> None:
        self.rows: list[list[Any]] = []
        self.parts: list[Any] = []
        self._numbers: dict[tuple[type, Hashable], int] = {}
        self.add(rows)

    def add(self, rows: Sequence[Row]) -> None:
        """Writes rows that come behind those before."""
        spares = len(self.rows) + len(rows) > _ROWS_WITH_ALL_FIGURES
        self.rows += [self._row(row, spares and not _is_fault(row)) for row in rows]

    def _row(self, row: Row, is_brief: bool) -> list[Any]:
        told = [
            *(getattr(row, name) for name in _NUMBERS),
            *(self._part(getattr(row, name)) for name in _SHARED),
            None if row.counts else 0,
            self._part(wording.what(row)),
            _figures(row.figures, _ALWAYS if is_brief else _FIGURES) if row.figures is not None else None,
            sentences.reason(row) or None,
            _without_blanks(plain(row.reasons)) or None,
            [*map(hint_sentences.sentence, hint_sentences.ordered(row))] or None,
        ]
        return _trimmed(told)

    def _part(self, part: Any) -> Optional[int]:
        """Returns the number of a part; None for one that says nothing."""
        if part in (None, "", ()):
            return None
        key = (type(part), part)
        if key not in self._numbers:
            self._numbers[key] = len(self.parts)
            self.parts.append(_without_blanks(plain(part)))
        return self._numbers[key]


def content(
    report: Report, written: Optional[WrittenRows] = None, without: Sequence[str] = ()
) -> dict[str, Any]:
    """Returns what the page shows, as JSON's own types.

    `written`: the report's rows, where they are written already. `without`: parts of the report that the
    caller has already.
    """
    numbers = {id(row): number for number, row in enumerate(report.all_rows)}
    written = written or WrittenRows(report.all_rows)
    # The page shows findings, which tell what the long lists of functions come to.
    head = as_json.head(report, without=("function_details", *without))
    headline = render.headline(report)
    return {
        "headline": headline.text,
        "unsaid": list(report.reasons[headline.reasons :]),
        "state": state_of(report).value,
        "text": str(report),
        "next": mending.lines(report),
        "likely": _without_blanks(plain(likely(report))),
        "made": _made(report),
        "report": _without_blanks(head),
        "divergence": _number_of(report, numbers),
        "columns": [*_NUMBERS, *_SHARED, "counts", "what", "figures", "reason", "reasons", "hints"],
        "shared": [*_SHARED, "what"],
        "figures": list(_FIGURES),
        "rows": written.rows,
        "places": [_place(one, numbers) for one in all_places(report.all_rows)],
        "maps": error_maps.of_report(report, numbers),
        "parts": written.parts,
    }


def _made(report: Report) -> dict[str, Any]:
    """Returns the lines that made what the first divergence is in."""
    lines: dict[str, Any] = {str(side): plain(one) for side, one in mending.made_at(report).items()}
    divergence = report.first_divergence
    if divergence is not None and mending.is_of_optimizer(divergence.row):
        lines["of_optimizer"] = True
    return lines


def _is_fault(row: Row) -> bool:
    return row.counts and row.verdict in wording.FAILING


def _figures(figures: Figures, names: Sequence[str]) -> list[Any]:
    told = []
    for name in names:
        value = getattr(figures, name)
        default = _DEFAULTS[name]
        # NaN is not equal to itself.
        is_default = value == default or (value != value and default != default)
        told.append(None if is_default else _rounded(value))
    return _trimmed(told)


def _rounded(value: Any) -> Any:
    """Returns a figure with as many digits as a float32 has."""
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.9g}")
    return _without_blanks(plain(value))


def _trimmed(values: list[Any]) -> list[Any]:
    while values and values[-1] is None:
        values.pop()
    return values


def _without_blanks(value: Any) -> Any:
    """Returns a value without the fields that say nothing."""
    if isinstance(value, dict):
        return {
            key: _without_blanks(one) for key, one in value.items() if one is not None and one not in ("", [])
        }
    if isinstance(value, list):
        return [_without_blanks(one) for one in value]
    return value


def _place(one: PlaceErrors, numbers: dict[int, int]) -> list[Any]:
    """Returns the numbers of both rows, of the one that tells more, and what they mean together."""
    accumulated, local = (numbers.get(id(row)) for row in (one.accumulated, one.local))
    return [accumulated, local, numbers[id(one.row)], one.meaning]


def _number_of(report: Report, numbers: dict[int, int]) -> Optional[int]:
    """Returns the number of the first divergence's row; None where none differs, or it is of no row."""
    divergence = report.first_divergence
    if divergence is None:
        return None
    found = numbers.get(id(divergence.row))
    if found is not None:
        return found
    same = (number for number, row in enumerate(report.all_rows) if row == divergence.row)
    return next(same, None)
