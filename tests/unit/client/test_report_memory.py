"""Memory of long reports: in the coordinator, on their way to the client, read from the store, and written.

A twentieth of the rows in a twentieth of the memory.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sample_reports as samples

from padiff_client import as_json
from padiff_client.gathering import Gathering
from padiff_compare.report.builder import ReportBuilder, pages
from padiff_compare.report.finished import FinishedReport, finished
from padiff_compare.report.kept_run import KeptRun, RunHead, RunWriter
from padiff_rpc.convert import from_bytes, to_bytes
from padiff_rpc.v1.records import ReportSummary, Row, RowPage

_MOST_BYTES_A_ROW = (150 << 20) / 80_000
_ROWS = 4_000


@pytest.fixture(scope="module")
def parts() -> tuple[list[bytes], bytes]:
    """Returns the pages of a report and its summary, as they travel."""
    whole = samples.long(calls=-(-_ROWS // 11))
    return [to_bytes(page) for page in pages(whole.all_rows)], to_bytes(whole.summary)


def rows(parts: tuple[list[bytes], bytes]) -> Iterator[tuple[Row, ...]]:
    return (from_bytes(page, RowPage).rows for page in parts[0])


@contextmanager
def few_bytes() -> Iterator[None]:
    """Fails where what is made meanwhile takes too much memory."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / _ROWS < _MOST_BYTES_A_ROW, f"{peak / _ROWS:.0f} bytes a row"


def test_a_client_gathers_a_long_report_and_writes_it_as_json(parts: tuple[list[bytes], bytes]) -> None:
    with few_bytes():
        with Gathering().ending() as gathering:
            for page in rows(parts):
                gathering.add_rows(page)
            gathering.end(from_bytes(parts[1], ReportSummary))
        report = gathering.report()
        written = sum(map(len, as_json.pieces(report, with_all_figures=True)))
    assert len(report.all_rows) >= _ROWS
    assert written > 100 * _ROWS


def test_a_long_report_is_read_from_the_store(parts: tuple[list[bytes], bytes], tmp_path: Path) -> None:
    summary = from_bytes(parts[1], ReportSummary)
    every = tuple(row for page in rows(parts) for row in page)
    head = RunHead(id="abc1", started_at=0.0, reference="a", candidate="b")
    with RunWriter(tmp_path / "run", head) as writer:
        writer.end(FinishedReport(rows=every, summary=summary))
    del every, summary
    with few_bytes():
        assert len(KeptRun(tmp_path / "run").report.rows) >= _ROWS


def test_the_coordinator_makes_a_long_report(parts: tuple[list[bytes], bytes]) -> None:
    plan = from_bytes(parts[1], ReportSummary).plan
    with few_bytes():
        builder = ReportBuilder("s", emit=lambda message: None)
        builder.set_plan(plan)
        for page in rows(parts):
            builder.add_rows(page)
        assert len(finished(builder).rows) >= _ROWS
