"""Random decisions in the course of one comparison: before the steps, in each, and in the report.

What the two sides do not share has effects on values and gradients, which are not judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Optional

from padiff_compare.alignment.slots import SlotPair
from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.trace import CallName
from padiff_compare.join.calls import CallPair, JoinedCalls, Operations
from padiff_compare.judge.evidence import Chance
from padiff_compare.lockstep.lockstep_plan import Keeps
from padiff_compare.model_index import Models
from padiff_compare.randomness.random_plan import RandomPlan, SettledDecision, plan_randomness, settled_alone
from padiff_compare.report.builder import ReportBuilder
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc.v1.records import Note, RandomOperation, StepStart
from padiff_rpc.v1.words import CallMoment, NoteKind, Phase, Randomness, Side

# (Reference path, call number) of a compared call -> its random operations.
Unshared = Mapping[CallName, tuple[str, ...]]


class RandomEffects:
    """Says of tensors and weights whether chance decides them, call by call.

    A value is decided in the code that made it: the call at whose exit it first shows, or, where it
    first shows as a call's input, the call around that. A gradient is decided in the code that took the
    tensor, a call's own where no call in it did. What such code had in hand besides, and other calls took,
    may have had a part in its decisions or not: that is judged, with a word of doubt.
    What lies behind is not decided: the candidate is given the reference's tensors at all these places
    (see `lockstep_plan`).
    """

    def __init__(self, unshared: Unshared, seen: JoinedCalls, models: Models) -> None:
        self._seen = seen
        self._models = models
        self._calls = unshared
        self._paths = {path: names for (path, _), names in unshared.items()}
        self._compared_paths = {path for path, _ in seen.names}
        self._values: dict[TensorPair[int], tuple[str, ...]] = {}
        self._gradients: dict[TensorPair[int], tuple[str, ...]] = {}
        for side in SIDES:
            self._note_values(side)
        self._in_hand: dict[TensorPair[int], tuple[str, ...]] = {}
        self._note_gradients()

    def _note_values(self, side: Side) -> None:
        for key, calls in self._seen.shown[side].items():
            pair = calls[0]
            is_exit = pair.moment is CallMoment.EXIT
            names = self._calls.get(pair.name, ()) if is_exit else self._around(side, pair)
            if names:
                self._values[key] = names

    def _note_gradients(self) -> None:
        for key, calls in self._seen.shown[Side.REFERENCE].items():
            # The calls in whose own code the tensor was, those in which another call took it, and those
            # that returned it.
            had, taken, returned = set[CallName](), set[CallName](), set[CallName]()
            for pair in calls:
                is_entry, own = pair.moment is CallMoment.ENTRY, {pair.name}
                around = {
                    call
                    for side in SIDES
                    for call in [self._seen.call_around(side, pair)]
                    if call is not None
                }
                had |= around | (own if is_entry else set())
                if is_entry:
                    taken |= around
                else:
                    returned |= own
            by_chance = had & self._calls.keys()
            certain = by_chance - taken - returned
            if by_chance:
                table = self._gradients if certain else self._in_hand
                table[key] = self._calls[min(certain or by_chance)]

    def _around(self, side: Side, pair: CallPair) -> tuple[str, ...]:
        """Returns what the compared call around a pair decides by chance, in its own code."""
        return self._calls.get(self._seen.call_around(side, pair) or ("", -1), ())

    def keeps(self, slots: SlotPair) -> tuple[bool, bool]:
        """Returns whether the candidate keeps its own value of this tensor, and its own gradient."""
        key = slots.tensors
        return key not in self._values, key not in self._gradients and key not in self._in_hand

    def of_tensors(self, call: CallPair, slots: SlotPair, phase: Phase) -> Optional[Chance]:
        """Returns the part that chance has in a value, or in backward in a gradient; None for none.

        What the whole model or a layer with weights returns is missed, since a pass says that it agrees.
        """
        is_backward = phase is Phase.BACKWARD
        names = (self._gradients if is_backward else self._values).get(slots.tensors, ())
        if names:
            is_output = not is_backward and call.moment is CallMoment.EXIT
            return Chance(names=names, is_missed=is_output and self._must_be_compared(call))
        doubt = self._in_hand.get(slots.tensors, ()) if is_backward else ()
        return Chance(names=doubt, decides=False) if doubt else None

    def of_parameter(self, pair: WeightPair) -> Optional[Chance]:
        """Returns the part that chance has in the gradient of a weight; None for none."""
        names = self.of_weight(pair)
        return Chance(names=names) if names else None

    def of_weight(self, pair: WeightPair) -> tuple[str, ...]:
        """Returns the random operations that decide the gradient of a weight; () for none."""
        owners = [(Side.CANDIDATE, pair.candidate.path)]
        owners += [(Side.REFERENCE, owned.path) for owned in pair.references]
        return next(filter(None, (self._of_layer(side, path) for side, path in owners)), ())

    def of_weights(self, pairs: Iterable[WeightPair]) -> dict[str, tuple[str, ...]]:
        """Returns the weights that chance has a part in: the candidate's name -> random operations."""
        return {pair.candidate_name: names for pair in pairs for names in [self.of_weight(pair)] if names}

    def _of_layer(self, side: Side, path: str) -> tuple[str, ...]:
        """Returns what the innermost compared layer at or around a path decides by chance."""
        while True:
            found = self._seen.plan.call_pair(side, path, 0)
            reference = found[0].reference if found is not None else None
            if reference is not None and reference in self._compared_paths:
                return self._paths.get(reference, ())
            if not path:
                return ()
            path = path.rpartition(".")[0]

    def _must_be_compared(self, call: CallPair) -> bool:
        layer = call.layer
        if layer.reference == "":
            return True
        return any(
            self._models[side].holds_weights(path)
            if layer.unit
            else self._models[side].is_parameterised(path)
            for side, path in ((Side.REFERENCE, layer.reference), (Side.CANDIDATE, layer.candidate))
        )


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
        *,
        is_recorded: bool = False,
    ) -> None:
        """`is_recorded`: the reference shows what it drew when it was recorded."""
        self._is_recorded = is_recorded
        self._randomness = randomness
        self._seed = seed
        self._models = models
        self._report = report
        self._plan: Optional[RandomPlan] = None

    def plan(self, seen: JoinedCalls, operations: Operations, *, is_cut: bool = False) -> None:
        """Plans the steps to come from what both sides did in one pass; `is_cut`: a model raised in it."""
        if is_cut:
            operations = seen.begun(operations)
        made = plan_randomness(self._randomness, self._seed, seen, operations)
        self._settle(made.numbered_by_path() if self._is_recorded else made)
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
