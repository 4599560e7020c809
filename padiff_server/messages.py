"""Messages of the coordinator to a client while it works, beside the records of the contract."""

from __future__ import annotations

from typing import Union

from padiff_rpc.records import record
from padiff_rpc.v1.records import Progress, ReportSummary, Row

ROWS_PER_PAGE = 256


@record
class BatchWanted:
    """The client is asked for the batch of a step."""

    step: int


@record
class RowPage:
    """Up to `ROWS_PER_PAGE` rows."""

    rows: tuple[Row, ...]


Message = Union[Progress, BatchWanted, RowPage, ReportSummary]


def pages(rows: tuple[Row, ...]) -> list[RowPage]:
    """Returns `rows` in pages, in order; none for no rows."""
    return [RowPage(rows=rows[i : i + ROWS_PER_PAGE]) for i in range(0, len(rows), ROWS_PER_PAGE)]
