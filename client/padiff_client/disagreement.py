"""The error of a report that is asserted to be a pass, and is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from padiff_client import first_screen

if TYPE_CHECKING:
    from padiff_client.report import Report

_WIDTH = 100
_REST = 'print(report), or report.save("report.html") for a page'


class Disagreement(AssertionError):
    """Two models do not agree; the text is the report's first screen.

    Attributes:
        report: the whole report.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(first_screen.text(report, width=_WIDTH, rest=_REST))
        self.report = report

    def _render_traceback_(self) -> list[str]:
        """Returns what notebooks show: the first screen alone."""
        return [f"{type(self).__name__}: {self}"]
