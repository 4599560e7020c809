"""Files that are written whole or not at all: beside the name, then renamed to it."""

from __future__ import annotations

import contextlib
import gzip
import os
import secrets
from collections.abc import Iterable
from typing import IO

from padiff_client.spec_paths import check_folder_of
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import reason

# The end of the names of files that are written compressed.
COMPRESSED = ".gz"


def check_writable(path: str, *, field: str) -> None:
    """Raises InvalidRequestError where `write_file` could not write; a file that is there stays as it is."""
    check_folder_of(path, field=field)
    if os.path.isdir(path):
        raise InvalidRequestError(f"{path} is a folder; name a file in it", field=field)
    try:
        if _is_special(path):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            return
        other = _beside(path)
        os.close(_made(other))
        os.unlink(other)
    except OSError as error:
        raise InvalidRequestError(
            f"{path} cannot be written: {reason(error)}; name another file", field=field
        ) from None


def write_file(path: str, pieces: Iterable[str]) -> None:
    """Writes a file, compressed where its name ends in `.gz`, piece by piece as they come.

    What has that name stays whole until the new one is. Raises OSError.
    """
    if _is_special(path):  # a pipe or a terminal, which nothing may take the place of
        with open(path, "wb") as file:
            _write(file, path, pieces)
        return
    other = _beside(path)
    try:
        with open(_made(other), "wb") as file:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(file.fileno(), os.stat(path).st_mode & 0o777)
            _write(file, path, pieces)
            file.flush()
            os.fsync(file.fileno())
        os.replace(other, os.path.realpath(path))
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None  # a full disk names no file
    finally:
        with contextlib.suppress(OSError):
            os.unlink(other)


def _write(file: IO[bytes], path: str, pieces: Iterable[str]) -> None:
    if not path.lower().endswith(COMPRESSED):
        file.writelines(piece.encode() for piece in pieces)
        return
    # Without a name and a time in it, so that the same report makes the same file.
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=9, mtime=0) as compressed:
        compressed.writelines(piece.encode() for piece in pieces)


def _is_special(path: str) -> bool:
    return os.path.exists(path) and not os.path.isfile(path)


def _beside(path: str) -> str:
    # A link stays one.
    folder = os.path.dirname(os.path.realpath(path))
    # Without the name, which may be as long as the folder takes.
    return os.path.join(folder, f".padiff-{secrets.token_hex(8)}")


def _made(path: str) -> int:
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
