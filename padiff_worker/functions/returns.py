"""Lines on which layers' own functions return, from Python's profiler while chosen calls run."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, Optional

from padiff_rpc.v1.records import SourceLine


@dataclass
class _Watched:
    call: object
    layer: Any
    code: Optional[CodeType]
    line: Optional[SourceLine] = None


class ReturnLines:
    """Watches calls of layers, one inside the other. A profiler of the user's own pauses meanwhile.

    Belongs to one thread.
    """

    def __init__(self, line_of: Callable[[FrameType], SourceLine]) -> None:
        self._line_of = line_of
        self._watched: list[_Watched] = []
        self._before: Any = None

    def begin(self, call: object, layer: Any) -> None:
        """Watches a call that is about to run the layer's `forward`."""
        forward = inspect.unwrap(type(layer).forward)
        if not self._watched:
            self._before = sys.getprofile()
            sys.setprofile(self._saw)
        self._watched.append(_Watched(call, layer, getattr(forward, "__code__", None)))

    def end(self, call: object) -> Optional[SourceLine]:
        """Returns the line on which a watched call returned; None where it is not known."""
        line = None
        while any(one.call is call for one in self._watched):
            last = self._watched.pop()
            line = last.line if last.call is call else None
        if not self._watched:
            self.close()
        return line

    def close(self) -> None:
        """Watches nothing any more; may be called twice."""
        self._watched.clear()
        if sys.getprofile() == self._saw:
            sys.setprofile(self._before)

    def _saw(self, frame: FrameType, event: str, argument: Any) -> None:
        last = self._watched[-1] if self._watched else None
        if event != "return" or last is None or frame.f_code is not last.code:
            return
        names = frame.f_code.co_varnames
        if names and frame.f_locals.get(names[0]) is last.layer:
            last.line = self._line_of(frame)
