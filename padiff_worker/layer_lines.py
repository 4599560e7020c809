"""Lines of the user's code that make a model's layers."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Optional

from padiff_rpc.v1.records import SourceLine
from padiff_worker.patches import replace
from padiff_worker.source_lines import calling_line


class LayerLines:
    """Which line made which layer; it keeps no layer alive."""

    def __init__(self) -> None:
        self._lines: dict[int, tuple[weakref.ref[Any], SourceLine]] = {}

    def of(self, layer: Any) -> Optional[SourceLine]:
        """Returns the line that made `layer`; None where nobody saw that, as of a copy."""
        made, line = self._lines.get(id(layer), (None, None))
        # Another layer may have had this id.
        return line if made is not None and made() is layer else None

    def add(self, layer: Any, line: SourceLine) -> None:
        """Remembers the line that makes `layer`."""
        self._lines[id(layer)] = (weakref.ref(layer), line)


@contextmanager
def making_lines(base: type, library_folders: tuple[str, ...]) -> Iterator[LayerLines]:
    """Gathers, for the length of the block, lines outside `library_folders` that make layers of `base`."""
    found = LayerLines()
    original: Callable[..., None] = base.__init__  # type: ignore[misc]

    @functools.wraps(original)
    def noting(layer: Any, *args: Any, **kwargs: Any) -> None:
        line = calling_line(library_folders, outside=layer)
        if line is not None and found.of(layer) is None:
            found.add(layer, line)
        original(layer, *args, **kwargs)

    put_back = replace(base, "__init__", noting)
    try:
        yield found
    finally:
        put_back()
