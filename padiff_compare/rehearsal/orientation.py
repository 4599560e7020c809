"""Axes of users' own weights whose order their shapes do not tell: the orders that fit are tried."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np

from padiff_compare.aligned import AlignedModels
from padiff_compare.capture.batches import StepBatch
from padiff_compare.capture.sides import SIDES
from padiff_compare.layout_rules import Rule
from padiff_compare.rehearsal.orientation_trials import Trials
from padiff_compare.run import Run
from padiff_compare.source_pair import SourcePair
from padiff_compare.weights.order_search import Distance, Orders, distance, search
from padiff_compare.weights.weight_pair import WeightPair, WeightPlan
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor, widen
from padiff_rpc.v1.records import Note, Reason, Row
from padiff_rpc.v1.words import Cause, NoteKind, Phase, Side, Verdict

# Equal classes, names and alternatives are stored alike, so they are decided together.
Group = tuple[str, str, str, str, tuple[Rule, ...]]
Choice = dict[Group, Rule]


@record
class _Seen:
    """What a forward pass showed of a group, at the first output that shows it.

    `distance`: how far that is off; `order`: its place in the pass; `path`: the layer's, None where no
    output shows the group.
    """

    distance: Distance = Distance()
    order: int = 0
    path: Optional[str] = None


def untried(plan: WeightPlan) -> tuple[Note, ...]:
    """Returns a note on weights that are taken as they are, for want of a batch to try them on."""
    names = tuple(pair.reference_name for pair in plan.pairs if pair.ambiguous)
    return (Note(kind=NoteKind.ORDERS_UNTRIED, names=names),) if names else ()


class Orientation:
    """Settles the ambiguous pairs of a weight plan before the first step.

    A forward pass for the orders they are in, and more for the others that fit, within a budget; whatever
    lies nearest to the reference at the output of the group's first layer is taken. Groups that one output
    shows are tried together. Dropout is off, so that chance decides nothing. Each pass leaves both models as
    they were before it.
    """

    def __init__(self, run: Run, sources: SourcePair, aligned: AlignedModels) -> None:
        self._sources = sources
        self._aligned = aligned
        self._report = run.report
        self._trials = Trials(run, sources, aligned)
        self._groups: dict[Group, list[WeightPair]] = {}
        for pair in aligned.weight_plan.pairs:
            if pair.ambiguous and pair.compared:
                self._groups.setdefault(self._group(pair), []).append(pair)

    def settle(self, batch: StepBatch, *, copy: bool) -> None:
        """Decides every group; without `copy` the weights that the candidate has already decide.

        Raises ComparisonStopped when a worker was lost or a user's rule raised.
        """
        if not self._groups:
            return
        with self._sources.during(Phase.TRACE):
            if copy:
                self._settle_by_trial(batch)
            else:
                self._settle_by_values()

    def _settle_by_trial(self, batch: StepBatch) -> None:
        rules: Choice = {group: group[-1][0] for group in self._groups}
        best = self._try(rules, batch)
        if best is None:
            self._report.note(Note(kind=NoteKind.ORDERS_RAISED))
            return
        for together in self._shown_together(best):
            rules, best = self._settle_together(together, rules, best, batch)
        self._decide(rules, Cause.TRIED)

    def _shown_together(self, seen: Mapping[Group, _Seen]) -> list[list[Group]]:
        """Returns the groups by the layer whose output shows them, in order of execution."""
        found: dict[Optional[str], list[Group]] = {}
        for group in sorted(self._groups, key=lambda group: seen[group].order):
            found.setdefault(seen[group].path, []).append(group)
        for group in found.pop(None, ()):
            self._note(group, group[-1][0], dict.fromkeys(group[-1], Distance()))
        return list(found.values())

    def _settle_together(
        self, groups: Sequence[Group], rules: Choice, best: dict[Group, _Seen], batch: StepBatch
    ) -> tuple[Choice, dict[Group, _Seen]]:
        """Returns the rules with those of `groups` decided, and what the pass under them showed."""
        present = tuple(rules[group] for group in groups)
        passes = {present: best}

        def measure(chosen: Orders) -> Distance:
            if chosen not in passes:
                seen = self._try({**rules, **dict(zip(groups, chosen))}, batch)
                passes[chosen] = seen or dict.fromkeys(self._groups, _Seen())
            return passes[chosen][groups[0]].distance

        found = search([group[-1] for group in groups], present, measure)
        for place, group in enumerate(groups):
            self._note(group, found.nearest[place], found.of_one(place))
        if found.is_open:
            numbers = float(len(found.tried)), float(found.total)
            path = best[groups[0]].path or ""
            self._report.note(Note(kind=NoteKind.ORDERS_LEFT, names=(path,), numbers=numbers))
        return {**rules, **dict(zip(groups, found.nearest))}, passes[found.nearest]

    def _settle_by_values(self) -> None:
        sides = self._sources.sides
        rules: Choice = {}
        for group, pairs in self._groups.items():
            errors = dict.fromkeys(group[-1], Distance(relative_l2=0.0, is_rounding=True))
            reference = sides[Side.REFERENCE].weights.read(
                [pair.reference_name for pair in pairs], Phase.INITIAL_WEIGHTS
            )
            candidate = sides[Side.CANDIDATE].weights.read(
                [pair.candidate_name for pair in pairs], Phase.INITIAL_WEIGHTS
            )
            for ours, theirs in zip(reference, candidate):
                for rule in errors:
                    errors[rule] = max(errors[rule], _between(rule.apply(ours), theirs), key=_relative_l2)
            rules[group] = min(errors, key=lambda rule: errors[rule].relative_l2)
            self._note(group, rules[group], errors)
        self._decide(rules, Cause.COMPARED_IN_ALL_ORDERS)

    def _decide(self, rules: Mapping[Group, Rule], cause: Optional[Cause] = None) -> None:
        reason = Reason(cause=cause) if cause is not None else None
        self._aligned.settle_weights(
            tuple(
                dataclasses.replace(pair, rule=rules[self._group(pair)], reason=reason)
                if pair.ambiguous and pair.compared
                else pair
                for pair in self._aligned.weight_plan.pairs
            )
        )

    def _note(self, group: Group, rule: Rule, errors: Mapping[Rule, Distance]) -> None:
        """Notes which rule is taken; `errors`: of the rules that were tried."""
        pairs, taken = self._groups[group], errors[rule].relative_l2
        numbers = [float(len(pairs)), float(len(group[-1])), float(len(errors)), taken]
        others = [error for one, error in errors.items() if one != rule]
        if others:
            next_best = min(others, key=_relative_l2)
            is_open = next_best.is_rounding or next_best.relative_l2 == taken
            numbers += [next_best.relative_l2, float(is_open)]
        names = (pairs[0].reference_name,)
        self._report.note(
            Note(kind=NoteKind.ORDER_TAKEN, names=names, rule=rule.told, numbers=tuple(numbers))
        )

    def _try(self, rules: Choice, batch: StepBatch) -> Optional[dict[Group, _Seen]]:
        """Runs both models forward on weights placed by `rules`; None when a model raised."""
        self._decide(rules)
        outputs = self._trials.outputs(batch)
        if outputs is None:
            return None
        return {group: self._seen(pairs, outputs) for group, pairs in self._groups.items()}

    def _seen(self, pairs: Sequence[WeightPair], outputs: Sequence[Row]) -> _Seen:
        """Returns what the outputs show of the layer among `pairs` that runs first."""
        by_path: dict[str, list[Row]] = {}
        for row in outputs:
            if row.reference is not None:
                by_path.setdefault(row.reference.path, []).append(row)
        shown = [
            rows for pair in pairs for rows in [_rows_around(pair.place(Side.REFERENCE)[0], by_path)] if rows
        ]
        if not shown:
            return _Seen()
        first = min(shown, key=lambda rows: rows[0].order)
        place = first[0].reference
        return _Seen(
            distance=max(map(_distance, first), key=_relative_l2),
            order=first[0].order,
            path=place.path if place is not None else "",
        )

    def _group(self, pair: WeightPair) -> Group:
        (ours, own, _), (theirs, other, _) = (pair.place(side) for side in SIDES)
        models = self._aligned.models
        return (
            models[Side.REFERENCE].class_name(ours),
            own,
            models[Side.CANDIDATE].class_name(theirs),
            other,
            pair.alternatives,
        )


def _rows_around(path: str, by_path: Mapping[str, list[Row]]) -> list[Row]:
    """Returns the outputs of the innermost layer around `path` that has any."""
    while path and path not in by_path:
        path = path.rpartition(".")[0]
    return by_path.get(path, [])


def _distance(row: Row) -> Distance:
    place = row.candidate
    if row.figures is None or row.verdict is Verdict.NONFINITE or place is None or place.spec is None:
        return Distance()
    return distance(row.figures.relative_l2, place.spec.dtype)


def _between(one: HostTensor, other: HostTensor) -> Distance:
    arrays = widen(one.array, one.dtype), widen(other.array, other.dtype)
    scale = max(float(np.linalg.norm(array)) for array in arrays)
    return distance(float(np.linalg.norm(np.subtract(*arrays))) / scale if scale else 0.0, other.dtype)


def _relative_l2(found: Distance) -> float:
    return found.relative_l2
