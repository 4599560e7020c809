"""The protocol of a format of reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from padiff_client.report import Report


class Renderer(Protocol):
    """A format of reports; a module that has both members is one.

    Attributes:
        SUFFIX: by which `Report.save` knows it; "" for a format that needs its name.
    """

    SUFFIX: str

    def pieces(self, report: Report) -> Iterator[str]:
        """Yields the text of a report, piece by piece, so that no large one is held whole."""
