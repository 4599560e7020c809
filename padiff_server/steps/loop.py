"""The steps of a comparison: each is run on both sides, its captures compared, then its weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import closing
from typing import Optional

from padiff_rpc.options import Options
from padiff_rpc.results import Row, StepResult
from padiff_rpc.types import StepStart
from padiff_rpc.words import CaptureKind, DefaultLoss, Pass, Phase, Side, WeightKind
from padiff_server.coverage import fails
from padiff_server.judging.gradient_history import GradientHistory
from padiff_server.judging.store import TensorStore
from padiff_server.preparation import AlignedModels, Traces
from padiff_server.report import ReportBuilder
from padiff_server.settings import Settings
from padiff_server.sides import SIDES
from padiff_server.steps.batches import StepBatch
from padiff_server.steps.held_reference import HeldReference
from padiff_server.steps.lockstep_plan import plan_lockstep
from padiff_server.steps.one_pass import Outcome, PassRunner, StepPass
from padiff_server.steps.twins import Twins
from padiff_server.weights.optimizer_flow import OptimizerFlow
from padiff_server.weights.weight_flow import ALL_KINDS, RuleFailed, WeightFlow
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
    ) -> None:
        self._workers = workers
        self._aligned = aligned
        self._weights = weights
        self._report = report
        self._store = store
        self._settings = settings
        self._options = options
        wants_lockstep = traces is not None and (options.single_step or options.local_error)
        self._lockstep = plan_lockstep(aligned.plan, traces) if wants_lockstep and traces else None
        report.in_lockstep = self._lockstep is not None and options.single_step
        report.has_local_errors = self._lockstep is not None and options.local_error
        self._passes = PassRunner(workers, aligned, report, store, settings, options, traces, self._lockstep)
        self._history = GradientHistory()
        self._optimizers: Optional[OptimizerFlow] = None
        if settings.optimize:
            self._optimizers = OptimizerFlow(workers.links, aligned.weight_plan, aligned.models, options)

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
            kind = Pass.FREE if self._lockstep is None else Pass.LOCKSTEP
            outcome = self._run_pass(StepPass(kind=kind, history=self._history), step, batch)
        self._report.end_step(_result(step, outcome))

    def _run_twice(self, step: int, batch: StepBatch) -> Outcome:
        """Runs the reference once, and the candidate in lockstep from its state, then freely from its own."""
        candidate = self._workers.links[Side.CANDIDATE]
        twins = Twins()
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
            return judged.with_rows(self._run_pass(free, step, batch).rows)

    def _run_pass(self, this: StepPass, step: int, batch: StepBatch) -> Outcome:
        sides = SIDES if this.held is None else (Side.CANDIDATE,)
        starts = {side: self._start_of(side, step, batch, this.kind) for side in sides}
        outcome = self._passes.run(this, starts, batch)
        return outcome.with_rows(self._compare_weights(this, step))

    def _start_of(self, side: Side, step: int, batch: StepBatch, kind: Pass) -> StepStart:
        in_lockstep = self._lockstep if side is Side.CANDIDATE and kind is Pass.LOCKSTEP else None
        return StepStart(
            pass_kind=Pass.FREE if in_lockstep is None else Pass.LOCKSTEP,
            overrides=() if in_lockstep is None else in_lockstep.places,
            override_gradients=in_lockstep is not None and self._overrides_gradients,
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

    @property
    def _overrides_gradients(self) -> bool:
        return self._settings.backward and self._options.backward_overrides

    def _compare_weights(self, this: StepPass, step: int) -> tuple[Row, ...]:
        """Compares all weights after an optimizer's step, and buffers after every other.

        A forward pass may write buffers in eval mode as well (caches, users' own counters).
        """
        optimized = self._compare_optimizers(this, step)
        with self._workers.during(Phase.WEIGHTS, step):
            try:
                return optimized + self._report.add_rows(self._weight_rows(this, step))
            except RuleFailed as raised:
                self._workers.stop_on_failures({Side.CANDIDATE: raised.failure}, step)
                raise ComparisonStopped from raised

    def _compare_optimizers(self, this: StepPass, step: int) -> tuple[Row, ...]:
        """Compares learning rates and state after an optimizer's step; where there was none, nothing."""
        if self._optimizers is None or not self._settings.optimizes(step):
            return ()
        with self._workers.during(Phase.OPTIMIZER, step):
            rows = self._optimizers.rows(step, this.history)
            found = self._report.add_rows(self._of_pass(this, row) for row in rows)
        self._report.note(*self._optimizers.notes())
        return found

    def _weight_rows(self, this: StepPass, step: int) -> Iterator[Row]:
        kinds = ALL_KINDS if self._settings.optimizes(step) else frozenset({WeightKind.BUFFER})
        for row in self._weights.rows(Phase.WEIGHTS, step=step, kinds=kinds, history=this.history):
            yield self._of_pass(this, row)

    @staticmethod
    def _of_pass(this: StepPass, row: Row) -> Row:
        row = dataclasses.replace(row, pass_kind=this.kind)
        return row if this.twins is None else this.twins.settled(this.twins.numbered(row))


def _result(step: int, outcome: Outcome) -> StepResult:
    # Of two passes the second one is free, and shows how far the sides have drifted.
    losses = [row.figures for row in outcome.rows if row.kind is CaptureKind.LOSS]
    loss = losses[-1] if losses else None
    return StepResult(
        step=step,
        passed=not any(fails(row) for row in outcome.rows)
        and not any(lone.counts for lone in outcome.unmatched),
        # The mean of one element is the element.
        loss_reference=loss.mean_reference if loss is not None else math.nan,
        loss_candidate=loss.mean_candidate if loss is not None else math.nan,
    )
