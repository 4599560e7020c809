"""The report as text, as `str` gives it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from padiff_client.report import Report

SUFFIX = ".txt"


def pieces(report: Report) -> Iterator[str]:
    """Yields the report's text."""
    yield f"{report}\n"
