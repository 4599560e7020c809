"""The movements of the model's thread, as other threads may ask for them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Optional

from padiff_rpc.v1.records import Activity, CallEvent, LayerCall, SourceLine
from padiff_rpc.v1.words import CallMoment

# Enough to see where a thread is; a recursion without end has more.
_MOST_LINES = 100


class Pulse:
    """Where the model's thread is, and since when. One thread moves; any thread may ask."""

    def __init__(self) -> None:
        self._thread: Optional[int] = None
        self._below: Optional[CodeType] = None
        self._moved_at = time.monotonic()
        self._is_working = False
        self._call: Optional[tuple[str, int]] = None

    def lives_here(self) -> None:
        """The calling thread is the model's; what calls this is below all that the model does."""
        self._thread = threading.get_ident()
        self._below = sys._getframe(1).f_code

    @contextmanager
    def working(self) -> Iterator[None]:
        """The thread does something that was asked of it."""
        self._call = None
        self._is_working = True
        self.moved()
        try:
            yield
        finally:
            self._is_working = False
            self.moved()

    def moved(self) -> None:
        """The thread has got on."""
        self._moved_at = time.monotonic()

    def at(self, path: str, call: int) -> None:
        """The thread has got to a tensor of this call of a layer."""
        self._call = (path, call)
        self.moved()

    def saw(self, event: CallEvent) -> None:
        """The thread has entered or left a layer."""
        if event.moment is CallMoment.ENTRY:
            self._call = (event.path, event.call)
        self.moved()

    def still_seconds(self) -> float:
        """Returns for how long the thread has worked without a move; 0 while it is idle."""
        return time.monotonic() - self._moved_at if self._is_working else 0.0

    def activity(self) -> Activity:
        """Returns where the thread is."""
        call = self._call
        return Activity(
            still_seconds=time.monotonic() - self._moved_at,
            idle=not self._is_working,
            call=None if call is None else LayerCall(path=call[0], call=call[1]),
            stack=self._stack(),
        )

    def _stack(self) -> tuple[SourceLine, ...]:
        """Files, lines and functions alone: variables may hold what is nobody's business."""
        thread = self._thread
        frame: Optional[FrameType] = None if thread is None else sys._current_frames().get(thread)
        lines: list[SourceLine] = []
        while frame is not None and frame.f_code is not self._below and len(lines) < _MOST_LINES:
            code = frame.f_code
            lines.append(SourceLine(file=code.co_filename, line=frame.f_lineno or 0, function=code.co_name))
            frame = frame.f_back
        return tuple(reversed(lines))
