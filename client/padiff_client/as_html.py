"""A report as HTML: a page to keep, and a card for notebooks. Everything from the models is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from padiff_client import error_curve, first_screen, hint_sentences, page_content, render, sentences, wording
from padiff_client.documents import document
from padiff_client.run_state import RunState, state_of
from padiff_rpc.v1.records import Row

if TYPE_CHECKING:
    from padiff_client.report import Report

_SHOWN_FAULTS = 5
_CELL = '<td style="text-align:left;vertical-align:top">'
_COLUMNS = ("where", "relative L2", "allowed", "probably, or why")
# In this order they make one script; the last one starts it.
SCRIPTS = ("dom", "content", "layers", "list", "chart", "drawings", "details", "panels", "page")
_COLOURS = {
    RunState.PASS: "#1a7f37",
    RunState.FAIL: "#cf222e",
    RunState.CUT_SHORT: "#cf222e",
    RunState.INCONCLUSIVE: "#9a6700",
    RunState.RUNNING: "#9a6700",
}


def page(report: Report) -> str:
    """Returns a self-contained page: it fetches nothing, and runs no script but its own."""
    return document(render.headline(report).text, SCRIPTS, page_content.content(report)).text


def card(report: Report) -> str:
    """Returns what a notebook shows: the verdict, the error against depth, and the first faults.

    There is no script in it and no style sheet, so that exported notebooks show the same.
    """
    colour = _COLOURS[state_of(report)]
    return (
        f'<div style="border:1px solid #8c959f;border-left:5px solid {colour};border-radius:6px;'
        'padding:8px 12px;max-width:780px">\n'
        f'<div style="color:{colour};font-weight:bold">{escape(render.headline(report).text)}</div>\n'
        f"{_first_screen(report)}\n{error_curve.drawn(report)}\n{_faults(report)}\n"
        '<div style="opacity:.75">The rest: <code>print(report)</code>, or '
        "<code>report.save(&quot;report.html&quot;)</code> as a page.</div></div>"
    )


def _first_screen(report: Report) -> str:
    lines = [
        f'<tr><th style="text-align:left;vertical-align:top;white-space:nowrap">{escape(fact.label)}</th>'
        f'<td style="text-align:left">{_code(fact.text) if fact.is_code else escape(fact.text)}</td></tr>'
        for fact in first_screen.facts(report)
    ]
    return f"<table><tbody>\n{chr(10).join(lines)}\n</tbody></table>"


def _code(text: str) -> str:
    return f'<code style="white-space:pre">{escape(text)}</code>'


def _faults(report: Report) -> str:
    rows = first_screen.other_faults(report)
    if not rows:
        return ""
    head = "".join(f'<th style="text-align:left">{name}</th>' for name in _COLUMNS)
    body = "\n".join(
        f"<tr>{''.join(f'{_CELL}{escape(cell)}</td>' for cell in _cells(row))}</tr>"
        for row in rows[:_SHOWN_FAULTS]
    )
    left = len(rows) - _SHOWN_FAULTS
    more = f"<div>... {left} more: <code>report.faults</code></div>" if left > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>{more}"


def _cells(row: Row) -> tuple[str, ...]:
    figures = row.figures
    return (
        f"{wording.moment_of(row)}: {wording.place_of(row)}",
        wording.small(figures.relative_l2) if figures is not None else "",
        wording.allowed(row.tolerance),
        hint_sentences.probably(row) or sentences.reason(row),
    )
