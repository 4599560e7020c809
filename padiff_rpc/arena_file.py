"""The file of an arena: memory for tensors that a worker and its coordinator share on one host.

Its name serves to find it, and only until both have mapped it: whatever ends the two then frees it.
"""

from __future__ import annotations

import hmac
import mmap
import os
import re
import secrets
import stat
import tempfile
from contextlib import suppress

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.file_locks import take_lock
from padiff_rpc.paths import checked_path
from padiff_rpc.records import record

FOLDER_VARIABLE = "PADIFF_SHARED_MEMORY"
# In place of a folder: no memory is shared.
NONE = "none"
# What lies in the file, as OfferArenaResponse in worker.proto describes it.
NONCE_BYTES = 32
STATES_AT, PLACES = 4096, 8192
TENSORS_AT = STATES_AT + PLACES
# A smaller one would hold few tensors at a time.
LEAST_BYTES = 1 << 20

_PREFIX = "padiff-arena-"
_NAME = re.compile(f"{_PREFIX}[0-9a-f]{{32}}")
_MEMORY_FOLDER = "/dev/shm"
_TRIES = 3


class NotSharedError(Exception):
    """Memory cannot be shared; the text says why, in a part of a sentence."""


@record
class ArenaFile:
    """The open file of an arena; whoever made it has locked it.

    Attributes:
        path: where it is until `unnamed`.
        descriptor: closed by `close`.
        size: in bytes; the blocks behind the places may not be allocated yet.
        nonce: what it begins with.
    """

    path: str
    descriptor: int
    size: int
    nonce: bytes

    @property
    def name(self) -> str:
        """Its name in the folder."""
        return os.path.basename(self.path)

    def mapped(self) -> mmap.mmap:
        """Returns its bytes, which outlive `close`. Raises OSError."""
        return mmap.mmap(self.descriptor, self.size)

    def unnamed(self) -> None:
        """Takes its name away; may be called twice."""
        with suppress(FileNotFoundError):
            os.unlink(self.path)

    def close(self) -> None:
        """Takes its name away and closes it; what is mapped stays until it is no longer used."""
        self.unnamed()
        os.close(self.descriptor)


def settled_folder(asked: str, *, field: str) -> str:
    """Returns the folder where arenas lie: the one asked for; for an empty text, that of the machine.

    That is /dev/shm, which is memory, or where there is none the folder for temporary files. `NONE` is
    returned as it is. Raises InvalidRequestError for a folder that there is not.
    """
    if not asked:
        return _MEMORY_FOLDER if os.path.isdir(_MEMORY_FOLDER) else tempfile.gettempdir()
    if asked != NONE and not os.path.isdir(checked_path(asked, field=field)):
        raise InvalidRequestError(
            f"{asked!r} is no folder on this machine; make it first, or give {NONE!r}", field=field
        )
    return asked


def make(folder: str, size: int) -> ArenaFile:
    """Makes a file of at most `size` bytes, and of at most half of what the folder has room for.

    Sweeps away what processes that were killed have left there. Raises NotSharedError.
    """
    if folder == NONE:
        raise NotSharedError("the worker was told to share no memory")
    try:
        _sweep(folder)
        room = os.statvfs(folder)
        size = min(size, room.f_bavail * room.f_frsize // 2)
        size -= size % mmap.PAGESIZE
        if size < LEAST_BYTES:
            raise NotSharedError(
                f"{folder} on the worker's machine has room for {size >> 10:,} KiB, and the least is "
                f"{LEAST_BYTES >> 10:,}"
            )
        return _made(folder, size)
    except OSError as error:
        raise NotSharedError(f"the worker cannot make a file in {folder}: {error.strerror}") from None


def open_shared(folder: str, name: str, size: int, nonce: bytes) -> ArenaFile:
    """Returns the file of that name which a worker has made. Raises NotSharedError.

    It must be of our own user, and nobody else's to read, and begin with the nonce.
    """
    if folder == NONE:
        raise NotSharedError("the coordinator was told to share no memory")
    if not _NAME.fullmatch(name) or not TENSORS_AT < size <= 1 << 48 or len(nonce) != NONCE_BYTES:
        raise NotSharedError("the worker offers what is no file of an arena")
    path = os.path.join(folder, name)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotSharedError(
            f"the coordinator does not find the worker's file in {folder}: they are on two hosts, or use two "
            "folders"
        ) from None
    except OSError as error:
        raise NotSharedError(f"the coordinator cannot open a file in {folder}: {error.strerror}") from None
    file = ArenaFile(path=path, descriptor=descriptor, size=size, nonce=nonce)
    try:
        _check(file, folder)
    except BaseException:
        os.close(descriptor)
        raise
    return file


def _check(file: ArenaFile, folder: str) -> None:
    """Raises NotSharedError unless what was opened is the file that a worker of our own user has made."""
    try:
        found = os.fstat(file.descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != file.size:
            raise NotSharedError(f"what the coordinator finds in {folder} is not the worker's file")
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise NotSharedError(f"the file in {folder} is not the coordinator's own user's alone")
        if not hmac.compare_digest(os.pread(file.descriptor, NONCE_BYTES, 0), file.nonce):
            raise NotSharedError(f"the file in {folder} does not hold what the worker says")
    except OSError as error:
        raise NotSharedError(f"the coordinator cannot read a file in {folder}: {error.strerror}") from None


def _made(folder: str, size: int) -> ArenaFile:
    for _ in range(_TRIES):
        path = os.path.join(folder, f"{_PREFIX}{secrets.token_hex(16)}")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        file = ArenaFile(path=path, descriptor=descriptor, size=size, nonce=secrets.token_bytes(NONCE_BYTES))
        try:
            take_lock(descriptor)
            if os.fstat(descriptor).st_nlink:  # else a sweep came between
                os.ftruncate(descriptor, size)
                os.pwrite(descriptor, file.nonce, 0)
                allocate(descriptor, 0, TENSORS_AT)
                return file
        except BlockingIOError:  # a sweep looks at it
            pass
        except OSError:
            file.close()
            raise
        file.close()
    raise NotSharedError(f"the worker's file in {folder} was swept away {_TRIES} times")


def allocate(descriptor: int, start: int, size: int) -> None:
    """Gives a stretch of a file its blocks: a write to one without would end the process on a full disk."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, size)
    else:
        os.pwrite(descriptor, bytes(size), start)


def _sweep(folder: str) -> None:
    """Removes our user's files of arenas that no living process has locked."""
    for name in os.listdir(folder):
        if not _NAME.fullmatch(name):
            continue
        path = os.path.join(folder, name)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:  # another user's, or gone
            continue
        with suppress(OSError):
            take_lock(descriptor)
            os.unlink(path)
        os.close(descriptor)
