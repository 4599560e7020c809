"""Context of one comparison: what all its parts have at hand."""

from __future__ import annotations

from padiff_compare.capture.store import TensorStore
from padiff_compare.report.builder import ReportBuilder
from padiff_compare.settings import Settings
from padiff_rpc.records import record
from padiff_rpc.v1.records import Options


@record
class Run:
    """One comparison in its course.

    Attributes:
        options, settings: what was asked for, and what was settled of it.
        report: takes what is found, and tells the client how far the comparison is.
        store: holds the tensors that wait for their partners.
    """

    options: Options
    settings: Settings
    report: ReportBuilder
    store: TensorStore
