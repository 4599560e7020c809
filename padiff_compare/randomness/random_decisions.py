"""Random decisions in the course of one comparison: before the steps, in each, and in the report."""

from __future__ import annotations

import dataclasses
from typing import Optional

from padiff_compare.capture.sides import SIDES
from padiff_compare.join.calls import JoinedCalls, Operations
from padiff_compare.lockstep.lockstep_plan import Keeps
from padiff_compare.model_index import Models
from padiff_compare.randomness.random_effects import RandomEffects
from padiff_compare.randomness.random_plan import RandomPlan, SettledDecision, plan_randomness, settled_alone
from padiff_compare.report.builder import ReportBuilder
from padiff_rpc.v1.records import Note, RandomOperation, StepStart
from padiff_rpc.v1.words import NoteKind, Randomness, Side


class RandomDecisions:
    """Planned on the traces; until there are any, decisions are left to the frameworks and named afterwards.

    Attributes:
        keeps: what the candidate keeps of its own all the same, by the traces; None where chance decides
            nothing that the sides do not share.
    """

    keeps: Optional[Keeps] = None

    def __init__(
        self,
        randomness: Randomness,
        seed: int,
        models: Models,
        report: ReportBuilder,
    ) -> None:
        self._randomness = randomness
        self._seed = seed
        self._models = models
        self._report = report
        self._plan: Optional[RandomPlan] = None

    def plan(self, seen: JoinedCalls, operations: Operations, *, is_cut: bool = False) -> None:
        """Plans the steps to come from what both sides did in one pass; `is_cut`: a model raised in it."""
        if is_cut:
            operations = seen.begun(operations)
        self._settle(plan_randomness(self._randomness, self._seed, seen, operations))
        effects = self._effects(seen)
        self.keeps = effects.keeps if effects is not None else None

    def told(self, start: StepStart, side: Side) -> StepStart:
        """Returns the start of a side's step with what it has to know of this."""
        if self._plan is not None:
            return self._plan.told(start, side)
        return dataclasses.replace(start, randomness=self._without_trace)

    @property
    def _without_trace(self) -> Randomness:
        return Randomness.REPORT if self._randomness is Randomness.SHARED else self._randomness

    def effects(
        self, seen: JoinedCalls, operations: Operations, *, is_replayed: bool
    ) -> Optional[RandomEffects]:
        """Returns what of a pass's tensors and weights chance decided; None for nothing.

        `operations`: those of the pass. `is_replayed`: calls of it were made again in backward.
        """
        if self._plan is None:
            return self._effects_without_trace(seen, operations)
        self._list_unforeseen(self._plan, operations)
        if not self._plan.unshared:
            return None
        if is_replayed:
            self._report.note(Note(kind=NoteKind.RECOMPUTED))
        return self._effects(seen)

    def _effects_without_trace(self, seen: JoinedCalls, operations: Operations) -> Optional[RandomEffects]:
        if self._randomness is not Randomness.OFF and any(operations.values()):
            self._report.note(Note(kind=NoteKind.RANDOM_WITHOUT_TRACE))
        made = plan_randomness(self._without_trace, self._seed, seen, operations)
        self._report.set_random_operations(made.operations)
        return RandomEffects(made.unshared, seen, self._models) if made.unshared else None

    def _settle(self, made: RandomPlan) -> None:
        self._plan = made
        self._report.set_random_operations(made.operations)
        self._report.note(*made.notes)

    def _effects(self, seen: JoinedCalls) -> Optional[RandomEffects]:
        if self._plan is None or not self._plan.unshared:
            return None
        return RandomEffects(self._plan.unshared, seen, self._models)

    def _list_unforeseen(self, made: RandomPlan, operations: Operations) -> None:
        """Lists what only the step had; what of it is not shared was not kept apart either."""
        foreseen = {(one.side, one.path, one.call, one.name) for one in made.operations}
        found = [
            self._unforeseen(dataclasses.replace(one, side=side))
            for side in SIDES
            for one in operations[side]
            if (side, one.path, one.call, one.name) not in foreseen
        ]
        if found:
            listed = tuple(one.operation for one in found)
            self._settle(dataclasses.replace(made, operations=(*made.operations, *listed)))
        apart = [one.operation for one in found if not one.judged]
        if apart:
            names = tuple(name for one in apart for name in (one.name, one.path))
            calls = tuple(float(one.call) for one in apart)
            self._report.note(Note(kind=NoteKind.RANDOM_UNFORESEEN, names=names, numbers=calls))

    def _unforeseen(self, operation: RandomOperation) -> SettledDecision:
        if self._randomness is Randomness.SHARED and operation.shared:
            return SettledDecision(operation=operation, judged=True)
        return settled_alone(self._randomness, operation)
