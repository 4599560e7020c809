"""Lines of the user's code that make a model's layers, and its optimizer."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Optional

from padiff_rpc.v1.records import SourceLine
from padiff_worker.patches import replace
from padiff_worker.source_lines import calling_line


class MakingLines:
    """Which line made which object; it keeps none alive."""

    def __init__(self) -> None:
        self._lines: dict[int, tuple[weakref.ref[Any], SourceLine]] = {}

    def of(self, one: Any) -> Optional[SourceLine]:
        """Returns the line that made an object; None where nobody saw that, as of a copy."""
        made, line = self._lines.get(id(one), (None, None))
        # Another object may have had this id.
        return line if made is not None and made() is one else None

    def add(self, one: Any, line: SourceLine) -> None:
        """Remembers the line that makes an object."""
        self._lines[id(one)] = (weakref.ref(one), line)


@contextmanager
def making_lines(bases: Iterable[type], library_folders: tuple[str, ...]) -> Iterator[MakingLines]:
    """Gathers, for the length of the block, lines outside `library_folders` that make objects of `bases`."""
    found = MakingLines()
    with ExitStack() as undone:
        for base in bases:
            undone.callback(replace(base, "__init__", _noting(base.__init__, found, library_folders)))  # type: ignore[misc]
        yield found


def _noting(
    original: Callable[..., None], found: MakingLines, library_folders: tuple[str, ...]
) -> Callable[..., None]:
    @functools.wraps(original)
    def noting(one: Any, *args: Any, **kwargs: Any) -> None:
        # The constructors of its bases are called by its own class.
        line = calling_line(library_folders, outside=one) if found.of(one) is None else None
        if line is not None:
            found.add(one, line)
        original(one, *args, **kwargs)

    return noting
