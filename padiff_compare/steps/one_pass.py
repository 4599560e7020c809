"""One pass of a step: it is run, its captures are compared, its rows and its end are reported."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Optional

from padiff_compare.aligned import AlignedModels
from padiff_compare.capture.sides import SIDES, other
from padiff_compare.capture.source import StepSource
from padiff_compare.capture.trace import Trace
from padiff_compare.join.calls import Operations
from padiff_compare.join.captures import PassPlan, StepCaptures
from padiff_compare.judge.judged_row import has_ties, is_held_against_gold
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.lockstep.override_feed import WINDOW_BYTES, OverrideFeed
from padiff_compare.noise.rounding_floors import RoundingFloors
from padiff_compare.randomness.random_decisions import RandomDecisions, RandomEffects
from padiff_compare.run import Run
from padiff_compare.source_pair import ComparisonStopped, SourcePair
from padiff_compare.steps.row_maker import PassEnd
from padiff_compare.steps.step_pass import Foreseen, Outcome, StepPass, Twins
from padiff_compare.steps.step_reader import PassMeter
from padiff_compare.steps.step_rows import StepRows
from padiff_compare.steps.step_run import PassStart, SideEnd, StepRun
from padiff_compare.weights.step_history import StepHistory
from padiff_rpc.errors import CancelledError, InvalidRequestError, WorkerLostError
from padiff_rpc.v1.records import (
    Note,
    Omitted,
    Reason,
    StepNoise,
    StepSummary,
)
from padiff_rpc.v1.words import CallMoment, Cause, NoteKind, Omission, OmittedKind, Side

Ends = Mapping[Side, SideEnd]


class PassRunner:
    """Runs one pass after the other. One that no trace foresees is kept whole, and serves as the trace.

    Attributes:
        forward_only: a framework has no backward for its side, so that gradients are not judged.
        departed: the sides that have made other calls in a pass than were foreseen.
    """

    def __init__(
        self,
        run: Run,
        sources: SourcePair,
        aligned: AlignedModels,
        decisions: RandomDecisions,
    ) -> None:
        self._run = run
        self._sources = sources
        self._aligned = aligned
        self._report = run.report
        self._decisions = decisions
        self.forward_only = False
        self.departed: set[Side] = set()

    def run(self, this: StepPass, start: PassStart) -> Outcome:
        """Runs and compares one pass, and reports it.

        Raises ComparisonStopped when a model raised or a worker was lost, after what was compared is
        reported; CancelledError when the connections were closed under us; InvalidRequestError where a
        backward was asked for by name and a framework has none.
        """
        running = StepRun(
            self._steps_of(this),
            start,
            self._run.store,
            Tolerances(self._run.options, in_lockstep=this.is_lockstep),
            PassMeter(self._report, this.step, this.name),
        )
        foreseen = this.foreseen
        known = PassPlan(
            plan=self._aligned.plan if foreseen is not None else None,
            weights=self._aligned.weight_plan,
            expectations=foreseen.expectations if foreseen is not None else None,
            norms=foreseen.norms if foreseen is not None and this.judges_rounding else {},
        )
        feed = self._feed(this)
        holds = this.hold.holds(in_lockstep=this.is_lockstep) if this.hold is not None else {}
        captures = StepCaptures(known, self._run.store, running.ready, feed, holds)
        with closing(captures):
            ends = running.run(captures, feed)
            for side, summary in _summaries(ends).items():
                if side in holds:
                    holds[side].ended(summary)
            if foreseen is None:
                self._align_on(captures, ends)
                running.measure_waiting()
            else:
                self.departed.update(side for side in SIDES if _has_departed(side, start, foreseen, captures))
            self._settle_backward(ends)
            outcome = self._compared(this, start, captures, ends)
        if feed is not None:
            self._report.note(*feed.notes())
        self._report_ends(this, ends)
        return outcome

    def _may_be_carried_over(self, twins: Twins) -> bool:
        """Whether a drift of the free run has no other cause yet."""
        return twins.leaves_a_question and not self._report.has_failed

    def _steps_of(self, this: StepPass) -> Mapping[Side, StepSource]:
        return (
            self._sources.sides if this.held is None else {**self._sources.sides, Side.REFERENCE: this.held}
        )

    def _settle_backward(self, ends: Ends) -> None:
        """Finds out whether a framework has no backward for its side, and whether any side made one."""
        if not all(end.is_complete for end in ends.values()):
            return  # what broke off says more
        summaries = _summaries(ends)
        if self._run.settings.backward and not any(one.has_gradients for one in summaries.values()):
            self._report.omit(Omitted(what=OmittedKind.GRADIENT, omission=Omission.NO_BACKWARD))
        for side, summary in summaries.items():
            if summary.lacks_backward:
                self.forward_only = True
                self._report.omit(Omitted(what=OmittedKind.GRADIENT, omission=Omission.NO_BACKWARD))
                if self._run.options.diff_phase is not None:
                    lacking = _lacking(summary.no_backward)
                    raise InvalidRequestError(
                        f"{self._run.options.diff_phase} is not possible: on the {side} {lacking} has no "
                        "backward in eval mode; train: true on both sides brings it, and diff_phase: forward "
                        "goes without",
                        field="diff_phase",
                    )

    def _feed(self, this: StepPass) -> Optional[OverrideFeed]:
        if this.overrides is None:
            return None
        return OverrideFeed(
            this.overrides,
            gradients=self._run.settings.backward,
            window_bytes=min(WINDOW_BYTES, self._run.store.limit_bytes),
            pass_kind=this.kind,
        )

    def _align_on(self, captures: StepCaptures, ends: Ends) -> None:
        """Lets the calls of a pass serve as the traces, for its own pairs and the passes to come."""
        before = self._aligned.plan.layers
        traces = captures.traces
        cut = frozenset(side for side in SIDES if not ends[side].is_complete and not traces[side].is_whole)
        plan = self._aligned.align(traces, _operations(ends), cut)
        if plan.layers != before:
            self._report.note(Note(kind=NoteKind.PAIRED_OTHERWISE))
        captures.pair_calls(plan)

    def _compared(self, this: StepPass, start: PassStart, captures: StepCaptures, ends: Ends) -> Outcome:
        models, options = self._aligned.models, self._run.options
        is_complete = all(end.is_complete for end in ends.values())
        own_errors, from_gold, floors = None, None, RoundingFloors(captures, models, this.sizes)
        hold = this.hold if is_complete else None
        if hold is not None and this.is_lockstep:
            own_errors = hold.own_errors(start, captures, floors)
            from_gold = hold.from_gold
        elif hold is not None and this.twins is None:
            own_errors = hold.own_drift(start, captures, floors, this.parted)
        elif hold is not None and this.twins is not None and self._may_be_carried_over(this.twins):
            noise = StepNoise(relative=this.twins.local_error, weights=this.parted)
            this.twins.measured(not this.by_convention and hold.drifts(start, captures, noise))
        chance = self._chance(captures, ends)
        if chance is not None:
            this.history.random.update(chance.of_weights(self._aligned.weight_plan.pairs))
        end = PassEnd(
            floors=floors,
            is_complete=is_complete,
            has_gradients=not self.forward_only,
            chance=chance,
            own_errors=own_errors,
            from_gold=from_gold,
        )
        if this.sketches is not None and is_complete:
            # What is only looked at tells the steps to come nothing.
            looked_at = dataclasses.replace(this, history=StepHistory())
            looked = StepRows(looked_at, captures, models, options, end)
            this.sketches.settle(start, ends, captures, lambda: tuple(looked.all_rows()))
        made = StepRows(this, captures, models, options, end)
        rows = self._report.add_rows(made.all_rows())
        unmatched = tuple(made.unmatched_calls())
        self._report.add_unmatched(unmatched)
        if own_errors is not None and hold is not None and hold.has_run_gold:
            decided = sum(is_held_against_gold(row) for row in rows)
            self._report.note(Note(kind=NoteKind.GOLD, numbers=(float(this.step), float(decided))))
        ties = sum(map(has_ties, rows))
        if ties:
            self._report.note(Note(kind=NoteKind.TIES, numbers=(float(this.step), float(ties))))
        return Outcome(traces=captures.traces, rows=rows, unmatched=unmatched)

    def _chance(self, captures: StepCaptures, ends: Ends) -> Optional[RandomEffects]:
        is_replayed = any(summary.replays for summary in _summaries(ends).values())
        return self._decisions.effects(captures.joined, _operations(ends), is_replayed=is_replayed)

    def _report_ends(self, this: StepPass, ends: Ends) -> None:
        """Reports how the pass went on each side. Raises ComparisonStopped unless it went well."""
        for side, end in ends.items():
            if isinstance(end.error, CancelledError):
                raise end.error
            if end.summary is not None:
                self._report.add_account(side, this.step, end.summary)
                if self._run.settings.backward and end.is_complete:
                    self._report.note(*_without_backward(side, end.summary))
        broken = {side: end.error for side, end in ends.items() if end.error is not None}
        for side, error in broken.items():
            phase = ends[side].phase
            self._sources.add_trouble(error, side, phase, this.step)
            if isinstance(error, WorkerLostError) and other(side) not in broken:
                # A held pass begins no phase of its own.
                told = ends[other(side) if this.held is None else side]
                self._sources.note_if_lost(other(side), told.phase, this.step)
        failures = {side: end.failure for side, end in ends.items()}
        if this.twins is not None and (broken or any(failures.values())):
            note = Note(kind=NoteKind.BROKE_OFF, numbers=(float(this.step),), pass_kind=this.kind)
            self._report.note(note)
        self._sources.stop_on_failures(failures, this.step)
        if broken:
            raise ComparisonStopped


def _summaries(ends: Ends) -> Mapping[Side, StepSummary]:
    """Returns what the sides that ran to an end say of it."""
    return {side: end.summary for side, end in ends.items() if end.summary is not None}


def _has_departed(side: Side, start: PassStart, foreseen: Foreseen, captures: StepCaptures) -> bool:
    """Whether a side has made other calls than were foreseen, in layers of which a pass shows something."""
    hidden = frozenset(start.starts[side].skip_paths)

    def names(trace: Trace) -> list[tuple[CallMoment, str, int]]:
        shown = (one for one in trace.events if one.path not in hidden and not one.replay)
        return [(one.moment, one.path, one.call) for one in shown]

    return names(foreseen.joined.traces[side]) != names(captures.traces[side])


def _operations(ends: Ends) -> Operations:
    """Returns the random operations of the sides that ran to an end."""
    summaries = _summaries(ends)
    return {side: summaries[side].random_operations if side in summaries else () for side in SIDES}


def _lacking(why: Optional[Reason]) -> str:
    """Returns which of a framework's layers have no backward: "torch's LSTM (encoder)"."""
    framework, kind, *paths = why.names if why is not None else ("the framework", "layer")
    return f"{framework}'s {kind}" + (f" ({', '.join(paths)})" if any(paths) else "")


def _without_backward(side: Side, summary: StepSummary) -> Iterator[Note]:
    """Yields what is not compared where a side made no backward."""
    why = summary.no_backward or Reason(cause=Cause.NOTHING_TRAINED)
    if summary.lacks_backward:
        yield Note(kind=NoteKind.FORWARD_AND_LOSS_ONLY, side=side, reasons=(why,))
    elif not summary.has_gradients:
        yield Note(kind=NoteKind.FORWARD_ONLY, side=side, reasons=(why,))
    elif summary.no_backward is not None:
        yield Note(kind=NoteKind.PARAMETER_GRADIENTS_ONLY, side=side, reasons=(why,))
