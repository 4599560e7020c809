"""Items that a source sends during a step."""

from __future__ import annotations

from typing import Any, Optional, Union

from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import (
    CallEvent,
    CaptureId,
    ModelFailure,
    NotOverridden,
    OverrideTicket,
    StepSummary,
    TensorSpec,
)
from padiff_rpc.v1.words import Phase


@record
class Announced:
    """A capture as its header names it.

    `gradient_of`: the number of its tensor, for a gradient; else 0. `spec`: a target's; of what calls show,
    these tell.
    """

    id: CaptureId
    number: int
    gradient_of: int = 0
    spec: Optional[TensorSpec] = None


@record
class CaptureBegins:
    """A capture's header; `header` is the TensorHeader message, for the assembler."""

    capture: Announced
    header: Any


@record
class CaptureChunk:
    """Bytes of a capture; `chunk` is the TensorChunk message, for the assembler."""

    chunk: Any


@record
class HeldCapture:
    """A capture that has come whole before, with its array and its header's sum of squares."""

    capture: Announced
    tensor: HostTensor
    sum_squares: float


@record
class Credit:
    """Bytes of overrides that the worker is done with."""

    bytes: int


StepItem = Union[
    CallEvent,
    CaptureBegins,
    CaptureChunk,
    Announced,
    HeldCapture,
    Phase,
    ModelFailure,
    StepSummary,
    OverrideTicket,
    Credit,
    NotOverridden,
]
