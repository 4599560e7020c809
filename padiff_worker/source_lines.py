"""The line of the user's code that made a call."""

from __future__ import annotations

import linecache
import os
import sys
from types import FrameType
from typing import Optional

from padiff_rpc.v1.records import SourceLine

# This package and the adapters beside it ("padiff_worker", "padiff_worker_torch", ...).
_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__))


def calling_line(library_folders: tuple[str, ...]) -> Optional[SourceLine]:
    """Returns the line of user code that made the call whose hook is running, or None without one.

    The nearest frame outside `library_folders` and this package; so a layer inside a Sequential is
    charged to the line that called the Sequential.
    """
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OWN_FOLDER):
        frame = frame.f_back
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_OWN_FOLDER):
            return None
        if not file.startswith(library_folders):
            return SourceLine(
                file=file,
                line=frame.f_lineno,
                function=frame.f_code.co_name,
                text=linecache.getline(file, frame.f_lineno).strip(),
            )
        frame = frame.f_back
    return None
