"""Stamps of files: each differs once one of the files was replaced or written."""

from __future__ import annotations

import os
from typing import Optional

Stamp = tuple[tuple[int, int, int], ...]


def stamp_of(*paths: str) -> Optional[Stamp]:
    """Returns the stamp of files, links followed; None while one is missing."""
    try:
        found = [os.stat(path) for path in paths]
    except OSError:
        return None
    return tuple((status.st_ino, status.st_mtime_ns, status.st_size) for status in found)
