"""Paths that people write: those that no file can have are refused before a library meets them."""

from __future__ import annotations

import os

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import shown

# Of Linux and of nearly all its file systems; a path's closing zero is one of its bytes.
_MOST_NAME_BYTES, _MOST_PATH_BYTES = 255, 4095
# What opening and reading a file raise: a ValueError for bytes that are no text, or a zero byte in the path.
UNREADABLE = (OSError, ValueError)


def checked_path(path: str, *, field: str) -> str:
    """Returns `path`. Raises InvalidRequestError where no file can have it, whatever there is."""
    problem = _problem(path)
    if problem:
        raise InvalidRequestError(f"{shown(path)} is no path: {problem}", field=field)
    return path


def _problem(path: str) -> str:
    if not path:
        return "it is empty"
    if "\0" in path:
        return "it holds a zero byte"
    try:
        content = os.fsencode(path)
    except UnicodeEncodeError:
        return "it is no text that a file's name can be"
    longest = max(map(len, content.split(os.fsencode(os.sep))))
    if longest > _MOST_NAME_BYTES:
        return f"a name in it has {longest} bytes, and {_MOST_NAME_BYTES} are the most"
    if len(content) > _MOST_PATH_BYTES:
        return f"it has {len(content)} bytes, and {_MOST_PATH_BYTES} are the most"
    return ""
