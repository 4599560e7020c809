"""A report as HTML: a page to keep, and a fragment for notebooks. Everything from the models is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from padiff_client import render, wording
from padiff_rpc.results import Row

if TYPE_CHECKING:
    from padiff_client.report import Report

_SHOWN_ROWS = 200
_COLUMNS = ("step", "phase", "what", "verdict", "max abs", "relative L2", "allowed", "reason")


def page(report: Report) -> str:
    """Returns a self-contained page."""
    title = escape(render.headline(report))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title></head>\n<body>\n{fragment(report)}\n</body></html>"
    )


def fragment(report: Report) -> str:
    """Returns the text report and a table: the rows that differ, or else all, up to a limit."""
    colour = "#1a7f37" if report else "#cf222e"
    differing = [row for row in report.rows if row.verdict in wording.FAILING]
    rows = differing or report.rows
    caption = "Comparisons that differ" if differing else "Comparisons"
    more = f" (the first {_SHOWN_ROWS} of {len(rows)})" if len(rows) > _SHOWN_ROWS else ""
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    body = "\n".join(_row(row) for row in rows[:_SHOWN_ROWS])
    return (
        f'<div class="padiff-report"><p style="color:{colour};font-weight:bold">'
        f"{escape(render.headline(report))}</p>\n<pre>{escape(render.text(report))}</pre>\n"
        f"<details><summary>{caption}{more}</summary>\n<table><thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table></details></div>"
    )


def _row(row: Row) -> str:
    figures = row.figures
    cells = (
        str(row.step),
        str(row.phase),
        wording.place_of(row),
        str(row.verdict),
        wording.small(figures.max_abs) if figures is not None else "",
        wording.small(figures.relative_l2) if figures is not None else "",
        wording.allowed(row.tolerance),
        row.reason,
    )
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
