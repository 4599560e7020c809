"""Room for the functions of a step: all its traces share it."""

from __future__ import annotations

from typing import Any

from padiff_rpc.v1.records import FunctionCall, FunctionSelection
from padiff_worker.functions.trace import OpenTrace, Room


def call(number: int) -> FunctionCall:
    return FunctionCall(
        number=number, operation="add", function="add", layer_path="", layer_call=0, group=number
    )


class Seen:
    """No tensors."""

    def __len__(self) -> int:
        return 0

    def records(self) -> tuple[()]:
        return ()


def test_traces_take_in_no_more_than_a_step_has_room_for_and_say_so() -> None:
    seen: Any = Seen()
    room = Room(most=3)
    first, second = (OpenTrace(FunctionSelection(path=path, call=0), seen, room) for path in ("a", "b"))
    for trace in (first, first, second, second):
        if trace.has_room():
            trace.add(call(trace.next_call))
    assert (len(first.closed().calls), len(second.closed().calls)) == (2, 1)
    assert first.closed().cut_short is None
    cut = second.closed().cut_short
    assert cut is not None
    assert cut.numbers == (3.0,)
