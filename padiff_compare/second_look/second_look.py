"""Second look at a step that differs: in lockstep, with the functions inside the calls that are at fault."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from typing import Optional

from padiff_compare.aligned import AlignedModels
from padiff_compare.capture.batches import StepBatch
from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.source import RuleFailed
from padiff_compare.capture.trace import CallName
from padiff_compare.functions.checked import checked
from padiff_compare.functions.locate import Inside, Spot, differ, locate
from padiff_compare.join.calls import JoinedCalls
from padiff_compare.join.captures import PassPlan, StepCaptures
from padiff_compare.join.foreseen import Expectations
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.lockstep.lockstep_plan import plan_lockstep
from padiff_compare.lockstep.override_feed import WINDOW_BYTES, OverrideFeed
from padiff_compare.randomness.random_decisions import RandomDecisions
from padiff_compare.run import Run
from padiff_compare.second_look.detail import DetailMaker
from padiff_compare.second_look.findings import finding, without_repetition
from padiff_compare.second_look.suspects import Suspect, everywhere, suspects
from padiff_compare.source_pair import SourcePair
from padiff_compare.steps.step_run import PassStart, SideEnd, StepRun
from padiff_compare.weights.weight_flow import WeightFlow
from padiff_rpc.errors import CancelledError, PaDiffError
from padiff_rpc.v1.records import (
    FunctionFinding,
    FunctionTrace,
    Note,
    OverridePlace,
    Reason,
    StepStart,
)
from padiff_rpc.v1.words import Cause, Detail, DType, NoteKind, Pass, Phase, Side

logger = logging.getLogger(__name__)

_TOO_SHORT = frozenset({DType.FLOAT16, DType.BFLOAT16})
_Traces = Mapping[Side, Mapping[tuple[str, int], FunctionTrace]]


class SecondLook:
    """Looks into the first step whose forward pass differs, inside the calls that are at fault.

    With `detail: functions` into each such step, and the first of all, everywhere. It tells the report.

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
        self._is_whole = run.options.detail is Detail.FUNCTIONS
        self._is_open = run.options.detail is not Detail.LAYERS
        self._has_looked = False
        self._detail = DetailMaker()

    def at(self, step: int, batch: StepBatch) -> None:
        """Looks into a step that has run. Raises CancelledError when the connections were closed under us."""
        joined = self._aligned.foreseen
        if not self._is_open or joined is None:
            return
        found = self._to_look_into(step, joined)
        if not found:
            return
        self._is_open, self._has_looked = self._is_whole, True
        why_not = {suspect.calls[Side.CANDIDATE]: self._why_not(suspect) for suspect in found}
        seen = [suspect for suspect in found if why_not[suspect.calls[Side.CANDIDATE]] is None]
        left_out = dict.fromkeys(why for why in why_not.values() if why is not None)
        if not seen:
            self._note(NoteKind.NO_FUNCTIONS, *left_out)
            return
        try:
            with self._run.report.timed(Phase.FORWARD, step):
                why = self._look(step, batch, joined, seen)
        except CancelledError:
            raise
        except (PaDiffError, RuleFailed) as error:
            why = Reason(cause=Cause.MESSAGE, names=(str(error),))
        except Exception as bug:  # what was compared stands, whatever is wrong with us here
            logger.exception("the second look at step %d failed", step)
            text = f"{type(bug).__name__}: {bug} (our bug; the coordinator's log has the stack)"
            why = Reason(cause=Cause.MESSAGE, names=(text,))
        if why is not None:
            self._note(NoteKind.NO_FUNCTIONS, why)
        elif left_out:
            self._note(NoteKind.FUNCTIONS_IN_PART, *left_out)

    def _note(self, kind: NoteKind, *reasons: Reason) -> None:
        self._run.report.note(Note(kind=kind, reasons=reasons[:1]))

    def _to_look_into(self, step: int, joined: JoinedCalls) -> Sequence[Suspect]:
        """Returns the calls that a step's second look shows; () for a step that needs none."""
        every = suspects(self._run.report.rows, step, joined)
        if self._is_whole and (every or not self._has_looked):
            every = tuple(everywhere(self._run.report.rows, step, joined, self._aligned.models))
        return [suspect for suspect in every if self._has_own_code(suspect)]

    def _has_own_code(self, suspect: Suspect) -> bool:
        """Whether a side runs code of the user's there, and not both a layer of their frameworks."""
        models = self._aligned.models
        return not all(models[side].is_frameworks_own(suspect.calls[side][0]) for side in SIDES)

    def _why_not(self, suspect: Suspect) -> Optional[Reason]:
        """Returns why functions cannot be seen there, or not be known again; None where they can."""
        if self._sources.sides[Side.REFERENCE].model.train_step:
            return Reason(cause=Cause.OWN_TRAIN_STEP)
        for side in SIDES:
            worker = self._sources.sides[side].worker
            if not (worker.has_function_traces and worker.has_kept_state):
                return Reason(cause=Cause.WORKER_SEES_NO_FUNCTIONS, side=side)
        short = sorted(suspect.dtypes & _TOO_SHORT)
        if short:
            return Reason(cause=Cause.TOO_FEW_BITS, names=(str(short[0]),))
        if self._decisions.keeps is not None:
            return Reason(cause=Cause.CHANCE_IS_NOT_SHARED)
        for side in SIDES:
            path = suspect.calls[side][0]
            if path in self._opaque[side]:
                return Reason(cause=Cause.RUNS_UNSEEN, side=side, names=(path,))
        return None

    @cached_property
    def _opaque(self) -> Mapping[Side, frozenset[str]]:
        layers = self._aligned.layers
        return {side: frozenset(layer.path for layer in layers[side] if layer.opaque) for side in SIDES}

    def _look(
        self, step: int, batch: StepBatch, joined: JoinedCalls, found: Sequence[Suspect]
    ) -> Optional[Reason]:
        """Runs the pass and reports what it shows; returns why it showed nothing."""
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
        self._report(step, joined, found, traces)
        cut = (one.cut_short for of in traces.values() for one in of.values() if one.cut_short is not None)
        for why in cut:
            self._note(NoteKind.FUNCTIONS_IN_PART, why)
            break
        return None

    def _report(self, step: int, joined: JoinedCalls, found: Sequence[Suspect], traces: _Traces) -> None:
        """Reports what the traces show."""
        insides = list(self._insides(joined, found, traces))
        self._run.report.add_findings(without_repetition(list(self._findings(insides))))
        if self._is_whole:
            self._run.report.add_function_detail(self._detail.of(step, (inside for _, inside in insides)))

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

    def _insides(
        self, joined: JoinedCalls, found: Sequence[Suspect], traces: _Traces
    ) -> Iterator[tuple[Suspect, Inside]]:
        """Yields the suspects that both sides ran, with what ran in them."""
        slots, parameters = _slots(joined), self._parameters()
        for suspect in found:
            own = {side: traces[side].get(suspect.calls[side]) for side in SIDES}
            known = {side: trace for side, trace in own.items() if trace is not None}
            if len(known) < len(own):
                continue
            calls = {(one.path, one.call): None for one in known[Side.CANDIDATE].boundaries}
            its = tuple(pair for call in calls for pair in slots.get(call, ()))
            yield suspect, Inside(traces=known, slots=its, parameters=parameters)

    def _findings(self, insides: Iterable[tuple[Suspect, Inside]]) -> Iterator[FunctionFinding]:
        for suspect, inside in insides:
            for symptom in suspect.symptoms:
                if symptom.is_sure or differ(inside, symptom.spots):
                    # What is found behind the first parting may follow from it.
                    yield from (
                        finding(symptom.row, one, inside.traces, self._aligned.models)
                        for one in locate(inside, symptom.spots)[:1]
                    )

    def _parameters(self) -> Mapping[str, tuple[str, ...]]:
        plan = self._aligned.weight_plan
        return {pair.candidate_name: pair.reference_names for pair in (*plan.pairs, *plan.made)}


def _slots(joined: JoinedCalls) -> Mapping[CallName, Sequence[TensorPair[Spot]]]:
    """Returns the slots that are compared, by the candidate's calls, as the calls of both sides have them."""
    found: defaultdict[CallName, list[TensorPair[Spot]]] = defaultdict(list)
    for call in joined.ordered[Side.CANDIDATE]:
        found[call.candidate.name] += (
            TensorPair(
                reference=Spot(*call.reference.name, call.moment, slots.reference.name),
                candidate=Spot(*call.candidate.name, call.moment, slots.candidate.name),
            )
            for slots in call.slots.pairs
        )
    return found
