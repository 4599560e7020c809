"""Comparisons as tests make them: the object behind pytest's fixture `padiff`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from padiff_client.api import auto_diff, compare_spec
from padiff_client.report import Report
from padiff_client.spec import PathLike


class Comparisons:
    """Starts comparisons for the tests of one folder."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where relative paths of specs start."""
        self._folder = folder

    def compare(self, spec: PathLike, **given: Any) -> Report:
        """Returns what `compare_spec` does; a relative path starts at the test's folder."""
        return compare_spec(self._folder / spec, **given)

    def auto_diff(self, layer: Any, module: Any, *given: Any, **named: Any) -> Report:
        """Returns what `padiff_client.auto_diff` does."""
        return auto_diff(layer, module, *given, **named)
