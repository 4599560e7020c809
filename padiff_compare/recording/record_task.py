"""The story of one recording: one model, run alone, and all that it answers told to the client."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Optional

from padiff_compare.alignment.layer_selection import left_out
from padiff_compare.capture.batches import BatchSource, StepBatch
from padiff_compare.capture.recorded import (
    Recorded,
    RecordedBatch,
    RecordedLayers,
    RecordingEnds,
    StepEnds,
)
from padiff_compare.capture.trace import Trace
from padiff_compare.inputs import Inputs
from padiff_compare.join.foreseen import inputs_of_several_takers
from padiff_compare.model_index import ModelIndex
from padiff_compare.randomness.random_plan import random_pairs
from padiff_compare.recording.pass_floors import PassFloors
from padiff_compare.recording.recorded_state import StateRecorder
from padiff_compare.recording.recorded_step import StepRecorder
from padiff_compare.report.builder import ReportBuilder
from padiff_compare.run import Run, Settings, Storage
from padiff_compare.source_pair import SourcePair
from padiff_compare.steps.gold import can_have_gold
from padiff_compare.training_settings import check_training
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.v1.records import (
    CallEvent,
    CompareStart,
    FunctionSelection,
    Layer,
    RecordedSettings,
    Recording,
    RecordingBegins,
    RecordStart,
    StepStart,
    TraceResponse,
)
from padiff_rpc.v1.words import CallMoment, DefaultLoss, DiffPhase, Phase, Randomness, Side


@record
class RecordingClient:
    """Who wants the recording: gives the batches, and is told all that comes."""

    batches: BatchSource
    tell: Callable[[Recorded], None]


class RecordTask:
    """Records the reference: `run` tells the client what it answers, part by part."""

    wants_outputs = False

    def __init__(
        self,
        start: RecordStart,
        sources: SourcePair,
        report: ReportBuilder,
        client: RecordingClient,
        storage: Storage,
    ) -> None:
        """Raises InvalidRequestError for what cannot be recorded."""
        if start.steps < 1:
            raise InvalidRequestError(
                f"{start.steps} is not allowed; allowed: a number of at least 1", field="steps"
            )
        self._asked = start
        self._sources = sources
        self._source = sources.sides[Side.REFERENCE]
        self._report = report
        self._client = client
        self._storage = storage

    def run(self) -> None:
        """Records. Raises the error of whatever was wrong with the request."""
        asked, options, tell = self._asked, self._asked.options, self._client.tell
        settings = self._settled()
        self._report.steps_asked = settings.steps
        inputs = Inputs(self._sources, self._client.batches, self._report, settings)
        layers = self._sources.load(deterministic=options.deterministic, threads=options.threads)
        own = layers[Side.REFERENCE]
        skipped = left_out(own, asked.selection)
        tell(self._beginning(settings, skipped))
        tell(RecordedLayers(layers=own))
        state = StateRecorder(self._source, own, tell, optimizes=settings.optimize)
        with self._sources.during(Phase.INITIAL_WEIGHTS):
            state.record(Phase.INITIAL_WEIGHTS)
        run = Run(options=options, settings=settings, report=self._report, store=self._storage.tensors)
        sketches = asked.selection.statistics_only
        steps = StepRecorder(run, self._sources, tell, self._floors(run, own), sketches=sketches)
        trace = TraceResponse()
        for step in range(settings.steps):
            batch = inputs.batch(step)
            tell(self._told(inputs, step, batch))
            if step == 0 and not settings.of_scripts:
                repeat = (Side.REFERENCE,) if options.preflight else ()
                traced = self._sources.trace(batch, randomness=options.randomness, repeat=repeat)
                trace = traced[Side.REFERENCE]
                tell(trace)
            start = run.step_start(step, batch.batches[Side.REFERENCE], from_loader=batch.from_loader)
            steps.run(
                dataclasses.replace(self._told_of(start, settings, own, trace), skip_paths=skipped), batch
            )
            with self._sources.during(Phase.WEIGHTS, step):
                state.record(Phase.WEIGHTS, optimized=settings.optimizes(step))
            tell(StepEnds(step=step))
        tell(RecordingEnds(steps=settings.steps))

    def _settled(self) -> Settings:
        """Returns how far each step goes, as in a comparison of the model with itself."""
        asked, model, worker = self._asked, self._asked.reference.model, self._source.worker
        if worker.watches_script:
            optimize = worker.serves_optimizer
            return Settings(steps=asked.steps, backward=True, optimize=optimize, of_scripts=True)
        has_optimizer = bool(model.optimizer) or worker.serves_optimizer
        as_compared = CompareStart(
            protocol_version=asked.protocol_version,
            candidate=asked.reference,
            reference=asked.reference,
            options=asked.options,
            steps=asked.steps,
        )
        check_training(as_compared, has_optimizer=has_optimizer)
        backward = asked.options.diff_phase is not DiffPhase.FORWARD
        optimize = backward and (has_optimizer or bool(model.train_step))
        if asked.steps > 1 and not optimize:
            raise InvalidRequestError(
                f"{asked.steps} steps need an optimizer: give one, or leave steps at 1", field="steps"
            )
        return Settings(
            steps=asked.steps, backward=backward, optimize=optimize, accumulate=asked.options.accumulate
        )

    def _beginning(self, settings: Settings, skipped: Sequence[str]) -> RecordingBegins:
        options = self._asked.options
        recording = Recording(
            made_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            model=self._source.model,
            steps=settings.steps,
            settings=RecordedSettings(
                backward=settings.backward,
                optimize=settings.optimize,
                mean_loss=options.loss is DefaultLoss.MEAN,
                accumulate=options.accumulate,
                clip_norm=options.clip_norm or 0.0,
                loss_scale=options.loss_scale,
                randomness=options.randomness,
            ),
            left_out=tuple(skipped),
            statistics_only=self._asked.selection.statistics_only,
        )
        loaded = self._sources.loaded[Side.REFERENCE]
        return RecordingBegins(recording=recording, worker=self._source.worker, loaded=loaded)

    def _floors(self, run: Run, layers: Sequence[Layer]) -> Optional[PassFloors]:
        """Returns what measures the floors of steps; None where nobody asks, or no step may run once more."""
        packing, source = self._storage.packing, self._source
        is_asked = self._asked.selection.floors and can_have_gold(run.options, source)
        if packing is None or not is_asked:
            return None
        if source.model.train_step and not source.optimizer.describe().class_name:
            return None  # its optimizer would step once more, and nobody could put it back
        return PassFloors(run, self._source, layers, packing)

    def _told(self, inputs: Inputs, step: int, batch: StepBatch) -> RecordedBatch:
        """Returns a batch as it is recorded; one of a loader's is read for that."""
        if batch.from_loader:
            loaded = inputs.read(step)
            return RecordedBatch(batch=loaded.batch, tensors=tuple(loaded.tensors.items()))
        own = batch.batches[Side.REFERENCE]
        return RecordedBatch(batch=own, tensors=tuple(batch.tensors_of(Side.REFERENCE)))

    def _told_of(
        self, start: StepStart, settings: Settings, layers: Sequence[Layer], trace: TraceResponse
    ) -> StepStart:
        """Returns the start of a step with what the model's own trace tells, for want of another side."""
        randomness = settings.randomness(self._asked.options.randomness)
        return dataclasses.replace(
            start,
            loss_slots=tuple(slot.name for slot in Trace.of_events(trace.calls).returned),
            own_gradients=inputs_of_several_takers(trace.calls) if start.backward else (),
            functions=_functions(layers, trace.calls) if self._asked.selection.functions else (),
            randomness=randomness,
            random_seed=self._source.model.seed % 2**64,
            random_pairs=random_pairs(layers) if randomness is Randomness.SHARED else (),
        )


def _functions(layers: Sequence[Layer], calls: Sequence[CallEvent]) -> tuple[FunctionSelection, ...]:
    """Returns the calls of layers that run code of the user's."""
    model = ModelIndex(layers)
    own = (call for call in calls if not model.is_frameworks_own(call.path))
    return tuple(
        FunctionSelection(path=call.path, call=call.call)
        for call in own
        if call.moment is CallMoment.ENTRY and not call.replay
    )
