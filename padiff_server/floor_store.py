"""Store of floors: own errors that were measured, kept so that they need not be measured again."""

from __future__ import annotations

from typing import Optional

from padiff_compare.steps.own_errors import OwnErrors
from padiff_server.error_packing import MEASURED_AS, MsgpackErrors
from padiff_server.kept_files import KeptFiles


class FloorStore:
    """Keeps own errors in files; thread-safe as those are."""

    def __init__(self, files: KeptFiles) -> None:
        self._files = files
        self._packing = MsgpackErrors()

    def get(self, key: str) -> Optional[OwnErrors]:
        """Returns what was kept under `key`, a text of any length; None for nothing."""
        return self._files.get(_named(key), lambda packed: self._packing.unpacked(packed, OwnErrors))

    def put(self, key: str, errors: OwnErrors) -> None:
        """Keeps these under `key`."""
        self._files.put(_named(key), self._packing.packed(errors))


def _named(key: str) -> str:
    return f"{MEASURED_AS}\n{key}"
