"""The line on which a layer's own code returned."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from padiff_rpc.v1.records import SourceLine
from padiff_worker.functions.returns import ReturnLines


class Layer:
    def __init__(self, inner: Any = None) -> None:
        self.inner = inner

    def forward(self, early: bool) -> int:
        if self.inner is not None:
            self.inner.forward(not early)
        if early:
            return 1  # early
        return 2  # late


def _line(frame: FrameType) -> SourceLine:
    return SourceLine(file=frame.f_code.co_filename, line=frame.f_lineno)


def _numbers() -> dict[str, int]:
    with open(__file__) as source:
        return {
            line.rpartition("# ")[2].strip(): n
            for n, line in enumerate(source, 1)
            if "return" in line and "# " in line
        }


def test_the_line_is_that_of_the_layers_own_return_and_of_no_other_instance() -> None:
    inner = Layer()
    outer = Layer(inner)
    lines, before = ReturnLines(_line), sys.getprofile()
    lines.begin("outer", outer)
    outer.forward(early=True)
    found = lines.end("outer")
    assert found is not None
    assert found.line == _numbers()["early"]
    assert sys.getprofile() is before


def test_a_call_that_raised_leaves_no_profiler_behind() -> None:
    lines, before = ReturnLines(_line), sys.getprofile()
    lines.begin("outer", Layer())
    lines.begin("inner", Layer())
    assert lines.end("outer") is None
    assert sys.getprofile() is before
