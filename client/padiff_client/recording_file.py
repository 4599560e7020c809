"""A recording on its way into its file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from padiff_client.whole_files import beside, check_writable, made
from padiff_rpc.errors import PaDiffError
from padiff_rpc.names import reason
from padiff_rpc.recording_files import FIRST_LINE, write_part


class RecordingFile:
    """Takes the parts of a recording. A context manager: at its end the file has its name, if it is of use.

    What has that name stays whole until then. Whatever cuts a recording short, the steps before are kept.

    Attributes:
        path: where it is to lie.
        steps: how many are whole.
        is_whole: all came that were asked for.
        byte_count: of what is kept.
    """

    def __init__(self, path: str, *, field: str) -> None:
        """Raises InvalidRequestError, which names `field`, where no such file can be written."""
        check_writable(path, field=field)
        self.path = path
        self.steps = 0
        self.is_whole = False
        self.byte_count = 0
        self._written = 0
        self._beside = beside(path)

    def __enter__(self) -> RecordingFile:
        self._file: BinaryIO = open(made(self._beside), "wb")
        self._written = self._file.write(FIRST_LINE)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.steps:
                with self._named():
                    self._file.truncate(self.byte_count)
                    self._file.flush()
                    os.fsync(self._file.fileno())
                    os.replace(self._beside, os.path.realpath(self.path))
        finally:
            with suppress(OSError):  # what a full disk has not taken
                self._file.close()
            with suppress(FileNotFoundError):
                os.unlink(self._beside)

    def add(self, part: Any) -> None:
        """Takes a part. Raises PaDiffError where it cannot be written."""
        with self._named():
            self._written += write_part(self._file, part)
        kind = part.WhichOneof("part")
        if kind in ("step_ends", "ends"):
            with self._named():
                self._file.flush()
            self.byte_count = self._written
            self.steps += kind == "step_ends"
            self.is_whole = kind == "ends"

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Says of what cannot be written which file it is."""
        try:
            yield
        except OSError as error:
            raise PaDiffError(f"{self.path} cannot be written: {reason(error)}; name another file") from None
