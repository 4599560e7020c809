"""The error of a report that is asserted to be a pass, and is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from padiff_client.report import Report


class Disagreement(AssertionError):
    """Two models do not agree; the text is the report's.

    Attributes:
        report: the whole report.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report
