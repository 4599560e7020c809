"""Folder of files that spare later comparisons work, each known by a key."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Optional, TypeVar

T = TypeVar("T")

MOST_BYTES = 256 << 20

logger = logging.getLogger(__name__)


class KeptFiles:
    """Keeps contents in a folder, a file each, up to `most_bytes`; what was not used longest goes first.

    What it cannot write or read it does without. Several processes may share a folder. Thread-safe.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        """`folder` is made when it is needed, for its user alone."""
        self._folder = folder
        self._most_bytes = most_bytes

    def get(self, key: str, unpacked: Callable[[bytes], T]) -> Optional[T]:
        """Returns what was kept under `key`, a text of any length, `unpacked`; None for nothing."""
        path = self._path(key)
        try:
            content = path.read_bytes()
            os.utime(path)
            return unpacked(content)
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever a damaged file may hold
            logger.warning("%s is not used (%s): what it holds is measured again", path, error)
            return None

    def put(self, key: str, content: bytes) -> None:
        """Keeps this under `key`."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                file.write(content)
            os.replace(file.name, self._path(key))
            self._make_room()
        except OSError as error:
            logger.warning("floors and traces are not kept in %s: %s", self._folder, error.strerror)

    def drop(self, key: str) -> None:
        """Forgets what was kept under `key`, if anything was."""
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("a trace is not dropped from %s: %s", self._folder, error.strerror)

    def _path(self, key: str) -> Path:
        return self._folder / hashlib.sha256(key.encode()).hexdigest()

    def _make_room(self) -> None:
        found = [(file, file.stat()) for file in self._folder.iterdir()]
        left = sum(status.st_size for _, status in found)
        for file, status in sorted(found, key=lambda one: one[1].st_mtime_ns):
            if left <= self._most_bytes:
                break
            file.unlink(missing_ok=True)
            left -= status.st_size
