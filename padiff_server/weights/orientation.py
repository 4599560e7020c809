"""Which way round square matrices of users' own classes are stored: both ways are tried."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Optional

import numpy as np

from padiff_rpc.options import Options
from padiff_rpc.records import record
from padiff_rpc.results import Row
from padiff_rpc.tensors import HostTensor, widen
from padiff_rpc.types import StepStart
from padiff_rpc.words import CaptureKind, Phase, Randomness, Side, Verdict, WeightKind
from padiff_server.alignment.kinds import canonical_kind, kind_of
from padiff_server.judging.gradient_history import GradientHistory
from padiff_server.judging.store import TensorStore
from padiff_server.judging.tolerances import Tolerances
from padiff_server.preparation import AlignedModels, Traces
from padiff_server.report import ReportBuilder
from padiff_server.sides import SIDES
from padiff_server.steps.batches import StepBatch
from padiff_server.steps.calls import Expectations
from padiff_server.steps.captures import StepCaptures
from padiff_server.steps.step_rows import StepRows
from padiff_server.steps.step_run import StepRun
from padiff_server.weights.owned_weight import owner_name
from padiff_server.weights.rules import IDENTITY, TRANSPOSE, Rule
from padiff_server.weights.weight_pair import UNTRIED, WeightPair, WeightPlan
from padiff_server.worker_pair import WorkerPair

_NAMED = 3
_OTHER = {IDENTITY: TRANSPOSE, TRANSPOSE: IDENTITY}

# Equal classes and names store their matrices alike, so they are decided together.
Group = tuple[str, str, str, str]


@record
class _Seen:
    """What a forward pass showed of a group: how far its first output is off, and its place in the order."""

    error: float = math.inf
    order: int = 0


def untried(plan: WeightPlan) -> tuple[str, ...]:
    """Returns a note on matrices that are taken as they are, for want of a batch to try them on."""
    names = [repr(pair.reference_name) for pair in plan.pairs if pair.ambiguous]
    if not names:
        return ()
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"orientation: {', '.join(names[:_NAMED])}{more}: {UNTRIED}; compare the models to try both ways, or "
        "say it by layer_map.special_init",
    )


class Orientation:
    """Settles the ambiguous pairs of a weight plan before the first step.

    A forward pass for the way they are in, and one for each group turned round; whatever lies nearer to
    the reference at the output of the group's first layer is taken. Dropout is off, so that chance decides
    nothing. Buffers are put back afterwards; random states are not, which other random operations notice.
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
        self._store = store
        self._options = options
        self._tolerances = Tolerances(options)
        self._expectations = Expectations(aligned.plan, traces) if traces is not None else None
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
                with self._buffers_put_back():
                    self._settle_by_trial(batch)
            else:
                self._settle_by_values()

    def _settle_by_trial(self, batch: StepBatch) -> None:
        rules: dict[Group, Rule] = dict.fromkeys(self._groups, IDENTITY)
        best = self._try(rules, batch)
        if best is None:
            self._report.note("orientation: the models raised when both ways were to be tried")
            return
        for group in sorted(self._groups, key=lambda group: best[group].order if best else 0):
            turned = self._try({**rules, group: TRANSPOSE}, batch)
            errors = {IDENTITY: best[group].error, TRANSPOSE: turned[group].error if turned else math.inf}
            if turned and errors[TRANSPOSE] < errors[IDENTITY]:
                rules[group], best = TRANSPOSE, turned
            self._note(group, rules[group], errors)
        self._decide(rules, "tried both ways on the first batch")

    def _settle_by_values(self) -> None:
        links = self._workers.links
        rules = {}
        for group, pairs in self._groups.items():
            errors = dict.fromkeys(_OTHER, 0.0)
            reference = links[Side.REFERENCE].weights.read(
                [pair.reference_name for pair in pairs], Phase.INITIAL_WEIGHTS
            )
            candidate = links[Side.CANDIDATE].weights.read(
                [pair.candidate_name for pair in pairs], Phase.INITIAL_WEIGHTS
            )
            for ours, theirs in zip(reference, candidate):
                for rule in errors:
                    errors[rule] = max(errors[rule], _relative_l2(rule.apply(ours), theirs))
            rules[group] = TRANSPOSE if errors[TRANSPOSE] < errors[IDENTITY] else IDENTITY
            self._note(group, rules[group], errors)
        self._decide(rules, "compared both ways with the candidate's own values")

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
        chosen = "as it is" if rule == IDENTITY else "transposed"
        text = (
            f"orientation: {pairs[0].reference_name!r}{more} may be stored either way round; both were "
            f"tried, and {chosen} is taken: relative L2 {errors[rule]:.3g}, the other way "
            f"{errors[_OTHER[rule]]:.3g}"
        )
        if errors[IDENTITY] == errors[TRANSPOSE]:
            text += "; they cannot be told apart, so say it by layer_map.special_init"
        self._report.note(text)

    def _try(self, rules: Mapping[Group, Rule], batch: StepBatch) -> Optional[dict[Group, _Seen]]:
        """Runs both models forward on weights placed by `rules`; None when a model raised."""
        self._decide(rules, "")
        self._aligned.copy_weights(self._aligned.weight_flow(self._tolerances, self._options))
        starts = {
            side: StepStart(
                lease="",
                step=0,
                batch=batch.batches[side],
                batch_from_loader=batch.from_loader,
                backward=False,
                optimize=False,
                randomness=Randomness.OFF,
                skip_paths=self._aligned.plan.skip_paths(side),
            )
            for side in SIDES
        }
        run = StepRun(self._workers.links, starts, batch, self._store, self._tolerances, lambda phase: None)
        captures = StepCaptures(
            self._aligned.plan, self._aligned.weight_plan, self._expectations, self._store, run.ready
        )
        with closing(captures):
            ends = run.run(captures)
            for end in ends.values():
                if end.error is not None:
                    raise end.error
            if any(end.failure is not None for end in ends.values()):
                return None
            history = GradientHistory()
            made = StepRows(
                0, captures, self._aligned.models, self._options, history, is_complete=True
            ).all_rows()
            outputs = [row for row in made if row.kind is CaptureKind.OUTPUT]
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
        return _Seen(error=max(map(_error, first)), order=first[0].order)

    def _group(self, pair: WeightPair) -> Group:
        (ours, own, _), (theirs, other, _) = (pair.place(side) for side in SIDES)
        models = self._aligned.models
        return (
            models[Side.REFERENCE].class_name(ours),
            own,
            models[Side.CANDIDATE].class_name(theirs),
            other,
        )

    @contextmanager
    def _buffers_put_back(self) -> Iterator[None]:
        names = {
            side: [
                owner_name(layer.path, weight)
                for layer in self._aligned.layers[side]
                for weight in layer.weights
                if canonical_kind(kind_of(layer), weight) is WeightKind.BUFFER and not weight.tied_to
            ]
            for side in SIDES
        }
        links, phase = self._workers.links, Phase.TRACE
        values = {side: list(links[side].weights.read(names[side], phase)) for side in SIDES}
        yield
        for side in SIDES:
            if names[side]:
                links[side].weights.write(zip(names[side], values[side]), phase)


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
