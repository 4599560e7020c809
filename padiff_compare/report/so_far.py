"""Reports while they are made, told bit by bit: what joined them since, and the bits joined again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Optional

from padiff_compare.report.builder import ReportBuilder
from padiff_rpc.v1.records import ReportSoFar, ReportSummary


class Teller:
    """Tells the client of a report that grows, but for its rows, which it has already."""

    def __init__(self, report: ReportBuilder, *, is_asked: bool = True) -> None:
        """`is_asked`: whether the client wants to hear of it."""
        self._is_asked = is_asked
        self._report = report
        self._last: Optional[ReportSummary] = None

    def tell(self) -> None:
        """Tells what is new since the last time.

        Lists grow at their ends; where one was made anew instead, all is told again.
        """
        if self._is_asked:
            self._report.emit(self._news(self._report.gathered()))

    def _news(self, now: ReportSummary) -> ReportSoFar:
        last, self._last = self._last, now
        if last is None:
            return ReportSoFar(summary=now)
        lists = {name: (value, getattr(last, name)) for name, value in _lists(now).items()}
        if any(value[: len(known)] != known for value, known in lists.values()):
            return ReportSoFar(summary=now, anew=True)
        joining: dict[str, Any] = {name: value[len(known) :] for name, (value, known) in lists.items()}
        return ReportSoFar(summary=dataclasses.replace(now, **joining))


def joined(told: Iterable[ReportSoFar]) -> Optional[ReportSummary]:
    """Returns the report that was told in these bits, in their order; None for none."""
    so_far: Optional[ReportSummary] = None
    lists: dict[str, list[Any]] = {}
    for bit in told:
        if bit.anew:
            lists = {}
        for name, value in _lists(bit.summary).items():
            lists.setdefault(name, []).extend(value)
        so_far = bit.summary
    if so_far is None:
        return None
    whole: dict[str, Any] = {name: tuple(values) for name, values in lists.items()}
    return dataclasses.replace(so_far, **whole)


def _lists(summary: ReportSummary) -> dict[str, Any]:
    return {
        field.name: value
        for field in dataclasses.fields(summary)
        for value in [getattr(summary, field.name)]
        if isinstance(value, tuple)
    }
