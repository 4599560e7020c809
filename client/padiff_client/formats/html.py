"""The report as a page that stands by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from padiff_client import as_html

if TYPE_CHECKING:
    from padiff_client.report import Report

SUFFIX = ".html"


def pieces(report: Report) -> Iterator[str]:
    """Yields the page."""
    yield f"{as_html.page(report)}\n"
