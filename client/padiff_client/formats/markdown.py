"""The report as Markdown for a pull request: the first screen, other faults as a table, the rest folded away.

Whatever models say is shown as it is written: it formats nothing, links nothing and calls nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from padiff_client import first_screen, hint_sentences, render, sentences, wording
from padiff_client.first_screen import Fact
from padiff_rpc.v1.records import Row

if TYPE_CHECKING:
    from padiff_client.report import Report

SUFFIX = ".md"
_SHOWN_ROWS = 10
# A comment on GitHub takes 65,536 characters.
_SHOWN_CHARACTERS = 40_000
_HEAD = "| where | what | relative L2 | allowed | why |\n| --- | --- | --- | --- | --- |\n"
_SPECIAL = re.compile(r"[^\w\s.,;:=+%/()-]|_|//")
# GitHub looks for people and issues in what it shows, after an entity has become its character.
_CALLING = re.compile("&#(?:64|35);")


def pieces(report: Report) -> Iterator[str]:
    """Yields the document."""
    verdict, _, more = render.headline(report).text.partition(": ")
    yield f"**padiff: {_escaped(verdict)}**{f': {_escaped(more)}' if more else ''}\n"
    yield from _first_screen(first_screen.facts(report))
    others = first_screen.other_faults(report)
    if others:
        yield f"\n{_HEAD}"
        yield from map(_cells, others[:_SHOWN_ROWS])
    if len(others) > _SHOWN_ROWS:
        yield f"\n{len(others) - _SHOWN_ROWS} more places differ.\n"
    yield from _folded("The whole report", str(report))


def _first_screen(facts: Sequence[Fact]) -> Iterator[str]:
    """Yields a table: a row for each label, with all that is said of it."""
    said: list[tuple[str, list[str]]] = []
    for fact in facts:
        if fact.label or not said:
            said.append((fact.label, []))
        said[-1][1].append(_code(fact.text) if fact.is_code else _escaped(fact.text))
    yield "\n| | |\n| --- | --- |\n"
    for label, texts in said:
        yield f"| {label} | {'<br>'.join(texts)} |\n"


def _code(text: str) -> str:
    return f"<code>{_escaped(text)}</code>"


def _cells(row: Row) -> str:
    figures = row.figures
    cells: Sequence[str] = (
        wording.moment_of(row),
        wording.place_of(row),
        wording.small(figures.relative_l2) if figures is not None else "",
        wording.allowed(row.tolerance) if figures is not None else "",
        hint_sentences.probably(row) or sentences.reason(row),
    )
    return f"| {' | '.join(map(_escaped, cells))} |\n"


def _folded(title: str, text: str) -> Iterator[str]:
    if len(text) > _SHOWN_CHARACTERS:
        text = f"{text[:_SHOWN_CHARACTERS]}\n... {len(text) - _SHOWN_CHARACTERS} more characters"
    # A fence ends at as many ticks as it begins with.
    ticks = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    yield f"\n<details><summary>{title}</summary>\n\n{ticks}text\n{text}\n{ticks}\n\n</details>\n"


def _escaped(text: str) -> str:
    """Returns a line of text whose special characters Markdown shows, and does not obey."""
    shown = _SPECIAL.sub(lambda found: "".join(f"&#{ord(one)};" for one in found[0]), wording.plain(text))
    return _CALLING.sub(r"\g<0>&#8203;", shown)
