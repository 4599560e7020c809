"""Progress of a running comparison, in a file of its folder: who writes the run tells who shows it."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any, Optional

from padiff_client import progress_lines
from padiff_client.progress import Course
from padiff_rpc.v1.records import Progress

_FILE = "progress.json"
# As often as a page asks at most; a phase that begins is told at once.
_SECONDS = 0.5


class ProgressTeller:
    """Writes how far a run is, now and then. What cannot be written is left out: no report depends on it."""

    def __init__(self) -> None:
        self._course = Course(time.monotonic())
        self._told_at = 0.0

    def tell(self, folder: Path, at: Progress) -> None:
        """Takes what the coordinator says of the run that is written in `folder`."""
        begins, now = self._course.at(at), time.monotonic()
        if not begins and now - self._told_at < _SECONDS:
            return
        self._told_at = now
        standing = self._course.standing()
        told = {
            "where": progress_lines.where(standing),
            "calls": progress_lines.calls(standing.sides),
            "amounts": progress_lines.amounts(standing),
            "share": standing.share,
        }
        fresh = folder / f"{_FILE}.new"
        with contextlib.suppress(OSError):
            fresh.write_text(json.dumps(told), encoding="utf-8")
            os.replace(fresh, folder / _FILE)

    def end(self, folder: Path) -> None:
        """Removes what was told."""
        with contextlib.suppress(OSError):
            (folder / _FILE).unlink()


def progress_of(folder: Path) -> Optional[dict[str, Any]]:
    """Returns `where`, `calls`, `amounts` (texts) and the `share` of the phase's calls; None for nothing."""
    try:
        return json.loads((folder / _FILE).read_text(encoding="utf-8"))  # type: ignore[no-any-return]
    except (OSError, ValueError):
        return None
