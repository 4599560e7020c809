"""Axes of users' own weights whose order their shapes do not tell: the orders that fit are tried."""

from __future__ import annotations

import dataclasses
import itertools
import math
import operator
from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np

from padiff_rpc.options import Options
from padiff_rpc.records import record
from padiff_rpc.results import Row
from padiff_rpc.tensors import HostTensor, widen
from padiff_rpc.words import Phase, Side, Verdict
from padiff_server.coverage import is_agreement
from padiff_server.judging.store import TensorStore
from padiff_server.preparation import AlignedModels, Traces
from padiff_server.report import ReportBuilder
from padiff_server.sides import SIDES
from padiff_server.steps.batches import StepBatch
from padiff_server.weights.orientation_trials import Trials
from padiff_server.weights.rules import IDENTITY, TRANSPOSE, Rule
from padiff_server.weights.weight_pair import UNTRIED, WeightPair, WeightPlan
from padiff_server.worker_pair import WorkerPair

_NAMED = 3
# Passes at most for the orders of what one layer holds.
_MOST_TRIALS = 64

# Equal classes, names and alternatives are stored alike, so they are decided together.
Group = tuple[str, str, str, str, tuple[Rule, ...]]
Choice = dict[Group, Rule]


@record
class _Seen:
    """What a forward pass showed of a group, at the first output that shows it.

    `error`: how far that is off; `agrees`: whether it is judged to be the same; `order`: its place in the
    pass; `path`: the layer's, None where no output shows the group.
    """

    error: float = math.inf
    agrees: bool = False
    order: int = 0
    path: Optional[str] = None


def untried(plan: WeightPlan) -> tuple[str, ...]:
    """Returns a note on weights that are taken as they are, for want of a batch to try them on."""
    names = [repr(pair.reference_name) for pair in plan.pairs if pair.ambiguous]
    if not names:
        return ()
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"orientation: {', '.join(names[:_NAMED])}{more}: {UNTRIED}; compare the models to try all, or "
        "say it by layer_map.special_init",
    )


class Orientation:
    """Settles the ambiguous pairs of a weight plan before the first step.

    A forward pass for the orders they are in, and more for the others that fit; whatever lies nearest to
    the reference at the output of the group's first layer is taken. Groups that one output shows are tried
    together. Dropout is off, so that chance decides nothing. Buffers are put back afterwards; random states
    are not, which other random operations notice.
    """

    def __init__(
        self,
        workers: WorkerPair,
        aligned: AlignedModels,
        report: ReportBuilder,
        store: TensorStore,
        options: Options,
        traces: Optional[Traces],
    ) -> None:
        self._workers = workers
        self._aligned = aligned
        self._report = report
        self._trials = Trials(workers, aligned, store, options, traces)
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
        with self._workers.during(Phase.TRACE):
            if copy:
                with self._trials.buffers_put_back():
                    self._settle_by_trial(batch)
            else:
                self._settle_by_values()

    def _settle_by_trial(self, batch: StepBatch) -> None:
        rules: Choice = {group: group[-1][0] for group in self._groups}
        best = self._try(rules, batch)
        if best is None:
            self._report.note("orientation: the models raised when several orders were to be tried")
            return
        for together in self._shown_together(best):
            rules, best = self._settle_together(together, rules, best, batch)
        self._decide(rules, "tried on the first batch")

    def _shown_together(self, seen: Mapping[Group, _Seen]) -> list[list[Group]]:
        """Returns the groups by the layer whose output shows them, in order of execution."""
        found: dict[Optional[str], list[Group]] = {}
        for group in sorted(self._groups, key=lambda group: seen[group].order):
            found.setdefault(seen[group].path, []).append(group)
        for group in found.pop(None, ()):
            self._note(group, group[-1][0], dict.fromkeys(group[-1], math.inf))
        return list(found.values())

    def _settle_together(
        self, groups: Sequence[Group], rules: Choice, best: dict[Group, _Seen], batch: StepBatch
    ) -> tuple[Choice, dict[Group, _Seen]]:
        """Returns the rules with those of `groups` decided, and what the pass under them showed."""
        first = groups[0]
        present = tuple(rules[group] for group in groups)
        tried = {present: best}
        orders = sorted(
            itertools.product(*(group[-1] for group in groups)),
            key=lambda chosen: sum(map(operator.ne, chosen, present)),
        )
        for chosen in orders[:_MOST_TRIALS]:
            if any(seen[first].agrees for seen in tried.values()):
                break
            self._try_into(tried, chosen, groups, rules, batch)
        nearest = min(tried, key=lambda chosen: tried[chosen][first].error)
        for place, group in enumerate(groups):
            errors = {}
            for rule in group[-1]:
                chosen = (*nearest[:place], rule, *nearest[place + 1 :])
                self._try_into(tried, chosen, groups, rules, batch)
                errors[rule] = tried[chosen][first].error
            self._note(group, nearest[place], errors)
        if len(orders) > _MOST_TRIALS and not tried[nearest][first].agrees:
            self._report.note(
                f"orientation: of {len(orders)} orders for the weights of {tried[nearest][first].path!r}, "
                f"{_MOST_TRIALS} were tried; say the right one by layer_map.special_init"
            )
        return {**rules, **dict(zip(groups, nearest))}, tried[nearest]

    def _try_into(
        self,
        tried: dict[tuple[Rule, ...], dict[Group, _Seen]],
        chosen: tuple[Rule, ...],
        groups: Sequence[Group],
        rules: Choice,
        batch: StepBatch,
    ) -> None:
        if chosen not in tried:
            seen = self._try({**rules, **dict(zip(groups, chosen))}, batch)
            tried[chosen] = seen or dict.fromkeys(self._groups, _Seen())

    def _settle_by_values(self) -> None:
        links = self._workers.links
        rules: Choice = {}
        for group, pairs in self._groups.items():
            errors = dict.fromkeys(group[-1], 0.0)
            reference = links[Side.REFERENCE].weights.read(
                [pair.reference_name for pair in pairs], Phase.INITIAL_WEIGHTS
            )
            candidate = links[Side.CANDIDATE].weights.read(
                [pair.candidate_name for pair in pairs], Phase.INITIAL_WEIGHTS
            )
            for ours, theirs in zip(reference, candidate):
                for rule in errors:
                    errors[rule] = max(errors[rule], _relative_l2(rule.apply(ours), theirs))
            rules[group] = min(errors, key=lambda rule: errors[rule])
            self._note(group, rules[group], errors)
        self._decide(rules, "compared in all orders with the candidate's own values")

    def _decide(self, rules: Mapping[Group, Rule], reason: str) -> None:
        self._aligned.settle_weights(
            tuple(
                dataclasses.replace(pair, rule=rules[self._group(pair)], reason=reason)
                if pair.ambiguous and pair.compared
                else pair
                for pair in self._aligned.weight_plan.pairs
            )
        )

    def _note(self, group: Group, rule: Rule, errors: Mapping[Rule, float]) -> None:
        pairs = self._groups[group]
        more = f" and {len(pairs) - 1} more" if len(pairs) > 1 else ""
        chosen = "as it is" if rule == IDENTITY else "transposed" if rule == TRANSPOSE else rule.name
        others = [error for one, error in errors.items() if one != rule]
        fit = (
            "may be stored either way round; both"
            if len(errors) == 2
            else f"fits in {len(errors)} orders; all"
        )
        next_best = "the other way" if len(errors) == 2 else "the next best"
        text = (
            f"orientation: {pairs[0].reference_name!r}{more} {fit} were tried, and {chosen} is taken: "
            f"relative L2 {errors[rule]:.3g}, {next_best} {min(others):.3g}"
        )
        if min(others) == errors[rule]:
            text += "; they cannot be told apart, so say it by layer_map.special_init"
        self._report.note(text)

    def _try(self, rules: Choice, batch: StepBatch) -> Optional[dict[Group, _Seen]]:
        """Runs both models forward on weights placed by `rules`; None when a model raised."""
        self._decide(rules, "")
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
            error=max(map(_error, first)),
            agrees=all(map(is_agreement, first)),
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


def _error(row: Row) -> float:
    if row.figures is None or row.verdict is Verdict.NONFINITE:
        return math.inf
    return row.figures.relative_l2


def _relative_l2(one: HostTensor, other: HostTensor) -> float:
    arrays = widen(one.array, one.dtype), widen(other.array, other.dtype)
    scale = max(float(np.linalg.norm(array)) for array in arrays)
    return float(np.linalg.norm(np.subtract(*arrays))) / scale if scale else 0.0
