"""Lines of the user's code: those that made a call or a layer, that raised, and a stack of them alone."""

from __future__ import annotations

import functools
import importlib
import linecache
import os
import sys
import sysconfig
import traceback
from types import FrameType
from typing import Any, Optional

from padiff_rpc.v1.records import SourceLine

# This package and the adapters beside it ("padiff_worker", "padiff_worker_torch", ...).
_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__))
# What Python itself puts between an import and the module's own lines.
_IMPORTING = ("<frozen importlib", os.path.dirname(os.path.abspath(importlib.__file__)))
_INSTALLED = tuple(
    {sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)


def calling_line(library_folders: tuple[str, ...], *, outside: Optional[Any] = None) -> Optional[SourceLine]:
    """Returns the line of user code that made the call whose hook is running, or None without one.

    The nearest frame outside `library_folders`, this package, and the methods of the object `outside`; so a
    layer inside a Sequential is charged to the line that called the Sequential.
    """
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OWN_FOLDER):
        frame = frame.f_back
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_OWN_FOLDER):
            return None
        if not file.startswith(library_folders) and (outside is None or not _is_method_of(outside, frame)):
            line = frame.f_lineno
            return _line(file, line, frame.f_code.co_name, linecache.getline(file, line).strip())
        frame = frame.f_back
    return None


@functools.lru_cache(maxsize=4096)
def _line(file: str, line: int, function: str, text: str) -> SourceLine:
    """Returns one record for all the calls that a line makes."""
    return SourceLine(file=file, line=line, function=function, text=text)


def _is_method_of(one: Any, frame: FrameType) -> bool:
    code = frame.f_code
    return code.co_argcount > 0 and frame.f_locals.get(code.co_varnames[0]) is one


def raising_line(error: BaseException, library_folders: tuple[str, ...]) -> Optional[SourceLine]:
    """Returns the innermost line of the user's own code that an exception came through, or None without one.

    Of code that is installed (a model from a package) the innermost line outside `library_folders` and this
    package. Of a SyntaxError it is the line that cannot be read.
    """
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return SourceLine(file=error.filename, line=error.lineno, text=(error.text or "").strip())
    frames = _without(traceback.extract_tb(error.__traceback__), library_folders)
    own = [frame for frame in frames if not frame.filename.startswith(_INSTALLED)] or frames
    if not own:
        return None
    last = own[-1]
    return SourceLine(
        file=last.filename, line=last.lineno or 0, function=last.name, text=(last.line or "").strip()
    )


def users_stack(error: BaseException, library_folders: tuple[str, ...]) -> str:
    """Returns an exception as Python prints it, without the frames of this package and `library_folders`."""
    told = traceback.TracebackException(type(error), error, error.__traceback__)
    seen: set[int] = set()
    waiting: list[Optional[traceback.TracebackException]] = [told]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.stack = traceback.StackSummary.from_list(_without(one.stack, library_folders))
        waiting += [one.__cause__, one.__context__]
    return "".join(told.format())


def _without(
    frames: list[traceback.FrameSummary], library_folders: tuple[str, ...]
) -> list[traceback.FrameSummary]:
    hidden = (_OWN_FOLDER, *_IMPORTING, *library_folders)
    return [frame for frame in frames if not frame.filename.startswith(hidden)]
