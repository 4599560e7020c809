"""The story of one comparison, and of one assignment of weights, from two workers to a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Optional

from padiff_compare.aligned import AlignedModels
from padiff_compare.alignment.layer_selection import selection_notes, with_selection
from padiff_compare.capture.batches import BatchSource
from padiff_compare.hints.prober import Prober
from padiff_compare.hints.settings import Sides
from padiff_compare.inputs import Inputs
from padiff_compare.judge.measured import Probe
from padiff_compare.kept_traces import TraceKeeper
from padiff_compare.model_states import ModelStates
from padiff_compare.preparation import Preparation
from padiff_compare.randomness.random_decisions import RandomDecisions
from padiff_compare.recording.shown import as_shown
from padiff_compare.recording.shown import notes as recording_notes
from padiff_compare.rehearsal.orientation import Orientation, untried
from padiff_compare.rehearsal.rehearsal import Rehearsal, is_needed
from padiff_compare.report.builder import ReportBuilder
from padiff_compare.report.kept_pairs import KeepingAsked, PairHolder
from padiff_compare.report.so_far import Teller
from padiff_compare.run import Run, Storage
from padiff_compare.second_look.second_look import SecondLook
from padiff_compare.second_look.sketched_steps import SketchedSteps
from padiff_compare.settings import check_parties, settle
from padiff_compare.sketch_settings import as_sketched
from padiff_compare.source_pair import SourcePair
from padiff_compare.steps.gold import rounding_has_a_say
from padiff_compare.steps.loop import Steps
from padiff_compare.steps.own_errors import StepErrors
from padiff_compare.weights.weight_flow import WeightFlow
from padiff_rpc.v1.records import AssignWeightsRequest, CompareStart, Note, Options, Recording
from padiff_rpc.v1.words import KeptTensors, Level, NoteKind, Phase, Side, TraceMode

# Of the memory for captures, what may be held besides until rows are final.
_SHARE_HELD = 4


class CompareTask:
    """One comparison: `run` tells it from start to end; what it finds goes into the report."""

    wants_outputs = True

    def __init__(
        self,
        start: CompareStart,
        sources: SourcePair,
        report: ReportBuilder,
        batches: BatchSource,
        storage: Storage,
    ) -> None:
        """Raises InvalidRequestError for what cannot be compared."""
        self._settings = settle(as_sketched(start))  # until both workers have said what they serve
        self._asked = start
        self._sources = sources
        self._report = report
        self._batches = batches
        self._storage = storage

    def run(self) -> None:
        """Compares. Raises the error of whatever was wrong with the request."""
        workers = {side: source.worker for side, source in self._sources.sides.items()}
        shown = self._sources.recordings
        self._report.note(*recording_notes(self._asked, shown))
        self._asked = as_sketched(as_shown(self._asked, shown), workers)
        options = self._asked.options
        settings = self._settings = settle(self._asked, workers)
        self._report.note(*settings.notes)
        self._report.judge_by(options)
        self._report.steps_asked = settings.steps
        inputs = Inputs(
            self._sources,
            self._batches,
            self._report,
            settings,
            are_recorded=self._asked.recorded_batches,
        )
        layers = self._sources.load(deterministic=options.deterministic, threads=options.threads)
        batch = inputs.batch(0)
        traced, keeper = None, TraceKeeper(self._storage.traces, self._sources, layers, options)
        if options.trace is not TraceMode.FIRST_STEP and not settings.of_scripts:
            traced = self._sources.trace(
                batch,
                randomness=options.randomness,
                repeat=self._repeated(on_cpu=False),
                known=keeper.known(batch),
            )
        preparation = Preparation(self._sources, layers, self._asked.layer_map, self._report, traced)
        aligned = preparation.aligned
        selected = aligned.select(lambda plan: with_selection(plan, layers, options))
        self._report.note(*selection_notes(selected))
        prober = self._prober(aligned)
        probe = self._holding(prober.probe)
        run = Run(
            options=options,
            settings=settings,
            report=self._report,
            store=self._storage.tensors,
            floors=self._storage.floors,
            probe=probe,
            recorded_errors=self._recorded_errors(shown),
        )
        preparation.find_out_rules()
        preparation.compare_tables(options, copy=self._asked.auto_weights)
        if settings.of_scripts:
            self._report.note(*untried(aligned.weight_plan))
        else:
            Orientation(run, self._sources, aligned).settle(batch, copy=self._asked.auto_weights)
        weights = WeightFlow(self._sources.sides, aligned.weight_plan, aligned.models, options, probe)
        weights.optimizers_step = settings.optimize
        preparation.place_weights(weights, copy=self._asked.auto_weights)
        if aligned.foreseen is not None and is_needed(aligned.foreseen, aligned.models):
            Rehearsal(run, self._sources, aligned).run(batch)
        seed = self._asked.reference.model.seed % 2**64
        decisions = RandomDecisions(
            settings.randomness(options.randomness),
            seed,
            aligned.models,
            self._report,
            is_recorded=Side.REFERENCE in shown,
        )
        states = ModelStates(run, self._sources, aligned, weights)
        steps = Steps(run, self._sources, aligned, states, decisions)
        if options.level is Level.STATS:
            steps.sketches = SketchedSteps(run, self._sources, aligned)
        look = SecondLook(run, self._sources, aligned, decisions, weights)
        teller = Teller(self._report, is_asked=self._asked.tell_so_far)
        teller.tell()
        for step in range(settings.steps):
            batch = inputs.batch(step) if step else batch
            steps.run(step, batch)
            if step == 0 and traced is not None:
                self._report.note(*keeper.settle(traced, steps.departed))
            look.at(step, batch)
            teller.tell()
            if steps.forward_only and settings.optimize:
                self._note_what_is_left(step, NoteKind.STOPPED_WITHOUT_BACKWARD)
                break
            if self._report.has_failed and not options.keep_going:
                self._note_what_is_left(step, NoteKind.STOPPED_AT_DIFFERENCE)
                break
        if self._report.has_failed and traced is not None:
            self._sources.run_again(self._repeated(on_cpu=True), step, batch, options.randomness)
        self._report.note(*prober.notes())

    def _repeated(self, *, on_cpu: bool) -> frozenset[Side]:
        """Returns the sides of which two runs are to be held against each other, on a CPU or elsewhere.

        On a CPU models agree with themselves but for what they keep where nothing can put it back, so that a
        second run is worth its time only where there is a difference to be explained. A recording has
        been run twice when it was made.
        """
        if not self._asked.options.preflight:
            return frozenset()
        live = ((side, source) for side, source in self._sources.sides.items() if not source.worker.recording)
        return frozenset(side for side, source in live if (source.model.device == "cpu") is on_cpu)

    def _recorded_errors(
        self, shown: Mapping[Side, Recording]
    ) -> Optional[Callable[[int], Optional[StepErrors]]]:
        """Returns what finds the recorded own errors of a step; None where they have no say, or are not."""
        source, packing = self._sources.sides[Side.REFERENCE], self._storage.packing
        has_a_say = rounding_has_a_say(self._asked.options)
        if Side.REFERENCE not in shown or packing is None or not has_a_say:
            return None
        if not source.worker.has_kept_floors:
            return None
        return lambda step: packing.unpack(source.floors(step))

    def _holding(self, probe: Probe) -> Probe:
        """Returns `probe`, such that the client gets the tensors that it keeps."""
        if self._asked.keep is KeptTensors.NONE:
            return probe
        asked = KeepingAsked(which=self._asked.keep, limit_bytes=self._asked.keep_mib << 20)
        held_bytes = self._storage.tensors.limit_bytes // _SHARE_HELD
        holder = PairHolder(asked, self._asked.options, self._report.emit, held_bytes=held_bytes)
        self._report.shown = holder.shown
        return holder.watching(probe)

    def _prober(self, aligned: AlignedModels) -> Prober:
        """Returns what says of pairs that differ what they may be; the report asks it too."""
        models = {Side.REFERENCE: self._asked.reference.model, Side.CANDIDATE: self._asked.candidate.model}
        train = {side: model.train for side, model in models.items()}
        sides = Sides(layers=aligned.layers, train=train)
        prober = Prober(self._asked.options, sides, self._report, lambda: aligned.foreseen)
        self._report.hinted = prober.settled
        return prober

    def _note_what_is_left(self, step: int, why: NoteKind) -> None:
        left = self._settings.steps - step - 1
        if left:
            self._report.note(Note(kind=why, numbers=(float(step), float(left))))


class AssignWeightsTask:
    """Copies the reference's weights into the candidate, verifies them, and may save the candidate."""

    wants_outputs = False

    def __init__(self, asked: AssignWeightsRequest, sources: SourcePair, report: ReportBuilder) -> None:
        """Raises InvalidRequestError for what cannot be assigned."""
        check_parties(asked.reference, asked.candidate)
        self._asked = asked
        self._sources = sources
        self._report = report

    def run(self) -> None:
        """Assigns; the report gets a row for each weight, and what could not be placed."""
        asked, options = self._asked.options or Options(), Options()
        layers = self._sources.load(deterministic=asked.deterministic, threads=asked.threads)
        preparation = Preparation(self._sources, layers, self._asked.layer_map, self._report)
        preparation.find_out_rules()
        preparation.compare_tables(options, copy=True)
        aligned = preparation.aligned
        self._report.note(*untried(aligned.weight_plan))
        weights = WeightFlow(self._sources.sides, aligned.weight_plan, aligned.models, options)
        preparation.place_weights(weights, copy=True)
        if self._asked.save:
            with self._sources.during(Phase.WEIGHTS):
                candidate = self._sources.sides[Side.CANDIDATE]
                self._report.saved = candidate.weights.save(self._asked.save)
