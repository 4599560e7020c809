"""A report as HTML: a page to keep, and a fragment for notebooks. Everything from the models is escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Optional

from padiff_client import hint_sentences, page_content, render, sentences, wording
from padiff_client.places import FAULT, PlaceErrors
from padiff_rpc.v1.records import Row

if TYPE_CHECKING:
    from padiff_client.report import Report

_SHOWN_ROWS = 200
_COLUMNS = ("step", "phase", "what", "verdict", "max abs", "relative L2", "allowed", "reason", "probably")
_PLACE_COLUMNS = (
    "step",
    "phase",
    "what",
    "is",
    "accumulated relative L2",
    "local",
    "allowed locally",
    "reason",
    "probably",
)


# In this order they make one script; the last one starts it.
_SCRIPTS = ("dom", "content", "layers", "list", "chart", "drawings", "details", "panels", "page")


def page(report: Report) -> str:
    """Returns a self-contained page: it fetches nothing, and runs no script but its own."""
    style = _asset("page.css")
    script = "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    return Template(_asset("page.html")).substitute(
        title=escape(render.headline(report).text),
        # Where something from a model became markup after all, the browser would still not run it.
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}",
        style=style,
        script=script,
        content=_as_script_content(page_content.content(report)),
    )


def _asset(name: str) -> str:
    return (resources.files("padiff_client") / "page" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Returns a text as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _as_script_content(value: object) -> str:
    """Returns JSON in which nothing ends a script element or begins a comment."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def fragment(report: Report) -> str:
    """Returns the text report and a table: the rows that differ, or else all, up to a limit.

    With local errors the rows are places, faults first, each with both of its errors.
    """
    is_untold = report.inconclusive is not None and report.first_divergence is None
    colour = "#1a7f37" if report else "#9a6700" if is_untold else "#cf222e"
    return (
        f'<div class="padiff-report"><p style="color:{colour};font-weight:bold">'
        f"{escape(render.headline(report).text)}</p>\n<pre>{escape(render.body(report))}</pre>\n"
        f"{_places(report.places) if report.places else _rows(report.rows)}</div>"
    )


def _rows(rows: Sequence[Row]) -> str:
    differing = [row for row in rows if row.verdict in wording.FAILING]
    caption = "Comparisons that differ" if differing else "Comparisons"
    return _table(caption, _COLUMNS, [_cells(row) for row in differing or rows])


def _places(found: Sequence[PlaceErrors]) -> str:
    ordered = sorted(found, key=lambda one: one.meaning != FAULT)
    return _table("Accumulated and local errors", _PLACE_COLUMNS, [_place_cells(one) for one in ordered])


def _table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    more = f" (the first {_SHOWN_ROWS} of {len(rows)})" if len(rows) > _SHOWN_ROWS else ""
    head = "".join(f"<th>{name}</th>" for name in columns)
    body = "\n".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>" for cells in rows[:_SHOWN_ROWS]
    )
    return (
        f"<details><summary>{caption}{more}</summary>\n<table><thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table></details>"
    )


def _cells(row: Row) -> tuple[str, ...]:
    figures = row.figures
    return (
        str(row.step),
        str(row.phase),
        wording.place_of(row),
        str(row.verdict),
        wording.small(figures.max_abs) if figures is not None else "",
        _relative_l2(row),
        wording.allowed(row.tolerance),
        sentences.reason(row),
        hint_sentences.probably(row),
    )


def _place_cells(one: PlaceErrors) -> tuple[str, ...]:
    return (
        str(one.row.step),
        str(one.row.phase),
        wording.place_of(one.row),
        one.meaning,
        _relative_l2(one.accumulated),
        _relative_l2(one.local),
        wording.allowed(one.local.tolerance) if one.local is not None else "",
        sentences.reason(one.row),
        hint_sentences.probably(one.row),
    )


def _relative_l2(row: Optional[Row]) -> str:
    figures = row.figures if row is not None else None
    return wording.small(figures.relative_l2) if figures is not None else ""
