"""Second look at a step that differs: in lockstep, with the functions inside the calls that are at fault."""

from __future__ import annotations

import dataclasses
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Optional

from padiff_compare.aligned import AlignedModels
from padiff_compare.capture.batches import StepBatch
from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.source import RuleFailed
from padiff_compare.capture.trace import CallName
from padiff_compare.functions.checked import checked
from padiff_compare.functions.locate import Inside, Spot
from padiff_compare.join.calls import JoinedCalls
from padiff_compare.join.foreseen import with_own_gradients
from padiff_compare.judge.judged_row import fails
from padiff_compare.randomness.random_decisions import RandomDecisions
from padiff_compare.run import Run
from padiff_compare.second_look.backward_suspects import OF_GRADIENTS, backward_suspects
from padiff_compare.second_look.detail import DetailMaker
from padiff_compare.second_look.findings import backward_findings, forward_findings, without_repetition
from padiff_compare.second_look.look_pass import LookPass, StepLook, replaced_gradients
from padiff_compare.second_look.suspects import Suspect, everywhere, suspects
from padiff_compare.source_pair import SourcePair
from padiff_compare.weights.weight_flow import WeightFlow
from padiff_rpc.errors import CancelledError, PaDiffError
from padiff_rpc.v1.records import (
    FunctionTrace,
    Note,
    Reason,
)
from padiff_rpc.v1.words import Cause, Detail, DType, NoteKind, Phase, Side

logger = logging.getLogger(__name__)

_TOO_SHORT = frozenset({DType.FLOAT16, DType.BFLOAT16})
_Traces = Mapping[Side, Mapping[tuple[str, int], FunctionTrace]]


class SecondLook:
    """Looks into the first step whose forward pass differs, inside the calls that are at fault.

    Likewise into the first whose forward passes agree, and gradients do not. With `detail: functions` into
    each such step, and the first of all, everywhere. It tells the report.

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
        self._open = {Phase.FORWARD, Phase.BACKWARD} if run.options.detail is not Detail.LAYERS else set()
        self._pass = LookPass(run, sources, aligned, decisions)
        self._has_looked = False
        self._detail = DetailMaker()

    def at(self, step: int, batch: StepBatch) -> None:
        """Looks into a step that has run. Raises CancelledError when the connections were closed under us."""
        joined = self._aligned.foreseen
        if joined is None:
            return
        look = partial(StepLook, step=step, batch=batch)
        failing = {row.phase for row in self._run.report.rows if row.step == step and fails(row)}
        if Phase.FORWARD in self._open:
            found = self._to_look_into(step, joined)
            self._has_looked = self._has_looked or bool(found)
            self._look_into(look(phase=Phase.FORWARD, joined=joined, suspects=tuple(found)))
        if Phase.BACKWARD in self._open and Phase.FORWARD not in failing and failing & OF_GRADIENTS:
            joined = with_own_gradients(joined)
            every = backward_suspects(self._run.report.rows, step, joined, self._has_own_code)
            found = [suspect for suspect in every if self._has_own_code(suspect.calls)]
            self._look_into(look(phase=Phase.BACKWARD, joined=joined, suspects=tuple(found)))

    def _look_into(self, look: StepLook) -> None:
        """Looks into what there is of suspects, and notes what cannot be seen."""
        if not look.suspects:
            return
        if not self._is_whole:
            self._open.discard(look.phase)
        why_not = {one.calls[Side.CANDIDATE]: self._why_not(one, look) for one in look.suspects}
        seen = [one for one in look.suspects if why_not[one.calls[Side.CANDIDATE]] is None]
        left_out = dict.fromkeys(why for why in why_not.values() if why is not None)
        if not seen:
            self._note(NoteKind.NO_FUNCTIONS, *left_out)
            return
        try:
            with self._run.report.timed(look.phase, look.step):
                why = self._look(dataclasses.replace(look, suspects=tuple(seen)))
        except CancelledError:
            raise
        except (PaDiffError, RuleFailed) as error:
            why = Reason(cause=Cause.MESSAGE, names=(str(error),))
        except Exception as bug:  # what was compared stands, whatever is wrong with us here
            logger.exception("the second look at step %d failed", look.step)
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
        return [suspect for suspect in every if self._has_own_code(suspect.calls)]

    def _has_own_code(self, calls: Mapping[Side, CallName]) -> bool:
        """Whether a side runs code of the user's there, and not both a layer of their frameworks."""
        models = self._aligned.models
        return not all(models[side].is_frameworks_own(calls[side][0]) for side in SIDES)

    def _why_not(self, suspect: Suspect, look: StepLook) -> Optional[Reason]:
        """Returns why functions cannot be seen there, or not be known again; None where they can."""
        if self._sources.sides[Side.REFERENCE].model.train_step:
            return Reason(cause=Cause.OWN_TRAIN_STEP)
        if self._run.settings.of_scripts:
            return Reason(cause=Cause.SCRIPTS_OWN_STEPS)
        for side in SIDES:
            worker = self._sources.sides[side].worker
            sees = worker.has_function_gradients if look.is_backward else worker.has_function_traces
            if not (sees and worker.has_kept_state):
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

    def _look(self, look: StepLook) -> Optional[Reason]:
        """Runs the pass and reports what it shows; returns why it showed nothing."""
        for side in SIDES:
            self._sources.keep_state(side, steps=False, before_step=look.step)
        try:
            if look.step or self._run.settings.optimize:
                self._weights.copy()
            ends = self._pass.run(look)
        finally:
            for side in SIDES:
                self._sources.restore_state(side, look.step)
        for end in ends.values():
            if end.error is not None:
                raise end.error
            if end.failure is not None:
                return Reason(cause=Cause.MESSAGE, names=(end.failure.text,))
        traces = {
            side: {(one.path, one.call): checked(one) for one in ends[side].function_traces} for side in SIDES
        }
        self._report(look, traces)
        cut = (one.cut_short for of in traces.values() for one in of.values() if one.cut_short is not None)
        for why in cut:
            self._note(NoteKind.FUNCTIONS_IN_PART, why)
            break
        return None

    def _report(self, look: StepLook, traces: _Traces) -> None:
        """Reports what the traces show."""
        insides = list(self._insides(look, traces))
        findings = backward_findings if look.is_backward else forward_findings
        self._run.report.add_findings(without_repetition(list(findings(insides, self._aligned.models))))
        if self._is_whole and not look.is_backward:
            detail = self._detail.of(look.step, (inside for _, inside in insides))
            self._run.report.add_function_detail(detail)

    def _insides(self, look: StepLook, traces: _Traces) -> Iterator[tuple[Suspect, Inside]]:
        """Yields the suspects that both sides ran, with what ran in them."""
        slots, parameters = _slots(look.joined), self._parameters()
        replaced = replaced_gradients(look.joined) if look.is_backward else frozenset()
        for suspect in look.suspects:
            own = {side: traces[side].get(suspect.calls[side]) for side in SIDES}
            known = {side: trace for side, trace in own.items() if trace is not None}
            if len(known) < len(own):
                continue
            calls = {(one.path, one.call): None for one in known[Side.CANDIDATE].boundaries}
            its = tuple(pair for call in calls for pair in slots.get(call, ()))
            yield suspect, Inside(traces=known, slots=its, parameters=parameters, replaced=replaced)

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
