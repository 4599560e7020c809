"""The steps of a comparison: each is run on both sides, its captures compared, then its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from typing import Optional

from padiff_rpc.errors import CancelledError, WorkerLostError
from padiff_rpc.options import Options
from padiff_rpc.results import Row, StepResult, Timing, Trouble, Unmatched
from padiff_rpc.types import StepStart
from padiff_rpc.words import CaptureKind, DefaultLoss, Pass, Phase, Side, WeightKind
from padiff_server.coverage import fails
from padiff_server.judging.gradient_history import GradientHistory
from padiff_server.judging.store import TensorStore
from padiff_server.judging.tolerances import Tolerances
from padiff_server.preparation import AlignedModels, Traces
from padiff_server.report import ReportBuilder
from padiff_server.settings import Settings
from padiff_server.sides import SIDES, other
from padiff_server.steps.batches import StepBatch
from padiff_server.steps.calls import Expectations
from padiff_server.steps.captures import StepCaptures
from padiff_server.steps.charging import Charging
from padiff_server.steps.lockstep_plan import plan_lockstep
from padiff_server.steps.override_feed import WINDOW_BYTES, OverrideFeed
from padiff_server.steps.step_rows import StepRows
from padiff_server.steps.step_run import SideEnd, StepRun
from padiff_server.steps.surroundings import Surroundings
from padiff_server.weights.weight_flow import ALL_KINDS, RuleFailed, WeightFlow
from padiff_server.worker_pair import ComparisonStopped, WorkerPair

Ends = Mapping[Side, SideEnd]


class Steps:
    """Runs one step after the other. Without traces the first step is kept whole, and serves as one."""

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
        self._tolerances = Tolerances(options)
        self._expectations = Expectations(aligned.plan, traces) if traces is not None else None
        in_lockstep = traces is not None and options.single_step
        self._lockstep = plan_lockstep(aligned.plan, traces) if in_lockstep and traces else None
        report.in_lockstep = self._lockstep is not None
        self._history = GradientHistory()

    def run(self, step: int, batch: StepBatch) -> None:
        """Runs and compares one step, and reports it.

        Raises ComparisonStopped when a model raised or a worker was lost, after what was compared is
        reported; CancelledError when the connections were closed under us.
        """
        starts = {side: self._start_of(side, step, batch) for side in SIDES}
        feed = self._feed()
        run = StepRun(
            self._workers.links,
            starts,
            batch,
            self._store,
            self._tolerances,
            on_phase=lambda phase: self._report.progress(phase, step),
            feed=feed,
        )
        is_traced = self._expectations is not None
        captures = StepCaptures(
            self._aligned.plan if is_traced else None,
            self._aligned.weight_plan,
            self._expectations,
            self._store,
            run.ready,
            feed,
        )
        with closing(captures):
            ends = run.run(captures)
            if not is_traced:
                self._align_on(captures)
                run.measure_waiting()
            rows, unmatched = self._report_captures(step, captures, ends)
        if feed is not None:
            self._report.note(*feed.notes())
        self._report_ends(step, ends)
        rows += self._compare_weights(step)
        self._report.end_step(_result(step, rows, unmatched))

    def _feed(self) -> Optional[OverrideFeed]:
        if self._lockstep is None:
            return None
        return OverrideFeed(
            self._lockstep,
            gradients=self._overrides_gradients,
            window_bytes=min(WINDOW_BYTES, self._store.limit_bytes),
        )

    @property
    def _overrides_gradients(self) -> bool:
        return self._settings.backward and self._options.backward_overrides

    def _start_of(self, side: Side, step: int, batch: StepBatch) -> StepStart:
        in_lockstep = self._lockstep if side is Side.CANDIDATE else None
        return StepStart(
            pass_kind=Pass.FREE if in_lockstep is None else Pass.LOCKSTEP,
            overrides=() if in_lockstep is None else in_lockstep.places,
            override_gradients=in_lockstep is not None and self._overrides_gradients,
            lease="",
            step=step,
            batch=batch.batches[side],
            backward=self._settings.backward,
            optimize=self._settings.optimize,
            mean_loss=self._options.loss is DefaultLoss.MEAN,
            loss_slots=self._aligned.loss_slots[side],
            skip_paths=self._aligned.plan.skip_paths(side),
        )

    def _align_on(self, captures: StepCaptures) -> None:
        """Lets the calls of the first step serve as the traces, for its own pairs and the next steps."""
        before = self._aligned.plan.layers
        traces = {side: tuple(captures.events[side]) for side in SIDES}
        plan = self._aligned.align(traces)
        if plan.layers != before:
            self._report.note(
                "trace: weights were placed by definition order, and the first step's calls pair some layers "
                "differently; trace='before' places them by calls"
            )
        captures.pair_calls(plan)
        self._expectations = Expectations(plan, traces)

    def _report_captures(
        self, step: int, captures: StepCaptures, ends: Ends
    ) -> tuple[tuple[Row, ...], tuple[Unmatched, ...]]:
        made = StepRows(
            step,
            captures,
            self._aligned.models,
            self._options,
            self._history,
            is_complete=all(end.is_complete for end in ends.values()),
            charging=self._charging(captures),
        )
        rows = self._report.add_rows(made.all_rows())
        unmatched = tuple(made.unmatched_calls())
        self._report.add_unmatched(unmatched)
        return rows, unmatched

    def _charging(self, captures: StepCaptures) -> Optional[Charging]:
        if self._lockstep is None or captures.calls is None:
            return None
        around = {side: Surroundings(captures.events[side]) for side in SIDES}
        return Charging(captures.calls.pairs, around, self._aligned.models, self._aligned.plan)

    def _report_ends(self, step: int, ends: Ends) -> None:
        """Reports how the step went on each side. Raises ComparisonStopped unless it went well."""
        for side, end in ends.items():
            if isinstance(end.error, CancelledError):
                raise end.error
            if end.summary is not None:
                for spent in end.summary.seconds:
                    self._report.add_timing(
                        Timing(side=side, step=step, phase=spent.phase, seconds=spent.seconds)
                    )
                if self._settings.backward and end.is_complete and not end.summary.has_gradients:
                    reason = end.summary.no_gradient_reason or "nothing requires a gradient"
                    self._report.note(f"the {side} was compared forward only: {reason}")
        broken = {side: end.error for side, end in ends.items() if end.error is not None}
        for side, error in broken.items():
            self._report.add_trouble(Trouble(side=side, phase=ends[side].phase, step=step, text=str(error)))
        for side in broken:
            if isinstance(broken[side], WorkerLostError) and other(side) not in broken:
                self._workers.note_if_lost(other(side), ends[other(side)].phase, step)
        self._workers.stop_on_failures({side: end.failure for side, end in ends.items()}, step)
        if broken:
            raise ComparisonStopped

    def _compare_weights(self, step: int) -> tuple[Row, ...]:
        """Compares all weights after an optimizer's step, and buffers after every other.

        A forward pass may write buffers in eval mode as well (caches, users' own counters).
        """
        kinds = ALL_KINDS if self._settings.optimize else frozenset({WeightKind.BUFFER})
        with self._workers.during(Phase.WEIGHTS, step):
            try:
                return self._report.add_rows(
                    self._weights.rows(Phase.WEIGHTS, step=step, kinds=kinds, history=self._history)
                )
            except RuleFailed as raised:
                self._workers.stop_on_failures({Side.CANDIDATE: raised.failure}, step)
                raise ComparisonStopped from raised


def _result(step: int, rows: tuple[Row, ...], unmatched: tuple[Unmatched, ...]) -> StepResult:
    loss = next((row.figures for row in rows if row.kind is CaptureKind.LOSS), None)
    return StepResult(
        step=step,
        passed=not any(fails(row) for row in rows) and not any(lone.counts for lone in unmatched),
        # The mean of one element is the element.
        loss_reference=loss.mean_reference if loss is not None else math.nan,
        loss_candidate=loss.mean_candidate if loss is not None else math.nan,
    )
