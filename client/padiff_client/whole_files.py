"""Files that are written whole or not at all: beside the name, then renamed to it."""

from __future__ import annotations

import contextlib
import os
import secrets

from padiff_client.spec_paths import check_folder_of
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import reason


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


def write_file(path: str, text: str) -> None:
    """Writes a file; what has that name stays whole until the new one is. Raises OSError."""
    content = text.encode()
    if _is_special(path):  # a pipe or a terminal, which nothing may take the place of
        with open(path, "wb") as file:
            file.write(content)
        return
    other = _beside(path)
    try:
        with open(_made(other), "wb") as file:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(file.fileno(), os.stat(path).st_mode & 0o777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(other, os.path.realpath(path))
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None  # a full disk names no file
    finally:
        with contextlib.suppress(OSError):
            os.unlink(other)


def _is_special(path: str) -> bool:
    return os.path.exists(path) and not os.path.isfile(path)


def _beside(path: str) -> str:
    # A link stays one.
    folder = os.path.dirname(os.path.realpath(path))
    # Without the name, which may be as long as the folder takes.
    return os.path.join(folder, f".padiff-{secrets.token_hex(8)}")


def _made(path: str) -> int:
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
