"""One step that is recorded: it is run, and what it says is told as it comes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any, Optional

import numpy as np

from padiff_compare.capture.batches import StepBatch
from padiff_compare.capture.held_pass import HeldPass
from padiff_compare.capture.recorded import Recorded, RecordedItem
from padiff_compare.capture.source import Announced, CaptureBegins, CaptureChunk, HeldCapture, StepItem
from padiff_compare.capture.store import TensorStore
from padiff_compare.capture.trace import Trace
from padiff_compare.join.pairs import Half
from padiff_compare.judge.measure import magnitude_of
from padiff_compare.recording.pass_floors import PassFloors
from padiff_compare.run import Run
from padiff_compare.source_pair import ComparisonStopped, SourcePair
from padiff_compare.steps.step_reader import PassMeter, StepReader
from padiff_compare.steps.step_run import PassStart
from padiff_rpc.tensors import (
    FLOATING,
    SKETCH_BUCKETS,
    HostTensor,
    chunks_of,
    plain_header_of,
    sketch,
)
from padiff_rpc.v1.records import CallEvent, StepStart, StepSummary
from padiff_rpc.v1.words import CaptureKind, Phase, Side

# Of these sketches say nothing: the loss is one number, and targets are no activations.
_WHOLE = (CaptureKind.LOSS, CaptureKind.TARGET)


class StepRecorder:
    """Runs steps of the reference, and tells all that they say."""

    def __init__(
        self,
        run: Run,
        sources: SourcePair,
        tell: Callable[[Recorded], None],
        floors: Optional[PassFloors],
        *,
        sketches: bool = False,
    ) -> None:
        """`floors` measures what rounding does in each; None: nobody wants to know.

        `sketches`: of large tensors no more is told.
        """
        self._tell = tell
        self._sketches = sketches
        # Of captures that are not whole yet, where sketches are told.
        self._headers: dict[int, Any] = {}
        self._run = run
        self._sources = sources
        self._source = sources.sides[Side.REFERENCE]
        self._report = run.report
        self._floors = floors

    def run(self, start: StepStart, batch: StepBatch) -> None:
        """Runs one step. Raises ComparisonStopped where its model raises or its worker is lost."""
        self._tell(start)
        if self._floors is not None:
            with self._sources.during(Phase.INITIAL_WEIGHTS, start.step):
                self._sources.keep_state(Side.REFERENCE, steps=start.optimize)
        with closing(HeldPass(self._run.store)) as held:
            kept = _KeptPass(
                self._run.store,
                held if self._floors is not None else None,
                self._tell_sketched if self._sketches else None,
            )
            with self._sources.during(Phase.FORWARD, start.step):
                summary = self._read(start, batch, kept)
            if self._floors is not None:
                held.ended(summary)
                pass_start = PassStart(starts={Side.REFERENCE: start}, batch=batch)
                self._tell(self._floors.measured(pass_start, held, Trace.of_events(kept.events)))

    def _read(self, start: StepStart, batch: StepBatch, kept: _KeptPass) -> StepSummary:
        step = start.step
        meter = PassMeter(self._report, step, "recorded")
        reader = StepReader(Side.REFERENCE, kept, self._run.store, meter=meter)
        with closing(self._source.open_step(start, batch.tensors_of(Side.REFERENCE))) as call:

            def begin(phase: Phase) -> None:
                meter.begin(phase)
                call.acknowledge(phase)

            reader.read(self._told(call.items()), begin)
        self._source.count_traffic(reader.traffic)
        summary = reader.summary
        if summary is not None:
            self._report.add_account(Side.REFERENCE, step, summary)
        self._sources.stop_on_failures({Side.REFERENCE: reader.failure}, step)
        if summary is None:
            raise ComparisonStopped
        return summary

    def _told(self, items: Iterable[StepItem]) -> Iterator[StepItem]:
        for item in items:
            if self._sketches and isinstance(item, CaptureBegins):
                self._headers[item.capture.number] = item.header
            elif not (self._sketches and isinstance(item, CaptureChunk)):
                self._tell(RecordedItem(item=item))
            yield item

    def _tell_sketched(self, capture: Announced, half: Half) -> None:
        """Tells of a tensor that has come whole what is kept of it."""
        (tensor,) = half.tensors
        kept = tensor if capture.id.kind in _WHOLE else _kept_of(tensor, half.sum_squares)
        capture = dataclasses.replace(capture, sketch_of=kept.sketch_of)
        had, header = self._headers.pop(capture.number), plain_header_of(capture.number, kept)
        header.sum_squares = had.sum_squares
        self._tell(RecordedItem(item=CaptureBegins(capture=capture, header=header)))
        for chunk in chunks_of(capture.number, kept):
            self._tell(RecordedItem(item=CaptureChunk(chunk=chunk)))


def _kept_of(tensor: HostTensor, sum_squares: float) -> HostTensor:
    """Returns the sketch of a tensor that is larger, and of values that are alike in kind; else itself.

    A mask's marks would drown the others, and so would what is not finite, which leaves no sketch finite.
    """
    is_large = tensor.byte_count > SKETCH_BUCKETS * np.dtype(np.float64).itemsize
    if tensor.dtype not in FLOATING or not is_large or magnitude_of(tensor, sum_squares).has_marks:
        return tensor
    made = sketch(tensor)
    return made if np.isfinite(np.asarray(made.array, np.float64)).all() else tensor


class _KeptPass:
    """Takes in what a step shows: its calls, and its tensors where they are to be held."""

    def __init__(
        self,
        store: TensorStore,
        held: Optional[HeldPass],
        tell: Optional[Callable[[Announced, Half], None]],
    ) -> None:
        """`tell` is told of each tensor that has come whole; None: its parts were told as they came."""
        self._store = store
        self._held = held
        self._tell = tell
        self.events: list[CallEvent] = []

    def call(self, side: Side, event: CallEvent) -> None:
        self.events.append(event)
        if self._held is not None and not event.replay:
            self._held.called(event)

    def announce(self, side: Side, capture: Announced) -> bool:
        """Returns whether the capture's bytes are wanted."""
        if self._held is not None:
            self._held.announced(capture)
        return self._held is not None or self._tell is not None

    def arrive(self, side: Side, capture: Announced, half: Half) -> None:
        """Takes a capture that has come whole, and ownership of its array."""
        (tensor,) = half.tensors
        if self._tell is not None:
            self._tell(capture, half)
        if self._held is not None:
            self._held.arrived(HeldCapture(capture=capture, tensor=tensor, sum_squares=half.sum_squares))
        self._store.release(tensor.array)
