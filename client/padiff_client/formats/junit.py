"""The report as JUnit's XML: a suite for each phase of a step, a test case for each layer in it.

The first suite holds the verdict alone. Its case fails too where every layer agrees and something else
does not: a layer without a partner, a model that raised.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from padiff_client import first_screen, hint_sentences, render, sentences, wording
from padiff_rpc.records import record
from padiff_rpc.v1.records import Row
from padiff_rpc.v1.words import Verdict

if TYPE_CHECKING:
    from padiff_client.report import Report

SUFFIX = ".xml"
_WIDTH = 100
_UNTOLD = frozenset({Verdict.NOT_COMPARED, Verdict.INCONCLUSIVE})


def pieces(report: Report) -> Iterator[str]:
    """Yields the document, a test case at a time."""
    suites = [_verdict(report), *_suites(report.rows)]
    yield '<?xml version="1.0" encoding="utf-8"?>\n'
    yield f'<testsuites name="padiff" {_counts([one for suite in suites for one in suite.cases])} '
    yield f'time="{report.summary.seconds:.3f}">\n'
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(report.summary.started_at))
    for suite in suites:
        yield f'<testsuite name={_quoted(suite.name)} {_counts(suite.cases)} timestamp="{moment}">\n'
        for case in suite.cases:
            yield f"<testcase classname={_quoted(suite.name)} name={_quoted(case.name)}"
            yield f">\n{case.inside}</testcase>\n" if case.inside else "/>\n"
        yield "</testsuite>\n"
    yield "</testsuites>\n"


@record
class _Case:
    """A test case.

    Attributes:
        outcome: the element that says so, "failure", "error" or "skipped"; "" where it passed.
    """

    name: str
    outcome: str = ""
    message: str = ""
    text: str = ""

    @property
    def inside(self) -> str:
        if not self.outcome:
            return ""
        head = f"<{self.outcome} message={_quoted(self.message)}"
        return f"{head}>{_escaped(self.text)}</{self.outcome}>\n" if self.text else f"{head}/>\n"


@record
class _Suite:
    """A test suite."""

    name: str
    cases: Sequence[_Case]


def _verdict(report: Report) -> _Suite:
    broken = bool(report.failures or report.troubles)
    case = _Case(
        name="the two models agree",
        outcome="" if report else "error" if broken else "failure",
        message=render.headline(report).text,
        text=first_screen.text(report, width=_WIDTH),
    )
    return _Suite(name="verdict", cases=[case])


def _suites(rows: Sequence[Row]) -> Iterator[_Suite]:
    """Yields a suite for each phase of each step, in execution order."""
    phases: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        place = row.reference or row.candidate
        name = (wording.plain(place.path) if place is not None else "") or "the root"
        phases.setdefault(wording.moment_of(row), {}).setdefault(name, []).append(row)
    for moment, layers in phases.items():
        yield _Suite(name=moment, cases=[_case(name, found) for name, found in layers.items()])


def _case(name: str, rows: Sequence[Row]) -> _Case:
    differing = [row for row in rows if row.counts and row.verdict in wording.FAILING]
    if differing:
        texts = [_line(row) for row in differing]
        return _Case(name=name, outcome="failure", message=texts[0], text="\n".join(texts))
    untold = [row for row in rows if row.verdict in _UNTOLD]
    if len(untold) < len(rows):
        return _Case(name=name)
    return _Case(name=name, outcome="skipped", message=_line(untold[0]))


def _line(row: Row) -> str:
    figures = wording.measured(row.figures) if row.figures is not None else ""
    said = "; ".join(filter(None, (figures, sentences.reason(row), hint_sentences.probably(row))))
    return f"{wording.place_of(row)}: {wording.words(row.verdict)}{f': {said}' if said else ''}"


def _counts(cases: Sequence[_Case]) -> str:
    outcomes = [case.outcome for case in cases]
    return (
        f'tests="{len(cases)}" failures="{outcomes.count("failure")}" errors="{outcomes.count("error")}" '
        f'skipped="{outcomes.count("skipped")}"'
    )


def _escaped(text: str) -> str:
    # XML has no word at all for most control characters.
    return escape("\n".join(map(wording.plain, text.splitlines())))


def _quoted(text: str) -> str:
    return quoteattr(wording.plain(text))
