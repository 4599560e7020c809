"""Store of floors: a folder of own errors that were measured, so that they need not be measured again."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path
from typing import Optional

from padiff_compare.steps.own_errors import OwnErrors
from padiff_server.error_packing import MEASURED_AS, MsgpackErrors

MOST_BYTES = 256 << 20

logger = logging.getLogger(__name__)


class FloorStore:
    """Keeps own errors in a folder, a file each, up to `most_bytes`; what was not used longest goes first.

    What it cannot write or read it does without. Several processes may share a folder. Thread-safe.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        """`folder` is made when it is needed, for its user alone."""
        self._folder = folder
        self._most_bytes = most_bytes
        self._packing = MsgpackErrors()

    def get(self, key: str) -> Optional[OwnErrors]:
        """Returns what was kept under `key`, a text of any length; None for nothing."""
        path = self._path(key)
        try:
            packed = path.read_bytes()
            os.utime(path)
            return self._packing.unpacked(packed, OwnErrors)
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever a damaged file may hold
            logger.warning("%s is not used (%s): floors are measured again", path, error)
            return None

    def put(self, key: str, errors: OwnErrors) -> None:
        """Keeps these under `key`."""
        packed = self._packing.packed(errors)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                file.write(packed)
            os.replace(file.name, self._path(key))
            self._make_room()
        except OSError as error:
            logger.warning("floors are not kept in %s: %s", self._folder, error.strerror)

    def _path(self, key: str) -> Path:
        return self._folder / hashlib.sha256(f"{MEASURED_AS}\n{key}".encode()).hexdigest()

    def _make_room(self) -> None:
        found = [(file, file.stat()) for file in self._folder.iterdir()]
        left = sum(status.st_size for _, status in found)
        for file, status in sorted(found, key=lambda one: one[1].st_mtime_ns):
            if left <= self._most_bytes:
                break
            file.unlink(missing_ok=True)
            left -= status.st_size
