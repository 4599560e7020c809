"""Runs one step on both workers at once and measures every pair as soon as both halves are there."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping
from typing import Any, Optional

from padiff_compare.capture.batches import StepBatch
from padiff_compare.capture.sides import SIDES, TensorPair, other
from padiff_compare.capture.source import SourceStep, StepSource
from padiff_compare.capture.store import TensorStore
from padiff_compare.join.captures import StepCaptures
from padiff_compare.join.pairs import PairTable
from padiff_compare.judge.measured import Probe, measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.layout_rules import IDENTITY
from padiff_compare.lockstep.override_feed import OverrideFeed
from padiff_compare.steps.step_reader import PassMeter, StepReader
from padiff_rpc.errors import PaDiffError
from padiff_rpc.records import record
from padiff_rpc.v1.records import FunctionTrace, ModelFailure, StepStart, StepSummary
from padiff_rpc.v1.words import Phase, Side

logger = logging.getLogger(__name__)


@record
class PassStart:
    """What a pass is begun with.

    Attributes:
        probe: is shown each pair; None where nobody asks for hints.
    """

    starts: Mapping[Side, StepStart]
    batch: StepBatch
    probe: Optional[Probe] = None


@record
class SideEnd:
    """How one side's step ended, and the last phase that it began.

    Attributes:
        function_traces: of the calls whose functions the step's start selected.
        byte_count: of captured tensors that came.
        spared: how many bytes more the tensors have for which sketches came.
    """

    phase: Phase
    summary: Optional[StepSummary] = None
    function_traces: tuple[FunctionTrace, ...] = ()
    failure: Optional[ModelFailure] = None
    error: Optional[PaDiffError] = None
    byte_count: int = 0
    spared: int = 0

    @property
    def is_complete(self) -> bool:
        return self.summary is not None and self.failure is None and self.error is None


class StepRun:
    """One step, or pass of it.

    A reader thread per side never stops reading; the caller's thread measures. So neither worker ever waits
    for the other: what comes too early is held by the store. A side whose partner stopped early runs its
    step to the end all the same, so that everything comparable comes.
    """

    def __init__(
        self,
        sources: Mapping[Side, StepSource],
        start: PassStart,
        store: TensorStore,
        tolerances: Tolerances,
        meter: PassMeter,
    ) -> None:
        """`meter` hears of each phase that a side is the first to begin, on its reader thread."""
        self._sources = sources
        self._starts = start.starts
        # Until a side has begun: the tables of pairs know this run, and all of them may stay for a while.
        self._batches = dict.fromkeys(SIDES, start.batch)
        self._probe = start.probe
        self._store = store
        self._tolerances = tolerances
        self._meter = meter
        self._phases = dict.fromkeys(SIDES, Phase.INPUTS)
        self._calls: dict[Side, SourceStep] = {}
        self._ends: dict[Side, SideEnd] = {}
        # Pairs to measure; None for each side that has ended.
        self._work: queue.SimpleQueue[Optional[tuple[PairTable[Any], TensorPair[Any]]]] = queue.SimpleQueue()

    def ready(self, table: PairTable[Any], pair: TensorPair[Any]) -> None:
        """Takes a pair to measure, from any thread; what `StepCaptures` is given as its `ready`."""
        self._work.put((table, pair))

    def run(self, captures: StepCaptures, feed: Optional[OverrideFeed] = None) -> Mapping[Side, SideEnd]:
        """Runs the step to its end on each side, fed with overrides, and returns how each ended."""
        threads = [
            threading.Thread(
                target=self._read, args=(side, captures, feed), name=f"{side}-reader", daemon=True
            )
            for side in SIDES
        ]
        for thread in threads:
            thread.start()
        try:
            running = len(threads)
            while running:
                work = self._work.get()
                if work is None:
                    running -= 1
                else:
                    self._measure(*work)
        finally:
            for call in list(self._calls.values()):
                call.close()
            for thread in threads:
                thread.join()
        return {side: self._ends[side] for side in SIDES}

    def measure_waiting(self) -> None:
        """Measures what became ready after the step had ended."""
        while not self._work.empty():
            work = self._work.get()
            if work is not None:
                self._measure(*work)

    def _measure(self, table: PairTable[Any], pair: TensorPair[Any]) -> None:
        first, second = table.halves(pair)
        try:
            measured = measure_pair(
                table.aspect(pair),
                first.tensors,
                second.tensors[0],
                sum_squares=first.sum_squares,
                tolerances=self._tolerances,
                rule=IDENTITY if first.is_laid_out else table.rules.get(pair, IDENTITY),
                is_embedding=first.is_embedding or second.is_embedding,
                computed_in=first.computed_in,
                probe=self._probe,
            )
        except PaDiffError as error:  # one pair's trouble is its row's
            table.settle(pair, None, trouble=str(error))
        else:
            table.settle(pair, measured)

    def _read(self, side: Side, captures: StepCaptures, feed: Optional[OverrideFeed]) -> None:
        fed = feed if side is Side.CANDIDATE else None
        reader = StepReader(side, captures, self._store, fed, self._meter)
        error: Optional[PaDiffError] = None
        try:
            tensors = self._batches.pop(side).tensors_of(side)
            call = self._calls[side] = self._sources[side].open_step(self._starts[side], tensors)
            if fed is not None:
                fed.open(call)
            try:
                reader.read(call.items(), lambda phase: self._begin(side, call, phase))
            finally:
                call.close()
        except PaDiffError as raised:
            error = raised
        except Exception as bug:
            logger.exception("reading the %s's step failed", side)
            error = PaDiffError(f"{type(bug).__name__}: {bug} (our bug; the coordinator's log has the stack)")
        if feed is not None:
            if side is Side.CANDIDATE:
                feed.close()
                self._sources[side].count_traffic(feed.traffic)
            else:
                feed.reference_ended()
        self._sources[side].count_traffic(reader.traffic)
        self._ends[side] = SideEnd(
            phase=self._phases[side],
            summary=reader.summary,
            function_traces=reader.function_traces,
            failure=reader.failure,
            error=error,
            byte_count=sum(reader.traffic.values()),
            spared=reader.spared,
        )
        self._work.put(None)

    def _begin(self, side: Side, call: SourceStep, phase: Phase) -> None:
        self._phases[side] = phase
        if self._phases[other(side)] is not phase:
            self._meter.begin(phase)
        call.acknowledge(phase)
