"""The steps of a comparison: each is run on both sides, its captures compared, then its weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from typing import Optional, Protocol

from padiff_compare.aligned import AlignedModels
from padiff_compare.capture.batches import StepBatch
from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.trace import Traces
from padiff_compare.join.calls import JoinedCalls
from padiff_compare.join.foreseen import Expectations, own_inputs, with_own_gradients
from padiff_compare.lockstep.lockstep_plan import plan_overrides, with_parameters
from padiff_compare.noise.terms import norm_inputs
from padiff_compare.randomness.random_decisions import RandomDecisions
from padiff_compare.run import Run
from padiff_compare.source_pair import SourcePair
from padiff_compare.steps.gold import Gold, can_have_gold
from padiff_compare.steps.held_reference import HeldReference
from padiff_compare.steps.one_pass import PassRunner
from padiff_compare.steps.step_pass import (
    Foreseen,
    Outcome,
    Sketches,
    StepPass,
    Twins,
    parted_weights,
    step_result,
)
from padiff_compare.steps.step_run import PassStart
from padiff_compare.weights.step_history import StepHistory
from padiff_compare.weights.weight_pair import WeightSize
from padiff_rpc.v1.records import Note, Reason, Row, StepStart, WeightNoise
from padiff_rpc.v1.words import Cause, DiffPhase, NoteKind, Pass, Phase, Side


class States(Protocol):
    """What the passes of a step leave behind on both sides.

    Attributes:
        can_undo_steps: whether what the optimizers keep can be put back; known once settings are told.
    """

    can_undo_steps: bool

    @property
    def sizes(self) -> Mapping[str, WeightSize]:
        """Sizes of the reference's weights, as they were last compared, by the candidate's full names."""

    def tell_settings(self) -> None:
        """Reports in which settings the optimizers differ."""

    def copy(self) -> None:
        """Gives the candidate the reference's weights, and its optimizer's state."""

    def explain(self, parted: Sequence[WeightNoise]) -> bool:
        """Whether two formulas of one optimizer alone may have driven a free run's weights this far apart."""

    def compare(self, this: StepPass, traces: Traces, *, optimized: bool) -> tuple[Row, ...]:
        """Compares and reports what a pass with these traces left; returns the rows.

        `optimized`: its optimizer stepped.
        """


class Steps:
    """Runs one step after the other: in one pass, or for local errors in two.

    A step that no trace foresees is one free pass, and the trace of those behind it.

    Attributes:
        sketches: judges steps that are foreseen by sketches; None: whole tensors travel.
    """

    def __init__(
        self,
        run: Run,
        sources: SourcePair,
        aligned: AlignedModels,
        states: States,
        decisions: RandomDecisions,
    ) -> None:
        self._run = run
        self._sources = sources
        self._aligned = aligned
        self._states = states
        self._report = run.report
        self._decisions = decisions
        self._foreseen: Optional[Foreseen] = None
        self._gold: Optional[Gold] = None
        self._passes = PassRunner(run, sources, aligned, decisions)
        self._history = StepHistory()
        self._was_in_lockstep = False
        self.sketches: Optional[Sketches] = None
        # How far apart the free run's weights have been, and how far each is now.
        self._drift = 0.0
        self._parted: tuple[WeightNoise, ...] = ()

    @property
    def forward_only(self) -> bool:
        """Whether a framework turned out to have no backward for its side, so that no further step can be."""
        return self._passes.forward_only

    @property
    def departed(self) -> Collection[Side]:
        """The sides that have made other calls in a pass than were foreseen."""
        return self._passes.departed

    def run(self, step: int, batch: StepBatch) -> None:
        """Runs and compares one step, and reports it.

        Raises ComparisonStopped when a model raised or a worker was lost, after what was compared is
        reported; CancelledError when the connections were closed under us.
        """
        if step == 0:
            self._states.tell_settings()
        if self._foreseen is None:
            self._foresee()
        kinds = self._run.settings.passes
        if Pass.LOCKSTEP in kinds and self._cannot_undo_its_step:
            kinds = (Pass.FREE,)
            why = Reason(cause=Cause.OWN_TRAIN_STEP)
            self._report.note(Note(kind=NoteKind.JUDGED_FREELY, reasons=(why,)))
            self._cannot_show(why)
        elif Pass.LOCKSTEP in kinds and (self._foreseen is None or self._adds_to_free_gradients(step)):
            kinds = (Pass.FREE,)
            self._report.note(Note(kind=NoteKind.FIRST_STEP_FREE))
        self._was_in_lockstep = Pass.LOCKSTEP in kinds
        outcome = self._run_twice(step, batch) if len(kinds) > 1 else self._run_once(step, kinds[0], batch)
        result = step_result(step, outcome)
        self._drift = max(self._drift, result.weights_relative_l2)
        self._report.end_step(result)

    def _adds_to_free_gradients(self, step: int) -> bool:
        """Whether a step adds to gradients of a free run, in which nobody handed the reference's over."""
        return self._run.settings.adds_gradients(step) and not self._was_in_lockstep

    @property
    def _cannot_undo_its_step(self) -> bool:
        """Whether a train step of the user's own steps with what nothing can look into."""
        has_own_step = bool(self._sources.sides[Side.REFERENCE].model.train_step)
        return has_own_step and not self._states.can_undo_steps

    def _foresee(self) -> None:
        """Plans the passes to come by the calls that the layers were last aligned on, if there are any."""
        aligned, foreseen = self._aligned, self._aligned.foreseen
        if aligned.is_traced:
            self._decisions.plan(aligned.joined, aligned.operations, is_cut=foreseen is None)
        if foreseen is None:
            return
        if self._run.settings.backward:
            foreseen = with_own_gradients(foreseen)
        overrides = {
            kind: plan_overrides(foreseen, self._decisions.keeps, in_lockstep=kind is Pass.LOCKSTEP)
            for kind in self._run.settings.passes
            if not self._run.settings.of_scripts
        }
        judged = overrides.get(Pass.LOCKSTEP)
        if judged is not None and self._run.settings.optimize:
            overrides[Pass.LOCKSTEP] = with_parameters(judged, self._aligned.weight_plan.trained)
        self._foreseen = Foreseen(
            joined=foreseen,
            expectations=Expectations(foreseen),
            overrides=overrides,
            norms=norm_inputs(foreseen, self._aligned.models),
        )
        source = self._sources.sides[Side.REFERENCE]
        if Pass.LOCKSTEP in self._run.settings.passes and not source.worker.has_float64_steps:
            self._cannot_show(Reason(cause=Cause.WORKER_HAS_NO_FLOAT64, side=Side.REFERENCE))
        self._gold = self._gold_of(foreseen) if self._has_gold else None

    @property
    def _has_gold(self) -> bool:
        """Whether the reference may run once more.

        An optimizer that nothing can look into would step once more, and nobody could put it back.
        """
        source = self._sources.sides[Side.REFERENCE]
        return can_have_gold(self._run.options, source) and not self._cannot_undo_its_step

    @property
    def _knows_rounding(self) -> bool:
        """Whether the reference's own errors can be had: it runs once more, or they were recorded."""
        return self._has_gold or self._run.recorded_errors is not None

    def _gold_of(self, joined: JoinedCalls) -> Gold:
        """Returns what runs the reference once more, by these calls where none were foreseen."""
        if self._gold is not None:
            return self._gold
        run, source = self._run, self._sources.sides[Side.REFERENCE]
        return Gold(run, source, joined, self._aligned.weight_plan, backward=run.settings.backward)

    def _cannot_show(self, why: Reason) -> None:
        """Notes why no side is held against gold, where that was asked for."""
        if self._run.options.oracle:
            self._report.note(Note(kind=NoteKind.NO_ORACLE, reasons=(why,)))

    def _optimizes(self, this: StepPass) -> bool:
        """Whether both optimizers stepped at the end of this pass."""
        return self._run.settings.optimizes(this.step) and not self.forward_only and not this.leaves_optimizer

    def _run_once(self, step: int, kind: Pass, batch: StepBatch) -> Outcome:
        this = dataclasses.replace(self._pass(step, kind), parted=self._parted)
        if self.sketches is not None and this.foreseen is not None:
            self.sketches.remember(step)
            this = dataclasses.replace(this, sketches=self.sketches)
        if kind is Pass.FREE:
            self._remember(step)
        else:
            self._enter_lockstep(step)
        with closing(self._held()) as held:
            this = dataclasses.replace(this, hold=held if self._knows_rounding else None)
            outcome = self._run_pass(this, batch)
        self._parted = parted_weights(outcome.rows, self._aligned.weight_plan.pairs)
        return outcome

    def _run_twice(self, step: int, batch: StepBatch) -> Outcome:
        """Runs the reference once, and the candidate in lockstep from its state, then freely from its own."""
        settings = self._run.settings
        twins, can_undo = Twins(self._drift), self._states.can_undo_steps
        if settings.optimizes(step) and not can_undo:
            self._report.note(Note(kind=NoteKind.OPTIMIZER_STEPS_FREELY))
        with closing(self._held()) as held:
            with self._sources.during(Phase.INITIAL_WEIGHTS, step):
                self._sources.keep_state(
                    Side.CANDIDATE,
                    optimizer=settings.optimize and can_undo,
                    steps=settings.optimizes(step),
                )
            self._enter_lockstep(step)
            local = self._pass(step, Pass.LOCKSTEP)
            local = dataclasses.replace(local, twins=twins, hold=held, leaves_optimizer=not can_undo)
            judged = self._run_pass(local, batch)
            with self._sources.during(Phase.INITIAL_WEIGHTS, step):
                if not self._sources.restore_state(Side.CANDIDATE, step):
                    # The pass that is judged stands; from another state a free one would show other things.
                    return judged
            with closing(held.taken()) as shown:
                hold = held if self._knows_rounding else None
                by_convention = self._states.explain(self._parted)
                if by_convention:
                    self._report.note(Note(kind=NoteKind.PARTED_BY_CONVENTION))
                free = dataclasses.replace(
                    self._pass(step, Pass.FREE),
                    twins=twins,
                    hold=hold,
                    held=shown,
                    parted=self._parted,
                    by_convention=by_convention,
                )
                again = self._run_pass(free, batch)
            self._parted = parted_weights(again.rows, self._aligned.weight_plan.pairs)
            self._report.note(*twins.notes)
            return judged.with_rows(again.rows)

    def _held(self) -> HeldReference:
        gold_of = self._gold_of if self._has_gold else None
        return HeldReference(self._run, gold_of)

    def _enter_lockstep(self, step: int) -> None:
        """Gives the candidate the reference's state, which a pass in lockstep, and gold, begin with."""
        options = self._run.options
        self._report.in_lockstep = Pass.FREE not in self._run.settings.passes
        self._report.has_local_errors = not self._report.in_lockstep
        if options.diff_phase is DiffPhase.BACKWARD:
            self._report.note(Note(kind=NoteKind.FORWARD_NOT_COUNTED))
        self._remember(step)
        if step:
            with self._sources.during(Phase.INITIAL_WEIGHTS, step):
                self._states.copy()

    def _remember(self, step: int) -> None:
        """Has the reference's worker remember the state in which a step begins, for runs of it once more."""
        if self._has_gold:
            with self._sources.during(Phase.INITIAL_WEIGHTS, step):
                self._sources.keep_state(Side.REFERENCE, steps=self._run.settings.optimizes(step))

    def _pass(self, step: int, kind: Pass) -> StepPass:
        # In lockstep each step is judged alone: earlier gradients explain nothing.
        history = StepHistory() if kind is Pass.LOCKSTEP else self._history
        return StepPass(
            step=step, kind=kind, history=history, foreseen=self._foreseen, sizes=dict(self._states.sizes)
        )

    def _run_pass(self, this: StepPass, batch: StepBatch) -> Outcome:
        starts: Mapping[Side, StepStart] = {side: self._start_of(side, this, batch) for side in SIDES}
        if this.sketches is not None and this.foreseen is not None:
            starts = this.sketches.asked(starts, this.foreseen.joined)
        outcome = self._passes.run(this, PassStart(starts=starts, batch=batch, probe=self._run.probe))
        left = self._states.compare(this, outcome.traces, optimized=self._optimizes(this))
        return outcome.with_rows(left)

    def _start_of(self, side: Side, this: StepPass, batch: StepBatch) -> StepStart:
        overrides, foreseen = this.overrides if side is Side.CANDIDATE else None, this.foreseen
        start = self._run.step_start(this.step, batch.batches[side], from_loader=batch.from_loader)
        start = dataclasses.replace(
            start,
            pass_kind=this.kind if side is Side.CANDIDATE else Pass.FREE,
            overrides=overrides.places if overrides is not None else (),
            override_gradients=overrides is not None and start.backward,
            optimize=start.optimize and not (side is Side.CANDIDATE and this.leaves_optimizer),
            alone=side is Side.CANDIDATE and self._may_take_all_threads(this),
            loss_slots=self._aligned.loss_slots[side],
            skip_paths=self._aligned.plan.skip_paths(side),
            own_gradients=own_inputs(foreseen.joined.traces[side]) if foreseen is not None else (),
        )
        return self._decisions.told(start, side)

    def _may_take_all_threads(self, this: StepPass) -> bool:
        """Whether the candidate may use the threads of the reference, which rests while its pass is shown.

        Two builds of one framework may agree to the last bit, but with as many threads alone.
        """
        frameworks = {source.worker.framework for source in self._sources.sides.values()}
        return this.held is not None and len(frameworks) > 1 and not self._run.options.threads
