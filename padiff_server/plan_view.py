"""The plan as a report prints it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from padiff_rpc.results import Place, PlanPair
from padiff_rpc.types import CallEvent
from padiff_rpc.words import CallMoment, Side
from padiff_server.model_index import Models
from padiff_server.plan import IGNORED, Plan
from padiff_server.sides import SIDES, other

UNMATCHED = "unmatched"


def plan_pairs(plan: Plan, models: Models, reference_calls: Iterable[CallEvent]) -> tuple[PlanPair, ...]:
    """Returns every pair, then every layer without a partner; `calls` counts the reference's."""
    calls = Counter(event.path for event in reference_calls if event.moment is CallMoment.ENTRY)
    return (*_pairs(plan, models, calls), *_gaps(plan, models))


def _pairs(plan: Plan, models: Models, calls: Counter[str]) -> Iterator[PlanPair]:
    for layer in plan.layers:
        paths = {Side.REFERENCE: layer.reference, Side.CANDIDATE: layer.candidate}
        yield PlanPair(
            how=layer.how,
            reference=_place(models, Side.REFERENCE, layer.reference),
            candidate=_place(models, Side.CANDIDATE, layer.candidate),
            confidence=layer.confidence,
            calls=calls[layer.reference],
            parameterised=any(models[side].is_parameterised(paths[side]) for side in SIDES),
            reason=layer.reason,
        )


def _gaps(plan: Plan, models: Models) -> Iterator[PlanPair]:
    paired = {
        Side.REFERENCE: {layer.reference for layer in plan.layers},
        Side.CANDIDATE: {layer.candidate for layer in plan.layers},
    }
    for side, alone, ignored in (
        (Side.REFERENCE, plan.only_reference, plan.ignored_reference),
        (Side.CANDIDATE, plan.only_candidate, plan.ignored_candidate),
    ):
        for path in (*alone, *ignored):
            if path in paired[side]:
                continue
            place = _place(models, side, path)
            yield PlanPair(
                how=IGNORED if path in ignored else UNMATCHED,
                reference=place if side is Side.REFERENCE else None,
                candidate=place if side is Side.CANDIDATE else None,
                parameterised=models[side].is_parameterised(path),
                reason="" if path in ignored else f"no layer of the {other(side)} corresponds to it",
            )


def _place(models: Models, side: Side, path: str) -> Place:
    return Place(path=path, class_name=models[side].class_name(path))
