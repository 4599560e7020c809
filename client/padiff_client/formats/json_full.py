"""The report as JSON with all figures of every row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from padiff_client import as_json

if TYPE_CHECKING:
    from padiff_client.report import Report

SUFFIX = ".full.json"


def pieces(report: Report) -> Iterator[str]:
    """Yields the text."""
    return as_json.pieces(report, with_all_figures=True)
