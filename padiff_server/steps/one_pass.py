"""One pass of a step: it is run, its captures are compared, its rows and its end are reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Optional

from padiff_rpc.errors import CancelledError, InvalidRequestError, WorkerLostError
from padiff_rpc.records import record
from padiff_rpc.v1.records import (
    Omitted,
    Options,
    Row,
    StepStart,
    StepSummary,
    Timing,
    Trouble,
    Unmatched,
)
from padiff_rpc.v1.words import Omission, Pass, Side
from padiff_server.capture.trace import Traces
from padiff_server.judging.gradient_history import GradientHistory
from padiff_server.judging.store import TensorStore
from padiff_server.judging.tolerances import Tolerances
from padiff_server.preparation import AlignedModels
from padiff_server.report import ReportBuilder
from padiff_server.settings import Settings
from padiff_server.sides import SIDES, other
from padiff_server.steps.batches import StepBatch
from padiff_server.steps.captures import StepCaptures
from padiff_server.steps.charging import Charging
from padiff_server.steps.expectations import Expectations
from padiff_server.steps.held_reference import HeldReference
from padiff_server.steps.lockstep_plan import LockstepPlan
from padiff_server.steps.override_feed import WINDOW_BYTES, OverrideFeed
from padiff_server.steps.random_decisions import RandomDecisions
from padiff_server.steps.random_effects import RandomEffects
from padiff_server.steps.step_rows import StepRows
from padiff_server.steps.step_run import SideEnd, StepRun
from padiff_server.steps.twins import Twins
from padiff_server.worker_pair import ComparisonStopped, WorkerPair

Ends = Mapping[Side, SideEnd]
_NAMES = {Pass.FREE: "on the candidate's own values", Pass.LOCKSTEP: "in lockstep"}


@record
class StepPass:
    """What one pass of a step is.

    Attributes:
        kind: in lockstep the candidate gets the reference's values.
        history: learns of this pass's gradients.
        twins: knows the rows of the step's other pass; None where there is none.
        hold: gets what the reference shows.
        held: stands for the reference, which does not run; None where it does.
    """

    kind: Pass
    history: GradientHistory
    twins: Optional[Twins] = None
    hold: Optional[HeldReference] = None
    held: Optional[HeldReference] = None


@record
class Outcome:
    """What a pass, or a step, has come to so far."""

    rows: tuple[Row, ...]
    unmatched: tuple[Unmatched, ...] = ()

    def with_rows(self, rows: tuple[Row, ...]) -> Outcome:
        return Outcome(rows=(*self.rows, *rows), unmatched=self.unmatched)


class PassRunner:
    """Runs one pass after the other. Without traces the first is kept whole, and serves as one.

    Attributes:
        forward_only: a framework has no backward for its side, so that gradients are not judged.
    """

    def __init__(
        self,
        workers: WorkerPair,
        aligned: AlignedModels,
        report: ReportBuilder,
        store: TensorStore,
        settings: Settings,
        options: Options,
        traces: Optional[Traces],
        decisions: RandomDecisions,
    ) -> None:
        self._workers = workers
        self._aligned = aligned
        self._report = report
        self._store = store
        self._settings = settings
        self._options = options
        self._expectations = Expectations(aligned.joined) if traces is not None else None
        self._decisions = decisions
        self.forward_only = False

    def run(
        self,
        this: StepPass,
        starts: Mapping[Side, StepStart],
        batch: StepBatch,
        overrides: Optional[LockstepPlan],
    ) -> Outcome:
        """Runs and compares one pass of the sides that have a start, and reports it.

        `overrides`: which tensors of the reference the candidate gets; those of its start.
        Raises ComparisonStopped when a model raised or a worker was lost, after what was compared is
        reported; CancelledError when the connections were closed under us; InvalidRequestError where a
        backward was asked for by name and a framework has none.
        """
        step = starts[Side.CANDIDATE].step
        feed = self._feed(this, overrides)
        run = StepRun(
            self._workers.links,
            starts,
            batch,
            self._store,
            Tolerances(self._options, in_lockstep=this.kind is Pass.LOCKSTEP),
            on_phase=lambda phase: self._report.progress(phase, step, self._name_of(this)),
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
            this.hold,
            this.history.offsets,
        )
        with closing(captures):
            if this.held is not None:
                this.held.show(captures)
                if feed is not None:
                    feed.reference_ended()
            ends = run.run(captures)
            if not is_traced:
                self._align_on(captures, ends)
                run.measure_waiting()
            self._settle_backward(ends)
            outcome = self._compared(this, step, captures, ends)
        if feed is not None:
            self._report.note(*feed.notes())
        self._report_ends(this, step, ends)
        return outcome

    def _settle_backward(self, ends: Ends) -> None:
        """Finds out whether a framework has no backward for its side, and whether any side made one."""
        if not all(end.is_complete for end in ends.values()):
            return  # what broke off says more
        summaries = [end.summary for end in ends.values() if end.summary is not None]
        if self._settings.backward and summaries and not any(one.has_gradients for one in summaries):
            self._report.omit(Omitted(what="gradient", omission=Omission.NO_BACKWARD))
        for side, end in ends.items():
            if end.summary is not None and end.summary.lacks_backward:
                self.forward_only = True
                self._report.omit(Omitted(what="gradient", omission=Omission.NO_BACKWARD))
                if self._options.diff_phase is not None:
                    raise InvalidRequestError(
                        f"{self._options.diff_phase} is not possible: on the {side} "
                        f"{end.summary.no_gradient_reason}, and diff_phase: forward goes without",
                        field="diff_phase",
                    )

    @staticmethod
    def _name_of(this: StepPass) -> str:
        return "" if this.twins is None else _NAMES[this.kind]

    def _feed(self, this: StepPass, overrides: Optional[LockstepPlan]) -> Optional[OverrideFeed]:
        if overrides is None:
            return None
        return OverrideFeed(
            overrides,
            gradients=self._settings.backward,
            window_bytes=min(WINDOW_BYTES, self._store.limit_bytes),
            name="lockstep" if this.kind is Pass.LOCKSTEP else "behind random decisions",
        )

    def _align_on(self, captures: StepCaptures, ends: Ends) -> None:
        """Lets the calls of the first step serve as the traces, for its own pairs and the next steps."""
        before = self._aligned.plan.layers
        traces = captures.traces
        cut = frozenset(side for side in SIDES if not ends[side].is_complete and not traces[side].is_whole)
        plan = self._aligned.align(traces, cut)
        if plan.layers != before:
            self._report.note(
                "trace: weights were placed by definition order, and the first step's calls pair some layers "
                "differently; trace='before' places them by calls"
            )
        captures.pair_calls(plan)
        self._expectations = Expectations(captures.joined)

    def _compared(self, this: StepPass, step: int, captures: StepCaptures, ends: Ends) -> Outcome:
        models = self._aligned.models
        chance = self._chance(captures, ends)
        if chance is not None:
            this.history.random.update(chance.of_weights(self._aligned.weight_plan.pairs))
        made = StepRows(
            step,
            captures,
            models,
            self._options,
            this.history,
            is_complete=all(end.is_complete for end in ends.values()),
            pass_kind=this.kind,
            charging=Charging(captures.joined, models) if this.kind is Pass.LOCKSTEP else None,
            chance=chance,
            twins=this.twins,
            with_gradients=not self.forward_only,
        )
        rows = self._report.add_rows(made.all_rows())
        unmatched = tuple(made.unmatched_calls())
        self._report.add_unmatched(unmatched)
        return Outcome(rows=rows, unmatched=unmatched)

    def _chance(self, captures: StepCaptures, ends: Ends) -> Optional[RandomEffects]:
        summaries = {side: end.summary for side, end in ends.items() if end.summary is not None}
        return self._decisions.effects(captures.joined, summaries)

    def _report_ends(self, this: StepPass, step: int, ends: Ends) -> None:
        """Reports how the pass went on each side. Raises ComparisonStopped unless it went well."""
        for side, end in ends.items():
            if isinstance(end.error, CancelledError):
                raise end.error
            if end.summary is not None:
                for spent in end.summary.seconds:
                    self._report.add_timing(
                        Timing(side=side, step=step, phase=spent.phase, seconds=spent.seconds)
                    )
                if self._settings.backward and end.is_complete:
                    self._report.note(*_without_backward(side, end.summary))
        broken = {side: end.error for side, end in ends.items() if end.error is not None}
        for side, error in broken.items():
            phase = ends[side].phase
            self._report.add_trouble(Trouble(side=side, phase=phase, step=step, text=str(error)))
            if isinstance(error, WorkerLostError) and other(side) not in broken:
                self._workers.note_if_lost(other(side), ends.get(other(side), ends[side]).phase, step)
        failures = {side: end.failure for side, end in ends.items()}
        if this.twins is not None and (broken or any(failures.values())):
            self._report.note(f"step {step} broke off in its pass {_NAMES[this.kind]}")
        self._workers.stop_on_failures(failures, step)
        if broken:
            raise ComparisonStopped


def _without_backward(side: Side, summary: StepSummary) -> Iterator[str]:
    """Yields what is not compared where a side made no backward."""
    if summary.lacks_backward:
        yield f"forward and loss alone were compared: on the {side} {summary.no_gradient_reason}"
    elif not summary.has_gradients:
        reason = summary.no_gradient_reason or "nothing requires a gradient"
        yield f"the {side} was compared forward only: {reason}"
    elif summary.no_gradient_reason:
        yield f"the {side}'s gradients were compared at the parameters only: {summary.no_gradient_reason}"
