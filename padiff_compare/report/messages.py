"""Messages of the coordinator to a client while it works."""

from __future__ import annotations

from typing import Union

from padiff_rpc.v1.records import BatchWanted, Progress, ReportSummary, Row, RowPage

ROWS_PER_PAGE = 256


Message = Union[Progress, BatchWanted, RowPage, ReportSummary]


def pages(rows: tuple[Row, ...]) -> list[RowPage]:
    """Returns `rows` in pages, in order; none for no rows."""
    return [RowPage(rows=rows[i : i + ROWS_PER_PAGE]) for i in range(0, len(rows), ROWS_PER_PAGE)]
