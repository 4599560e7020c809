"""Paths in a spec file: what they mean, and what is near where one leads nowhere."""

from __future__ import annotations

import os

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import near_names
from padiff_rpc.paths import checked_path


def near_file(path: str) -> str:
    """Returns "; nearest: ..." with what lies beside `path`, which is not there, under a like name."""
    folder, name = os.path.split(path.rstrip(os.sep))
    try:
        return near_names(name, os.listdir(folder or "."))
    except (OSError, ValueError):  # there is no such folder, or can be none
        return ""


def check_folder_of(path: str, *, field: str) -> None:
    """Raises InvalidRequestError if the file `path`, which is to be written, would lie in no folder."""
    folder = os.path.dirname(checked_path(path, field=field)) or "."
    if not os.path.isdir(folder):
        raise InvalidRequestError(
            f"{folder} is not a folder; create it first{near_file(folder)}", field=field
        )
