"""The calls of one step: their numbers, their nesting, and which of them a replay repeats."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Optional


@dataclass
class Call:
    """One call of a layer in the forward pass.

    `index` is its place in execution order; its subtree are the calls from `index` up to, not
    including, `end`. `slots` holds the tensor numbers that its inputs and outputs were given.
    """

    path: str
    number: int
    index: int
    end: Optional[int] = None
    replayed: bool = False
    draws: int = 0
    slots: dict[str, int] = field(default_factory=dict)

    def contains(self, other: Call) -> bool:
        return self.index < other.index and (self.end is None or other.index < self.end)


class CallLog:
    """Numbers the calls of a step and matches those that recomputation makes again. Not thread-safe."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._by_path: dict[str, list[Call]] = {}
        self._stack: list[Call] = []
        self.replaying = False
        self.replays = 0

    @property
    def innermost_path(self) -> str:
        """The path of the innermost call that has not ended; "" outside any."""
        return self._stack[-1].path if self._stack else ""

    @property
    def innermost(self) -> Optional[Call]:
        """The innermost call that has not ended."""
        return self._stack[-1] if self._stack else None

    def innermost_of(self, paths: Container[str]) -> Optional[Call]:
        """Returns the innermost call, of those that have not ended, of a layer at one of `paths`."""
        return next((call for call in reversed(self._stack) if call.path in paths), None)

    @property
    def running(self) -> tuple[Call, ...]:
        """The calls that have not ended, outermost first."""
        return tuple(self._stack)

    @running.setter
    def running(self, calls: Iterable[Call]) -> None:
        self._stack[:] = calls

    def begin_replays(self) -> None:
        """From here on (backward) every call is a repetition of an earlier one."""
        self.replaying = True
        self._stack.clear()

    def end_replays(self) -> None:
        """From here on calls are new ones again; their numbers go on."""
        self.replaying = False
        self._stack.clear()

    @property
    def is_inside(self) -> bool:
        """Whether a call is running, or a backward."""
        return self.replaying or bool(self._stack)

    def enter(self, path: str, input_numbers: dict[str, int]) -> Optional[Call]:
        """Returns the call that begins, or in a replay the call that is repeated (None: none known).

        `input_numbers` are the numbers of those inputs that were seen before, by slot; they tell the
        calls of a shared layer apart in a replay, and are of no use elsewhere.
        """
        if self.replaying:
            call = self._repeated(path, input_numbers)
            if call is not None:
                call.replayed = True
                call.draws = 0
                self.replays += 1
                self._stack.append(call)
            return call
        numbered = self._by_path.setdefault(path, [])
        call = Call(path=path, number=len(numbered), index=len(self.calls))
        numbered.append(call)
        self.calls.append(call)
        self._stack.append(call)
        return call

    def leave(self, path: str) -> Optional[Call]:
        """Returns the call that ends, or None when its entry is unknown.

        Calls above it on the stack have missed their exits (early-stopped recomputation, an exception
        that the model caught) and are dropped.
        """
        for depth in range(len(self._stack) - 1, -1, -1):
            if self._stack[depth].path == path:
                call = self._stack[depth]
                del self._stack[depth:]
                if not self.replaying:
                    call.end = len(self.calls)
                return call
        return None

    def _repeated(self, path: str, input_numbers: dict[str, int]) -> Optional[Call]:
        known = self._by_path.get(path, [])
        # A segment inside a segment is recomputed twice.
        waiting = [call for call in known if not call.replayed] or known
        for outer in reversed(self._stack):
            for call in waiting:
                if outer.contains(call):
                    return call
        for call in waiting:
            if input_numbers and all(call.slots.get(slot) == n for slot, n in input_numbers.items()):
                return call
        # Segments are recomputed last first.
        return waiting[-1] if waiting else None
