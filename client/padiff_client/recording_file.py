"""A recording on its way into its file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from padiff_client.whole_files import check_writable
from padiff_rpc.errors import InvalidRequestError, PaDiffError
from padiff_rpc.file_locks import take_lock
from padiff_rpc.names import reason
from padiff_rpc.recording_files import FIRST_LINE, framed


class RecordingFile:
    """Takes the parts of a recording, beside its file. A context manager: at its end the file has its name.

    What has that name stays whole until then, and where no step is. Whatever cuts a recording short, the
    steps before are kept; of a process that is killed, in the file beside (`PART`), which is a recording too.

    Attributes:
        path: where it is to lie.
        steps: how many are whole.
        is_whole: all came that were asked for.
        byte_count: of what is kept.
    """

    PART = ".part"

    def __init__(self, path: str, *, field: str) -> None:
        """Raises InvalidRequestError, which names `field`, where no such file can be written."""
        check_writable(path, field=field)
        if os.path.exists(path) and not os.path.isfile(path):
            raise InvalidRequestError(f"{path} is no file that can be replaced; name another", field=field)
        self.path = path
        self.steps = 0
        self.is_whole = False
        self.byte_count = 0
        self._field = field
        self._part = os.path.realpath(path) + self.PART
        self._written = 0
        self._descriptor = -1

    def __enter__(self) -> RecordingFile:
        with self._named():
            self._descriptor = self._opened()
            try:
                self._take_over()
            except BaseException:
                os.close(self._descriptor)
                raise
        return self

    def _opened(self) -> int:
        """Returns the locked file beside. Raises InvalidRequestError where another command has it."""
        while True:
            descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                take_lock(descriptor)
                if os.path.samestat(os.fstat(descriptor), os.stat(self._part)):
                    return descriptor
            except BlockingIOError:
                os.close(descriptor)
                raise self._refused("is being written by another command") from None
            except FileNotFoundError:
                pass  # another command has ended, and the file has its name
            os.close(descriptor)

    def _take_over(self) -> None:
        if os.pread(self._descriptor, len(FIRST_LINE), 0) not in (b"", FIRST_LINE):
            raise self._refused("is no recording that was left behind")
        os.ftruncate(self._descriptor, 0)
        self._write(FIRST_LINE)

    def _refused(self, why: str) -> InvalidRequestError:
        return InvalidRequestError(f"{self._part} {why}; name another file", field=self._field)

    def __exit__(self, *_: object) -> None:
        try:
            if self.steps:
                with self._named():
                    os.ftruncate(self._descriptor, self.byte_count)
                    os.fsync(self._descriptor)
                    os.replace(self._part, os.path.realpath(self.path))
            else:
                with suppress(FileNotFoundError):
                    os.unlink(self._part)
        finally:
            os.close(self._descriptor)

    def add(self, part: Any) -> None:
        """Takes a part. Raises PaDiffError where it cannot be written."""
        with self._named():
            self._write(framed(part))
        kind = part.WhichOneof("part")
        if kind in ("step_ends", "ends"):
            self.byte_count = self._written
            self.steps += kind == "step_ends"
            self.is_whole = kind == "ends"

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            left = left[os.write(self._descriptor, left) :]
        self._written += len(content)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Says of what cannot be written which file it is."""
        try:
            yield
        except OSError as error:
            raise PaDiffError(f"{self.path} cannot be written: {reason(error)}; name another file") from None
