"""The line of the user's code that called a function, and what it called, from Python's stack."""

from __future__ import annotations

import linecache
import os
from types import CodeType, FrameType
from typing import Optional

from padiff_rpc.records import record
from padiff_rpc.v1.records import SourceLine
from padiff_worker.functions.words import FunctionWords

# This package and the adapters beside it.
_OWN_FOLDERS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_DECORATOR = (os.path.join(os.sep, "decorator.py"), os.path.join(os.sep, "decorator", "__init__.py"))


@record
class OuterCall:
    """The outermost call of a framework's function around what runs.

    Attributes:
        name: of the function; empty where a line calls what no Python function stands around.
        frame: of the function; None likewise.
        source: the line that calls it; None where no frame is a caller's.
    """

    name: str = ""
    frame: Optional[FrameType] = None
    source: Optional[SourceLine] = None


class Frames:
    """Tells callers' frames from a framework's."""

    def __init__(self, words: FunctionWords) -> None:
        self._words = words
        # By file: whether it is a caller's; None for those of this package.
        self._files: dict[str, Optional[bool]] = {}
        self._lines: dict[tuple[CodeType, int], SourceLine] = {}

    def outer_call(self, frame: Optional[FrameType]) -> OuterCall:
        """Returns the outermost call of a framework's function that `frame` and those around it are in."""
        name, outer = "", None
        while frame is not None:
            is_callers = self._is_callers(frame.f_code.co_filename)
            if is_callers:
                return OuterCall(name=name, frame=outer, source=self.line(frame))
            if is_callers is False and frame.f_code.co_name not in self._words.wrappers:
                name, outer = frame.f_code.co_name, frame
            frame = frame.f_back
        return OuterCall()

    def line(self, frame: FrameType) -> SourceLine:
        """Returns the line that a frame is at."""
        code, number = frame.f_code, frame.f_lineno or 0
        line = self._lines.get((code, number))
        if line is None:
            text = linecache.getline(code.co_filename, number).strip()
            line = SourceLine(file=code.co_filename, line=number, function=code.co_name, text=text)
            self._lines[code, number] = line
        return line

    def _is_callers(self, file: str) -> Optional[bool]:
        if file not in self._files:
            self._files[file] = self._looked_at(file)
        return self._files[file]

    def _looked_at(self, file: str) -> Optional[bool]:
        words = self._words
        if file.startswith(_OWN_FOLDERS):
            return None
        if file.startswith(words.folder + os.sep):
            return file.startswith(words.callers) and not file.endswith(words.machinery)
        # What was made of text, and what stands around functions.
        return not (file.startswith("<") or file.endswith(_DECORATOR))
