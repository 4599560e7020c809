"""The folder of one embedded run: sockets, logs, spilled tensors. It never outlives its processes."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from padiff_rpc.addresses import MAX_SOCKET_PATH_BYTES
from padiff_rpc.errors import PaDiffError
from padiff_rpc.file_locks import is_held, take_lock
from padiff_rpc.records import record

_PREFIX = "padiff-run-"
_LOCK = "lock"
_LONGEST_SOCKET_NAME = len("/coordinator.sock")
# A younger folder may still be on its way to its lock.
_SWEEP_AFTER_SECONDS = 60.0


@record
class PrivateFolder:
    """A folder that only this user can enter.

    `lock_descriptor` holds an flock, which lasts until the client and every child that inherited the
    descriptor have ended, however they ended.
    """

    path: Path
    lock_descriptor: int

    @property
    def temporary(self) -> Path:
        """The folder for the children's temporary files."""
        return self.path / "tmp"

    def socket_address(self, name: str) -> str:
        """Returns the gRPC address of the socket called `name` in this folder."""
        return f"unix:{self.path / name}.sock"


@contextmanager
def private_folder() -> Iterator[PrivateFolder]:
    """Creates a private folder for the length of the context, and sweeps what dead runs left behind."""
    parent = folder_for_sockets()
    sweep(parent)
    # mkdtemp makes the folder with mode 0700.
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        with open(path / _LOCK, "wb") as lock:
            take_lock(lock.fileno())
            folder = PrivateFolder(path=path, lock_descriptor=lock.fileno())
            folder.temporary.mkdir()
            yield folder
    finally:
        shutil.rmtree(path, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Removes this user's folders in `parent` that no living process holds."""
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if _is_stale(path):
                shutil.rmtree(path, ignore_errors=True)


def _is_stale(path: Path) -> bool:
    status = path.lstat()
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    if not ours or time.time() - status.st_mtime < _SWEEP_AFTER_SECONDS:
        return False
    return not is_held(path / _LOCK)


def folder_for_sockets() -> Path:
    """Returns the folder in which private folders are made. Raises PaDiffError where none will do."""
    for folder in (tempfile.gettempdir(), "/tmp"):
        longest = len(os.fsencode(folder)) + len(f"/{_PREFIX}12345678") + _LONGEST_SOCKET_NAME
        if longest <= MAX_SOCKET_PATH_BYTES and os.access(folder, os.W_OK):
            return Path(folder)
    raise PaDiffError(
        f"no folder for sockets: {tempfile.gettempdir()} is too long (a socket path has at most "
        f"{MAX_SOCKET_PATH_BYTES} bytes) and /tmp cannot be written; set TMPDIR to a shorter folder"
    )
