"""Both sources of a comparison: asked at the same time, and accounted for when one of them breaks."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Optional, TypeVar

from padiff_compare.capture.batches import StepBatch
from padiff_compare.capture.sides import on_each, other
from padiff_compare.capture.source import LoadedBatch, Look, RuleFailed, SourceHangs, Sources
from padiff_compare.report.builder import ReportBuilder
from padiff_rpc.errors import BusyError, CancelledError, PaDiffError, ProtocolError, WorkerLostError
from padiff_rpc.v1.records import (
    Environment,
    Layer,
    LoadResponse,
    ModelFailure,
    Note,
    Recording,
    RunToRunNoise,
    Timing,
    TraceResponse,
    Trouble,
)
from padiff_rpc.v1.words import CallMoment, NoteKind, Phase, Randomness, Side

T = TypeVar("T")

# Of the parameters that could not be put back, as many are named.
_LOST_TOLD = 20


class ComparisonStopped(Exception):
    """Nothing more can be compared; the report says why."""


class SourcePair:
    """Both sources, or the one that is recorded, and what every use of them has in common.

    A context manager. `close` may come from any thread: it ends whatever the sources are doing for us.

    Attributes:
        sides: the source of each.
        loaded: what was said of each model when it was loaded.
    """

    def __init__(self, sides: Sources, report: ReportBuilder) -> None:
        self.sides = sides
        self.loaded: Mapping[Side, LoadResponse] = {}
        self._report = report
        # The parameters that a side's trace changed; nothing of sides that no trace ran of to its end.
        self._changing: dict[Side, tuple[str, ...]] = {}

    @property
    def recordings(self) -> Mapping[Side, Recording]:
        """The recordings among the open sources, the reference's first."""
        shown = ((side, source.worker.recording) for side, source in self.sides.items())
        return {side: recording for side, recording in shown if recording is not None}

    def __enter__(self) -> SourcePair:
        try:
            with self._report.timed(Phase.CONNECT):
                self._ask_both(lambda side: self.sides[side].open(), Phase.CONNECT)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        for side, source in self.sides.items():
            self._report.add_traffic(side, source.traffic)
            self._report.note_sending(side, source.sending)

    def close(self) -> None:
        """Gives both sources back; may be called twice."""
        for source in self.sides.values():
            source.close()

    def load(self, *, deterministic: bool, threads: int) -> Mapping[Side, tuple[Layer, ...]]:
        """Builds both models and returns their layers. Raises ComparisonStopped when a factory raised."""

        def load(side: Side) -> tuple[LoadResponse, tuple[Layer, ...]]:
            loaded = self.sides[side].load(deterministic=deterministic, threads=threads)
            return loaded, () if loaded.failure is not None else self.sides[side].describe()

        with self.during(Phase.LOAD):
            answers = self._ask_both(load, Phase.LOAD)
            self.loaded = {side: loaded for side, (loaded, _) in answers.items()}
            for side, loaded in self.loaded.items():
                model = self.sides[side].model
                self._report.add_environment(
                    Environment(
                        side=side,
                        worker=self.sides[side].worker,
                        device=loaded.device or model.device,
                        train=loaded.train or model.train,
                        seed=model.seed,
                        flags=loaded.flags,
                        transport=self.sides[side].transport,
                        optimizer_made=loaded.optimizer_made,
                    )
                )
            self.stop_on_failures({side: loaded.failure for side, loaded in self.loaded.items()})
        return {side: answers[side][1] for side in self.sides}

    def trace(
        self,
        batch: StepBatch,
        *,
        randomness: Randomness = Randomness.REPORT,
        repeat: Collection[Side] = (),
        known: Optional[Mapping[Side, TraceResponse]] = None,
    ) -> Mapping[Side, TraceResponse]:
        """Returns both call traces; that of a model that raised ends there, and its first step shows why.

        `repeat`: these sides run twice, and what differs is reported. `known`: of sides that need not run.
        """

        def trace(side: Side) -> TraceResponse:
            if known and side in known:
                return known[side]
            return self.sides[side].trace(
                batch.batches[side],
                batch.tensors_of(side),
                from_loader=batch.from_loader,
                randomness=randomness,
                repeat=side in repeat,
            )

        with self.during(Phase.TRACE):
            traced = self._ask_both(trace, Phase.TRACE)
        failures = {side: failure for side in self.sides if (failure := traced[side].failure) is not None}
        for side, failure in failures.items():
            names = (failure.exception, failure.text)
            self._report.note(Note(kind=NoteKind.TRACE_RAISED, side=side, names=names))
        for side in self.sides:
            if side not in failures:
                self._changing[side] = traced[side].changed_parameters
            self._report.add_noise(side, traced[side].noise if not failures else None)
            if not failures:
                entered = (one.moment is CallMoment.ENTRY and not one.replay for one in traced[side].calls)
                self._report.calls_known[side] = sum(entered)
        return traced

    def keep_state(
        self, side: Side, *, steps: bool, optimizer: bool = False, before_step: Optional[int] = None
    ) -> None:
        """Has a side remember the state of its model, and of its `optimizer` if asked, for `restore_state`.

        `steps`: an optimizer may step until then. Where none does, the side need not copy the parameters that
        its trace did not change. `before_step` as `Source.keep_state` takes it.
        """
        source = self.sides[side]
        may_change = steps or bool(source.model.train_step)
        source.keep_state(
            optimizer=optimizer,
            before_step=before_step,
            changing=None if may_change else self._changing.get(side),
        )

    def restore_state(self, side: Side, step: int) -> bool:
        """Has a side put back what it remembered; whether all is as it was, else a note says what is not."""
        lost = self.sides[side].restore_state()
        if lost:
            names = tuple(lost[:_LOST_TOLD])
            note = Note(kind=NoteKind.NOT_PUT_BACK, side=side, numbers=(float(step),), names=names)
            self._report.note(note)
        return not lost

    def run_again(self, sides: Collection[Side], step: int, batch: StepBatch, randomness: Randomness) -> None:
        """Reports how far two forward passes of these sides differ, on the batch of the last step."""

        def again(side: Side) -> Optional[RunToRunNoise]:
            if side not in sides:
                return None
            source, given, tensors = self.sides[side], batch.batches[side], batch.tensors_of(side)
            if batch.from_loader:
                read = source.loader.read(step)
                if isinstance(read, Look):
                    return None
                given, tensors = read.batch, list(read.tensors.items())
            return source.trace(given, tensors, randomness=randomness, repeat=True).noise

        if not sides:
            return
        with self.during(Phase.TRACE, step):
            noise = self._ask_both(again, Phase.TRACE)
        for side in self.sides:
            self._report.add_noise(side, noise[side])

    def look_for_batch(self, index: int) -> Mapping[Side, Look]:
        """Returns whether each side's loader has a batch. Raises ComparisonStopped when one raised."""
        with self.during(Phase.INPUTS, index):
            looks = self._ask_both(lambda side: self.sides[side].loader.look(index), Phase.INPUTS)
        self.stop_on_failures({side: looks[side].failure for side in self.sides}, index)
        return looks

    def read_batch(self, index: int) -> Mapping[Side, Optional[LoadedBatch]]:
        """Returns both loaders' batches, None behind an end. Raises ComparisonStopped when one raised."""
        with self.during(Phase.INPUTS, index):
            read = self._ask_both(lambda side: self.sides[side].loader.read(index), Phase.INPUTS)
        self.stop_on_failures({s: r.failure for s, r in read.items() if isinstance(r, Look)}, index)
        return {side: None if isinstance(got, Look) else got for side, got in read.items()}

    def stop_on_failures(self, failures: Mapping[Side, Optional[ModelFailure]], step: int = 0) -> None:
        """Reports what the users' models raised. Raises ComparisonStopped if there is anything."""
        found = [(side, failure) for side, failure in failures.items() if failure is not None]
        for side, failure in found:
            self._report.add_failure(dataclasses.replace(failure, side=side, step=step))
        if found:
            raise ComparisonStopped

    @contextmanager
    def during(self, phase: Phase, step: int = 0) -> Iterator[None]:
        """Times a phase; the loss of a worker in it, and what a user's rule raised, end the comparison.

        What is wrong with the request stays an error.
        """
        with self._report.timed(phase, step):
            try:
                yield
            except (WorkerLostError, ProtocolError, BusyError) as error:
                named = error.context.get("side")
                side = Side(named) if named else None
                self.add_trouble(error, side, phase, step)
                if isinstance(error, WorkerLostError) and side is not None and other(side) in self.sides:
                    self.note_if_lost(other(side), phase, step)
                raise ComparisonStopped from error
            except RuleFailed as raised:
                self.stop_on_failures({Side.CANDIDATE: raised.failure}, step)

    def add_trouble(self, error: PaDiffError, side: Optional[Side], phase: Phase, step: int) -> None:
        """Reports what went wrong on a side, or between the two."""
        activity = error.activity if isinstance(error, SourceHangs) else None
        self._report.add_trouble(
            Trouble(side=side, phase=phase, step=step, text=str(error), activity=activity)
        )

    def note_if_lost(self, side: Side, phase: Phase, step: int) -> None:
        """Reports the loss of a worker that nothing has failed on yet, if it is lost too."""
        lost = self.sides[side].why_lost()
        if lost is not None:
            self.add_trouble(lost, side, phase, step)

    def _ask_both(self, ask: Callable[[Side], T], phase: Phase) -> Mapping[Side, T]:
        """Returns both answers, or raises the error that says most.

        What is wrong with one side's request ends the other's at once, which may take long.
        """

        def timed(side: Side) -> T:
            began = time.monotonic()
            try:
                return ask(side)
            except PaDiffError as error:
                if not isinstance(error, WorkerLostError) and other(side) in self.sides:
                    self.sides[other(side)].close()
                raise
            finally:
                seconds[side] = time.monotonic() - began

        seconds: dict[Side, float] = {}
        outcomes = on_each(self.sides, timed)
        for side in self.sides:
            self._report.add_timing(Timing(side=side, step=0, phase=phase, seconds=seconds[side]))
        if outcomes.errors:
            raise min(outcomes.errors.values(), key=_emptiness)
        return outcomes.values


def _emptiness(error: PaDiffError) -> int:
    """Returns how little an error says: a cancelled call is another error's consequence."""
    return 2 if isinstance(error, CancelledError) else int(isinstance(error, WorkerLostError))
