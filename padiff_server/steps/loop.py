"""The steps of a comparison: each is run on both sides, its captures compared, then its weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain
from typing import Optional

from padiff_rpc.v1.records import Options, Row, StepStart
from padiff_rpc.v1.words import DefaultLoss, Pass, Phase, Side, WeightKind
from padiff_server.capture.trace import Traces
from padiff_server.judging.gradient_history import GradientHistory
from padiff_server.judging.store import TensorStore
from padiff_server.preparation import AlignedModels
from padiff_server.report import ReportBuilder
from padiff_server.rows import numbered
from padiff_server.settings import Settings
from padiff_server.sides import SIDES
from padiff_server.steps.batches import StepBatch
from padiff_server.steps.held_reference import HeldReference
from padiff_server.steps.lockstep_plan import LockstepPlan, plan_overrides
from padiff_server.steps.one_pass import Outcome, PassRunner, StepPass
from padiff_server.steps.random_decisions import RandomDecisions
from padiff_server.steps.step_result import step_result
from padiff_server.steps.twins import Twins
from padiff_server.weights.optimizer_flow import OptimizerFlow
from padiff_server.weights.special_calls import RuleFailed
from padiff_server.weights.weight_flow import ALL_KINDS, WeightFlow
from padiff_server.worker_pair import ComparisonStopped, WorkerPair


class Steps:
    """Runs one step after the other: in one pass, or for local errors in two."""

    def __init__(
        self,
        workers: WorkerPair,
        aligned: AlignedModels,
        weights: WeightFlow,
        report: ReportBuilder,
        store: TensorStore,
        settings: Settings,
        options: Options,
        traces: Optional[Traces],
        decisions: RandomDecisions,
    ) -> None:
        self._workers = workers
        self._aligned = aligned
        self._weights = weights
        self._report = report
        self._store = store
        self._settings = settings
        self._options = options
        self._decisions = decisions
        report.in_lockstep = traces is not None and options.single_step
        report.has_local_errors = traces is not None and options.local_error
        kinds = tuple(Pass) if report.has_local_errors else (self._only_kind,)
        self._overrides: dict[Pass, Optional[LockstepPlan]] = {
            kind: plan_overrides(
                aligned.joined,
                decisions.keeps,
                in_lockstep=kind is Pass.LOCKSTEP,
                gradients=options.backward_overrides,
            )
            for kind in kinds
            if traces is not None
        }
        self._passes = PassRunner(workers, aligned, report, store, settings, options, traces, decisions)
        self._history = GradientHistory()
        # How far apart the free run's weights have been, with local errors.
        self._drift = 0.0
        self._optimizers: Optional[OptimizerFlow] = None
        if settings.optimize:
            self._optimizers = OptimizerFlow(workers.links, aligned.weight_plan, aligned.models, options)

    @property
    def forward_only(self) -> bool:
        """Whether a framework turned out to have no backward for its side, so that no further step can be."""
        return self._passes.forward_only

    def run(self, step: int, batch: StepBatch) -> None:
        """Runs and compares one step, and reports it.

        Raises ComparisonStopped when a model raised or a worker was lost, after what was compared is
        reported; CancelledError when the connections were closed under us.
        """
        if self._optimizers is not None and step == 0:
            with self._workers.during(Phase.OPTIMIZER, step):
                self._report.set_optimizer(self._optimizers.differences())
        if self._report.has_local_errors:
            outcome = self._run_twice(step, batch)
        else:
            outcome = self._run_pass(StepPass(kind=self._only_kind, history=self._history), step, batch)
        self._report.end_step(step_result(step, outcome))

    @property
    def _only_kind(self) -> Pass:
        return Pass.LOCKSTEP if self._report.in_lockstep else Pass.FREE

    def _optimizes(self, step: int) -> bool:
        """Whether both optimizers stepped at the end of this step."""
        return self._settings.optimizes(step) and not self.forward_only

    def _run_twice(self, step: int, batch: StepBatch) -> Outcome:
        """Runs the reference once, and the candidate in lockstep from its state, then freely from its own."""
        candidate = self._workers.links[Side.CANDIDATE]
        twins = Twins(self._drift)
        with closing(HeldReference(self._store)) as held:
            with self._workers.during(Phase.INITIAL_WEIGHTS, step):
                candidate.keep_state(optimizer=self._settings.optimize)
                if step:
                    self._aligned.copy_weights(self._weights)
                    if self._optimizers is not None:
                        self._optimizers.copy()
            # Each step is judged alone: earlier gradients explain nothing.
            local = StepPass(kind=Pass.LOCKSTEP, history=GradientHistory(), twins=twins, hold=held)
            judged = self._run_pass(local, step, batch)
            with self._workers.during(Phase.INITIAL_WEIGHTS, step):
                candidate.restore_state()
            free = StepPass(kind=Pass.FREE, history=self._history, twins=twins, held=held)
            outcome = judged.with_rows(self._run_pass(free, step, batch).rows)
            self._drift = max(self._drift, twins.drift)
            self._report.note(*twins.notes)
            return outcome

    def _run_pass(self, this: StepPass, step: int, batch: StepBatch) -> Outcome:
        sides = SIDES if this.held is None else (Side.CANDIDATE,)
        starts = {side: self._start_of(side, step, batch, this.kind) for side in sides}
        outcome = self._passes.run(this, starts, batch, self._overrides.get(this.kind))
        return outcome.with_rows(self._compare_weights(this, step))

    def _start_of(self, side: Side, step: int, batch: StepBatch, kind: Pass) -> StepStart:
        overrides = self._overrides.get(kind) if side is Side.CANDIDATE else None
        start = StepStart(
            pass_kind=kind if side is Side.CANDIDATE else Pass.FREE,
            overrides=overrides.places if overrides is not None else (),
            override_gradients=overrides is not None and self._settings.backward,
            lease="",
            step=step,
            batch=batch.batches[side],
            backward=self._settings.backward,
            batch_from_loader=batch.from_loader,
            optimize=self._settings.optimizes(step),
            loss_divisor=self._settings.accumulate,
            keep_gradients_before=self._settings.adds_gradients(step),
            keep_gradients_after=self._settings.adds_gradients(step + 1),
            loss_scale=self._options.loss_scale,
            clip_norm=self._options.clip_norm or 0.0,
            mean_loss=self._options.loss is DefaultLoss.MEAN,
            loss_slots=self._aligned.loss_slots[side],
            skip_paths=self._aligned.plan.skip_paths(side),
        )
        return self._decisions.told(start, side)

    def _compare_weights(self, this: StepPass, step: int) -> tuple[Row, ...]:
        """Compares all weights after an optimizer's step, and buffers after every other.

        A forward pass may write buffers in eval mode as well (caches, users' own counters).
        """
        optimized, settings = self._compare_optimizers(this, step)
        with self._workers.during(Phase.WEIGHTS, step):
            try:
                return optimized + self._report.add_rows(self._weight_rows(this, step, settings))
            except RuleFailed as raised:
                self._workers.stop_on_failures({Side.CANDIDATE: raised.failure}, step)
                raise ComparisonStopped from raised

    def _compare_optimizers(self, this: StepPass, step: int) -> tuple[tuple[Row, ...], Iterable[Row]]:
        """Compares learning rates and state after an optimizer's step; where there was none, nothing.

        Returns the rows, and those of settings, which are to stand behind the weights'.
        """
        if self._optimizers is None or not self._optimizes(step):
            return (), ()
        with self._workers.during(Phase.OPTIMIZER, step):
            described = self._optimizers.describe()
            rows = self._optimizers.rows(step, this.history, described)
            found = self._report.add_rows(self._of_pass(this, row) for row in rows)
        self._report.note(*self._optimizers.notes())
        return found, self._optimizers.quiet_rows(step, described)

    def _weight_rows(self, this: StepPass, step: int, settings: Iterable[Row]) -> Iterator[Row]:
        kinds = ALL_KINDS if self._optimizes(step) else frozenset({WeightKind.BUFFER})
        rows = self._weights.rows(
            Phase.WEIGHTS,
            step=step,
            kinds=kinds,
            history=this.history,
            in_lockstep=this.kind is Pass.LOCKSTEP,
        )
        for row in numbered(chain(rows, settings)):
            yield self._of_pass(this, row)

    @staticmethod
    def _of_pass(this: StepPass, row: Row) -> Row:
        row = dataclasses.replace(row, pass_kind=this.kind)
        return row if this.twins is None else this.twins.settled(this.twins.numbered(row))
