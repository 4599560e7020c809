"""The calls of layers that run, and the trace that the functions in each of them go into."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Optional

from padiff_rpc.names import is_mark_path
from padiff_rpc.v1.records import FunctionSelection, SourceLine
from padiff_worker.calls import Call
from padiff_worker.functions.trace import OpenTrace


@dataclass
class RunningCall:
    """A layer's call that runs.

    Attributes:
        trace: takes the functions in it; None where nobody looks into it.
        outer: the trace that has its boundaries beside its own; None likewise.
        stands_as_call: `outer` has it as one call.
        source, inputs: of that call.
    """

    call: Call
    trace: Optional[OpenTrace] = None
    outer: Optional[OpenTrace] = None
    stands_as_call: bool = False
    source: Optional[SourceLine] = None
    inputs: dict[str, int] = field(default_factory=dict)

    @property
    def is_selected(self) -> bool:
        """Whether it has a trace of its own."""
        return self.trace is not None and self.trace is not self.outer

    @property
    def traces(self) -> tuple[OpenTrace, ...]:
        """Those that have its boundaries."""
        both = (self.trace, self.outer if self.outer is not self.trace else None)
        return tuple(trace for trace in both if trace is not None)


class RunningCalls:
    """Follows the calls of layers from entry to exit; one that raised is left when another event tells."""

    def __init__(
        self, selections: Iterable[FunctionSelection], new_trace: Callable[[FunctionSelection], OpenTrace]
    ) -> None:
        self._selections = {(one.path, one.call): one for one in selections}
        self._new_trace = new_trace
        self._stack: list[RunningCall] = []

    @property
    def innermost(self) -> Optional[RunningCall]:
        """The innermost call that runs."""
        return self._stack[-1] if self._stack else None

    @property
    def open(self) -> Optional[OpenTrace]:
        """The trace that functions go into now."""
        return self._stack[-1].trace if self._stack else None

    def enter(self, call: Call, unended: Iterable[Call], *, is_hidden: bool) -> RunningCall:
        """Returns a call that begins.

        `unended` are the calls that have not ended, it among them. `is_hidden`: a function that stands as one
        call made it.
        """
        alive = {id(one) for one in unended}
        self._stack = [one for one in self._stack if id(one.call) in alive]
        outer = None if is_hidden else self.open
        selection = self._selections.get((call.path, call.number))
        running = RunningCall(call=call, outer=outer)
        if selection is not None:
            running.trace = self._new_trace(selection)
        elif outer is not None and (is_mark_path(call.path) or call.path in outer.selection.into):
            running.trace = outer
        running.stands_as_call = outer is not None and running.trace is not outer
        self._stack.append(running)
        return running

    def at(self, call: Call) -> Optional[RunningCall]:
        """Returns a call that ends, those inside it being left; None where it is not known."""
        while self._stack and self._stack[-1].call is not call:
            self._stack.pop()
        return self.innermost

    def leave(self) -> None:
        """The innermost call has ended."""
        self._stack.pop()
