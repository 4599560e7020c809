"""The reference's side of a step, held for the candidate's second pass of it."""

from __future__ import annotations

from collections import deque
from typing import Optional, Protocol, Union

from padiff_compare.capture.items import Announced
from padiff_compare.capture.store import TensorStore
from padiff_compare.steps.pairs import Half
from padiff_rpc.records import record
from padiff_rpc.v1.records import CallEvent
from padiff_rpc.v1.words import Side


@record
class _Arrived:
    """A capture that came whole; the store has been told that its arrays are held here too."""

    capture: Announced
    half: Half


_Shown = Union[CallEvent, Announced, _Arrived]


class Audience(Protocol):
    """Whom the step is shown to once more."""

    def call(self, side: Side, event: CallEvent) -> None: ...

    def announce(self, side: Side, capture: Announced) -> bool: ...

    def arrive(self, side: Side, capture: Announced, half: Half) -> None: ...


class HeldReference:
    """The reference's calls and captures in the order in which they came. One thread at a time uses it.

    Its tensors lie in the store, and so beyond the memory limit in files.
    """

    def __init__(self, store: TensorStore) -> None:
        self._store = store
        self._shown: deque[_Shown] = deque()

    def called(self, event: CallEvent) -> None:
        self._shown.append(event)

    def announced(self, capture: Announced) -> None:
        self._shown.append(capture)

    def arrived(self, capture: Announced, half: Half) -> None:
        """Holds a capture's arrays, which another may release; to be told before that other has them."""
        for tensor in half.tensors:
            self._store.hold(tensor.array)
        self._shown.append(_Arrived(capture=capture, half=half))

    def show(self, audience: Audience) -> None:
        """Tells it all again, and hands over what is held, a tensor at a time."""
        while (shown := self._next()) is not None:
            if isinstance(shown, CallEvent):
                audience.call(Side.REFERENCE, shown)
            elif isinstance(shown, Announced):
                audience.announce(Side.REFERENCE, shown)
            else:
                audience.arrive(Side.REFERENCE, shown.capture, shown.half)

    def close(self) -> None:
        """Releases what nobody was shown; may be called twice."""
        while (shown := self._next()) is not None:
            if isinstance(shown, _Arrived):
                for tensor in shown.half.tensors:
                    self._store.release(tensor.array)

    def _next(self) -> Optional[_Shown]:
        return self._shown.popleft() if self._shown else None
