"""Reads one side's step: items in, calls, whole tensors and phases out, and how far the pass is."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Optional, Protocol

import numpy as np

from padiff_compare.capture.source import (
    Announced,
    CaptureBegins,
    CaptureChunk,
    Credit,
    HeldCapture,
    StepItem,
)
from padiff_compare.capture.store import TensorStore
from padiff_compare.join.pairs import Half
from padiff_compare.lockstep.override_feed import OverrideFeed
from padiff_rpc.convert import from_proto
from padiff_rpc.errors import ProtocolError
from padiff_rpc.limits import exceeded, limits
from padiff_rpc.tensors import Array, ReceivedTensor, TensorAssembler, byte_count
from padiff_rpc.v1.records import (
    CallEvent,
    FunctionTrace,
    ModelFailure,
    NotOverridden,
    OverrideTicket,
    SideProgress,
    StepSummary,
    TensorSpec,
)
from padiff_rpc.v1.words import CallMoment, CaptureKind, Phase, Side

_PHASES = {
    CaptureKind.TARGET: Phase.INPUTS,
    CaptureKind.INPUT: Phase.FORWARD,
    CaptureKind.OUTPUT: Phase.FORWARD,
    CaptureKind.LOSS: Phase.LOSS,
    CaptureKind.INPUT_GRADIENT: Phase.BACKWARD,
    CaptureKind.OUTPUT_GRADIENT: Phase.BACKWARD,
    CaptureKind.PARAMETER_GRADIENT: Phase.GRADIENTS,
}


# Between two words of how far a pass is.
_TOLD_SECONDS = 0.25
_COUNTED = frozenset({Phase.FORWARD, Phase.BACKWARD})
_EACH = {side: side for side in Side}


class PassHearer(Protocol):
    """Tells the client how far a pass is.

    Attributes:
        calls_known: how many calls a pass of each side makes, where that is known.
    """

    calls_known: dict[Side, int]

    def progress(
        self, phase: Phase, step: int = 0, text: str = "", sides: tuple[SideProgress, ...] = ()
    ) -> None:
        """Hears where the comparison is; from any thread."""


class PassMeter:
    """Counts what the sides of a pass send; tells the client of each phase, and now and then in one.

    Each side is counted on its own reader thread.
    """

    def __init__(
        self,
        report: Optional[PassHearer] = None,
        step: int = 0,
        text: str = "",
        counted: Mapping[Side, Side] = _EACH,
    ) -> None:
        """`report` None: nobody is told. `text`: what the pass is, where it is not a step's own.

        `counted`: as which side of the comparison each side of the pass is counted.
        """
        self._report = report
        self._step = step
        self._text = text
        self._counts = {side: _Counted(as_side=as_side) for side, as_side in counted.items()}
        self._lock = threading.Lock()
        self._phase: Optional[Phase] = None
        self._told_at = 0.0

    def begin(self, phase: Phase) -> None:
        """Tells of a phase that a side is the first to begin."""
        self._phase = phase
        if self._report is not None:
            self._report.progress(phase, self._step, self._text, self._sides(self._report))

    def entered(self, side: Side) -> None:
        """Counts a layer's call."""
        if side in self._counts:
            self._counts[side].calls += 1
            self._tell_at_times()

    def announced(self, side: Side, capture: Announced) -> None:
        """Counts the call of a gradient that comes, once."""
        if side in self._counts and _PHASES[capture.id.kind] is Phase.BACKWARD:
            self._counts[side].went_back.add((capture.id.path, capture.id.call))
            self._tell_at_times()

    def received(self, side: Side, size: int) -> None:
        """Counts bytes of tensors."""
        if side in self._counts:
            self._counts[side].bytes += size
            self._tell_at_times()

    def ended(self, side: Side) -> None:
        """Keeps how many calls the pass made, which the next one of the kind will make again."""
        if self._report is not None and side in self._counts:
            count = self._counts[side]
            self._report.calls_known[count.as_side] = count.calls

    def _tell_at_times(self) -> None:
        if self._report is None or self._phase not in _COUNTED:
            return
        with self._lock:
            now = time.monotonic()
            if now - self._told_at < _TOLD_SECONDS:
                return
            self._told_at = now
        self._report.progress(self._phase, self._step, self._text, self._sides(self._report))

    def _sides(self, report: PassHearer) -> tuple[SideProgress, ...]:
        known, is_back = report.calls_known, self._phase is Phase.BACKWARD
        return tuple(
            SideProgress(
                side=one.as_side,
                calls_done=len(one.went_back) if is_back else one.calls,
                calls_known=known.get(one.as_side, 0),
                bytes=one.bytes,
            )
            for one in self._counts.values()
            if one.calls
        )


class _Counted:
    """What one side has sent in a pass."""

    def __init__(self, as_side: Side) -> None:
        self.as_side = as_side
        self.calls = 0
        self.bytes = 0
        self.went_back: set[tuple[str, int]] = set()


class CaptureTaker(Protocol):
    """Takes what a step shows of one side."""

    def call(self, side: Side, event: CallEvent) -> None:
        """Takes a call's entry or exit."""

    def announce(self, side: Side, capture: Announced) -> bool:
        """Notes a capture that begins to arrive; returns whether its bytes are wanted."""

    def arrive(self, side: Side, capture: Announced, half: Half) -> None:
        """Takes a capture that has come whole, and ownership of its array, which came from the store."""


class StepReader:
    """Turns what one side says during a step into calls and captures. One thread uses it.

    Attributes:
        failure: what the user's model raised, if it did.
        summary: the worker's own account; None while it has not come.
        function_traces: of the calls whose functions the step's start selected.
        traffic: bytes of captured tensors that came, by phase.
        spared: how many bytes more the tensors have for which sketches came.
    """

    def __init__(
        self,
        side: Side,
        captures: CaptureTaker,
        store: TensorStore,
        feed: Optional[OverrideFeed] = None,
        meter: Optional[PassMeter] = None,
    ) -> None:
        """`feed` hears what a worker in lockstep says of its overrides; `meter` counts what comes."""
        self._feed = feed
        self._meter = meter if meter is not None else PassMeter()
        self._side = side
        self._captures = captures
        self._store = store
        self._assembler = TensorAssembler(self._allocate)
        self._calls = 0
        self._open: dict[int, tuple[Announced, float]] = {}
        self._unwanted: dict[int, Announced] = {}
        # Arrays still being filled, by identity; they are ours until their capture is handed on.
        self._filling: dict[int, Array] = {}
        self.failure: Optional[ModelFailure] = None
        self.summary: Optional[StepSummary] = None
        self.function_traces: tuple[FunctionTrace, ...] = ()
        self.traffic: Counter[Phase] = Counter()
        self.spared = 0

    def read(self, items: Iterable[StepItem], begin: Callable[[Phase], None]) -> None:
        """Reads to the end; `begin` is told of each phase that the worker announces.

        Raises ProtocolError for what contradicts the contract, a stream without a summary among it, and
        BusyError when the store is full or a limit is reached.
        """
        try:
            for item in items:
                if isinstance(item, Phase):
                    begin(item)
                elif isinstance(item, CallEvent):
                    self._call(item)
                elif isinstance(item, CaptureBegins):
                    self._begin_capture(item)
                elif isinstance(item, CaptureChunk):
                    self._fill(item)
                elif isinstance(item, Announced):
                    self._captures.announce(self._side, item)
                elif isinstance(item, HeldCapture):
                    half = Half(tensors=(item.tensor,), sum_squares=item.sum_squares)
                    self._captures.arrive(self._side, item.capture, half)
                elif isinstance(item, FunctionTrace):
                    self.function_traces += (item,)
                elif isinstance(item, ModelFailure):
                    self.failure = item
                elif isinstance(item, StepSummary):
                    self.summary = item
                elif self._feed is not None:
                    _tell(self._feed, item)
            self._assembler.finish()
            if self.summary is None:
                raise ProtocolError(f"the {self._side} worker ended its step without a summary")
            self._meter.ended(self._side)
        finally:
            for array in self._filling.values():
                self._store.release(array)
            self._filling.clear()

    def _call(self, event: CallEvent) -> None:
        self._calls += 1
        most = limits().calls
        if self._calls > most:
            raise exceeded(f"the {self._side} made more than {most:,} entries and exits in a step", "calls")
        if event.moment is CallMoment.ENTRY and not event.replay:
            self._meter.entered(self._side)
        self._captures.call(self._side, event)

    def _begin_capture(self, item: CaptureBegins) -> None:
        capture = item.capture
        if capture.id.kind not in _PHASES:
            raise ProtocolError(f"the {self._side} worker sent a {capture.id.kind} among its captures")
        self._meter.announced(self._side, capture)
        if item.content is not None:
            self._count(capture, item.content.array.nbytes)
        if capture.sketch_of is not None:
            sketch = from_proto(item.header.spec, TensorSpec)
            self.spared += byte_count(capture.sketch_of) - byte_count(sketch)
        if not self._captures.announce(self._side, capture):
            self._unwanted[capture.number] = capture
            return
        self._open[capture.number] = (capture, item.header.sum_squares)
        received = self._begun(item)
        if received is not None:
            self._hand_on(received)

    def _begun(self, item: CaptureBegins) -> Optional[ReceivedTensor]:
        """Returns the tensor if it is there already: the lent array itself, or a copy where that may last."""
        lent = item.content
        if lent is None:
            return self._assembler.header(item.header)
        received = self._assembler.whole(item.header, lent.array)
        array = received.tensor.array
        if lent.is_scarce or not self._store.adopt(array):
            array = self._allocate(received.tensor.spec)
            np.copyto(array, received.tensor.array)
            return replace(received, tensor=replace(received.tensor, array=array))
        self._filling[id(array)] = array
        return received

    def _fill(self, item: CaptureChunk) -> None:
        number = item.chunk.tensor
        if number in self._unwanted:
            self._count(self._unwanted[number], len(item.chunk.content))
            return
        received = self._assembler.chunk(item.chunk)
        self._count(self._open[number][0], len(item.chunk.content))
        if received is not None:
            self._hand_on(received)

    def _count(self, capture: Announced, size: int) -> None:
        self.traffic[_PHASES[capture.id.kind]] += size
        self._meter.received(self._side, size)

    def _hand_on(self, received: ReceivedTensor) -> None:
        capture, sum_squares = self._open.pop(received.number)
        tensor = received.tensor
        if capture.sketch_of is not None:
            tensor = replace(tensor, sketch_of=capture.sketch_of, statistics=capture.statistics)
        half = Half(tensors=(tensor,), sum_squares=sum_squares, is_laid_out=capture.is_transposed)
        # Ours until it is taken: `arrive` may raise before.
        self._captures.arrive(self._side, capture, half)
        del self._filling[id(received.tensor.array)]

    def _allocate(self, spec: TensorSpec) -> Array:
        array = self._store.allocate(spec)
        self._filling[id(array)] = array
        return array


def _tell(feed: OverrideFeed, item: StepItem) -> None:
    if isinstance(item, OverrideTicket):
        feed.wanted(item)
    elif isinstance(item, Credit):
        feed.credited(item.bytes)
    elif isinstance(item, NotOverridden):
        feed.refused(item)
