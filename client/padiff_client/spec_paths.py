"""What a path in a spec file means."""

from __future__ import annotations

import os


def beside(folder: str, path: str) -> str:
    """Returns `path` as absolute; a relative one starts at `folder`, which is the spec file's."""
    return os.path.abspath(os.path.join(folder, os.path.expanduser(path)))
