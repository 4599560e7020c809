"""Second look at a step that differs: in lockstep, with the functions inside the calls that are at fault."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Optional

from padiff_compare.aligned import AlignedModels
from padiff_compare.capture.batches import StepBatch
from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.source import RuleFailed
from padiff_compare.functions.checked import checked
from padiff_compare.functions.locate import Inside, Spot, locate
from padiff_compare.join.calls import JoinedCalls
from padiff_compare.join.captures import PassPlan, StepCaptures
from padiff_compare.join.foreseen import Expectations
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.lockstep.lockstep_plan import plan_lockstep
from padiff_compare.lockstep.override_feed import WINDOW_BYTES, OverrideFeed
from padiff_compare.randomness.random_decisions import RandomDecisions
from padiff_compare.run import Run
from padiff_compare.second_look.findings import finding, without_repetition
from padiff_compare.second_look.suspects import Suspect, suspects
from padiff_compare.source_pair import SourcePair
from padiff_compare.steps.step_run import PassStart, SideEnd, StepRun
from padiff_compare.weights.weight_flow import WeightFlow
from padiff_rpc.errors import CancelledError, PaDiffError
from padiff_rpc.v1.records import (
    FunctionFinding,
    FunctionTrace,
    Note,
    OverridePlace,
    Place,
    Reason,
    StepStart,
)
from padiff_rpc.v1.words import Cause, Detail, DType, NoteKind, Pass, Phase, Side

logger = logging.getLogger(__name__)

_TOO_SHORT = frozenset({DType.FLOAT16, DType.BFLOAT16})
_Traces = Mapping[Side, Mapping[tuple[str, int], FunctionTrace]]


class SecondLook:
    """Looks into steps whose forward pass differs, the first or all, and tells the report what it finds.

    Both models are as they were afterwards, and no verdict depends on it: where it cannot be had, a note says
    why.
    """

    def __init__(
        self,
        run: Run,
        sources: SourcePair,
        aligned: AlignedModels,
        decisions: RandomDecisions,
        weights: WeightFlow,
    ) -> None:
        self._run = run
        self._sources = sources
        self._aligned = aligned
        self._decisions = decisions
        self._weights = weights
        self._is_open = run.options.detail is not Detail.LAYERS

    def at(self, step: int, batch: StepBatch) -> None:
        """Looks into a step that has run. Raises CancelledError when the connections were closed under us."""
        joined = self._aligned.foreseen
        if not self._is_open or joined is None:
            return
        every = suspects(self._run.report.rows, step, joined)
        found = tuple(suspect for suspect in every if self._has_own_code(suspect))
        if not found:
            return
        self._is_open = self._run.options.detail is Detail.FUNCTIONS
        why = self._why_not(found)
        if why is None:
            try:
                why = self._look(step, batch, joined, found)
            except CancelledError:
                raise
            except (PaDiffError, RuleFailed) as error:
                why = Reason(cause=Cause.MESSAGE, names=(str(error),))
            except Exception as bug:  # what was compared stands, whatever is wrong with us here
                logger.exception("the second look at step %d failed", step)
                text = f"{type(bug).__name__}: {bug} (our bug; the coordinator's log has the stack)"
                why = Reason(cause=Cause.MESSAGE, names=(text,))
        if why is not None:
            self._run.report.note(Note(kind=NoteKind.NO_FUNCTIONS, reasons=(why,)))

    def _has_own_code(self, suspect: Suspect) -> bool:
        """Whether a side runs code of the user's there, and not both a layer of their frameworks."""
        models = self._aligned.models
        return not all(models[side].is_frameworks_own(suspect.calls[side][0]) for side in SIDES)

    def _why_not(self, found: Sequence[Suspect]) -> Optional[Reason]:
        """Returns why functions cannot be seen, or not be known again; None where they can."""
        if self._sources.sides[Side.REFERENCE].model.train_step:
            return Reason(cause=Cause.OWN_TRAIN_STEP)
        for side in SIDES:
            worker = self._sources.sides[side].worker
            if not (worker.has_function_traces and worker.has_kept_state):
                return Reason(cause=Cause.WORKER_SEES_NO_FUNCTIONS, side=side)
        places = [place for suspect in found for place in _places(suspect)]
        short = [place.spec.dtype for place in places if place.spec and place.spec.dtype in _TOO_SHORT]
        if short:
            return Reason(cause=Cause.TOO_FEW_BITS, names=(str(short[0]),))
        if self._decisions.keeps is not None:
            return Reason(cause=Cause.CHANCE_IS_NOT_SHARED)
        for side in SIDES:
            opaque = {layer.path for layer in self._aligned.layers[side] if layer.opaque}
            unseen = next((one for suspect in found if (one := suspect.calls[side][0]) in opaque), None)
            if unseen is not None:
                return Reason(cause=Cause.RUNS_UNSEEN, side=side, names=(unseen,))
        return None

    def _look(
        self, step: int, batch: StepBatch, joined: JoinedCalls, found: Sequence[Suspect]
    ) -> Optional[Reason]:
        """Runs the pass and reports what it shows; returns why it showed nothing."""
        with self._run.report.timed(Phase.FORWARD, step):
            for side in SIDES:
                self._sources.sides[side].keep_state(optimizer=False)
            try:
                if step or self._run.settings.optimize:
                    self._weights.copy()
                ends = self._run_pass(step, batch, joined, found)
            finally:
                for side in SIDES:
                    self._sources.sides[side].restore_state()
        for end in ends.values():
            if end.error is not None:
                raise end.error
            if end.failure is not None:
                return Reason(cause=Cause.MESSAGE, names=(end.failure.text,))
        traces = {
            side: {(one.path, one.call): checked(one) for one in ends[side].function_traces} for side in SIDES
        }
        self._run.report.add_findings(without_repetition(list(self._findings(joined, found, traces))))
        cut = (one.cut_short for of in traces.values() for one in of.values())
        return next((why for why in cut if why is not None), None)

    def _run_pass(
        self, step: int, batch: StepBatch, joined: JoinedCalls, found: Sequence[Suspect]
    ) -> Mapping[Side, SideEnd]:
        overrides = plan_lockstep(joined)
        running = StepRun(
            self._sources.sides,
            PassStart(starts=self._starts(step, batch, found, overrides.places), batch=batch),
            self._run.store,
            Tolerances(self._run.options, in_lockstep=True),
            on_phase=lambda phase: self._run.report.progress(phase, step, "the functions between the layers"),
        )
        feed = OverrideFeed(
            overrides, gradients=False, window_bytes=min(WINDOW_BYTES, self._run.store.limit_bytes)
        )
        known = PassPlan(
            plan=self._aligned.plan, weights=self._aligned.weight_plan, expectations=Expectations(joined)
        )
        with closing(StepCaptures(known, self._run.store, running.ready, feed)) as captures:
            return running.run(captures, feed)

    def _starts(
        self, step: int, batch: StepBatch, found: Sequence[Suspect], places: tuple[OverridePlace, ...]
    ) -> Mapping[Side, StepStart]:
        starts = {
            side: StepStart(
                lease="",
                step=step,
                batch=batch.batches[side],
                batch_from_loader=batch.from_loader,
                pass_kind=Pass.LOCKSTEP if side is Side.CANDIDATE else Pass.FREE,
                overrides=places if side is Side.CANDIDATE else (),
                backward=False,
                optimize=False,
                skip_paths=self._aligned.plan.skip_paths(side),
                functions=tuple(suspect.selection(side) for suspect in found),
            )
            for side in SIDES
        }
        return {side: self._decisions.told(start, side) for side, start in starts.items()}

    def _findings(
        self, joined: JoinedCalls, found: Sequence[Suspect], traces: _Traces
    ) -> Iterator[FunctionFinding]:
        slots, parameters = _slots(joined), self._parameters()
        for suspect in found:
            own = {side: traces[side].get(suspect.calls[side]) for side in SIDES}
            known = {side: trace for side, trace in own.items() if trace is not None}
            if len(known) < len(own):
                continue
            inside = Inside(traces=known, slots=slots, parameters=parameters)
            for symptom in suspect.symptoms:
                # What is found behind the first parting may follow from it.
                yield from (
                    finding(symptom.row, one, known, self._aligned.models)
                    for one in locate(inside, symptom.spots)[:1]
                )

    def _parameters(self) -> Mapping[str, tuple[str, ...]]:
        plan = self._aligned.weight_plan
        return {pair.candidate_name: pair.reference_names for pair in (*plan.pairs, *plan.made)}


def _slots(joined: JoinedCalls) -> tuple[TensorPair[Spot], ...]:
    """Returns the slots that are compared, as the calls of both sides have them."""
    return tuple(
        TensorPair(
            reference=Spot(*call.reference.name, call.moment, slots.reference.name),
            candidate=Spot(*call.candidate.name, call.moment, slots.candidate.name),
        )
        for call in joined.ordered[Side.CANDIDATE]
        for slots in call.slots.pairs
    )


def _places(suspect: Suspect) -> Iterator[Place]:
    for symptom in suspect.symptoms:
        for place in (symptom.row.reference, symptom.row.candidate):
            if place is not None:
                yield place
