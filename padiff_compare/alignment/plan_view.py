"""The plan as a report prints it: in execution order, gaps in their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Optional

from padiff_compare.alignment.plan import Plan
from padiff_compare.capture.sides import SIDES, other
from padiff_compare.capture.trace import Trace, Traces
from padiff_compare.model_index import Models
from padiff_rpc.v1.records import Place, PlanPair, Reason
from padiff_rpc.v1.words import Cause, PairedBy, Side


def plan_pairs(plan: Plan, models: Models, traces: Traces) -> tuple[PlanPair, ...]:
    """Returns every pair and every layer without a partner; `calls` counts the reference's.

    In the reference's execution order, definition order without a trace; what only the candidate has
    stands behind the layer that it follows there.
    """
    entries = [*_pairs(plan, models, traces), *_gaps(plan, models, traces)]
    of_candidate = {pair.candidate.path: pair for pair in entries if pair.candidate is not None}
    ours = [pair for pair in entries if pair.reference is not None]
    order = {path: n for n, path in enumerate(models[Side.REFERENCE].paths())}
    ours.sort(key=lambda pair: _key(pair.reference, traces[Side.REFERENCE], order))
    behind: dict[str, list[PlanPair]] = {}
    order = {path: n for n, path in enumerate(models[Side.CANDIDATE].paths())}
    last = ""
    for path in sorted(
        of_candidate,
        key=lambda path: _key(of_candidate[path].candidate, traces[Side.CANDIDATE], order),
    ):
        pair = of_candidate[path]
        if pair.reference is not None:
            last = pair.reference.path
        else:
            behind.setdefault(last, []).append(pair)
    return tuple(
        one
        for pair in ours
        for one in (pair, *behind.get(pair.reference.path if pair.reference is not None else "", ()))
    )


def _key(place: Optional[Place], trace: Trace, order: Mapping[str, int]) -> tuple[int, int]:
    """Returns when a layer runs; what is never called stands with the innermost caller around it."""
    path = place.path if place is not None else ""
    above = path
    while above and not trace.of_layer(above):
        above = above.rpartition(".")[0]
    first = next((call.entry.index for call in trace.of_layer(above)), 0)
    return first, order.get(path, 0)


def _pairs(plan: Plan, models: Models, traces: Traces) -> Iterator[PlanPair]:
    for layer in (*plan.layers, *dict.fromkeys(call.layer for call in plan.calls)):
        paths = {Side.REFERENCE: layer.reference, Side.CANDIDATE: layer.candidate}
        yield PlanPair(
            how=layer.how,
            reference=_place(models, traces, Side.REFERENCE, layer.reference),
            candidate=_place(models, traces, Side.CANDIDATE, layer.candidate),
            confidence=layer.confidence,
            calls=len(traces[Side.REFERENCE].of_layer(layer.reference)),
            parameterised=any(models[side].is_parameterised(paths[side]) for side in SIDES),
            reasons=layer.reasons,
            unit=layer.unit,
        )


def _gaps(plan: Plan, models: Models, traces: Traces) -> Iterator[PlanPair]:
    pairs = [*plan.layers, *(call.layer for call in plan.calls)]
    paired = {
        Side.REFERENCE: {layer.reference for layer in pairs},
        Side.CANDIDATE: {layer.candidate for layer in pairs},
    }
    for side, alone, ignored, inside in (
        (Side.REFERENCE, plan.only_reference, plan.ignored_reference, plan.inside_reference),
        (Side.CANDIDATE, plan.only_candidate, plan.ignored_candidate, plan.inside_candidate),
    ):
        told = {
            **dict.fromkeys(inside, (PairedBy.INSIDE_UNIT, (Reason(cause=Cause.INSIDE_UNIT),))),
            **dict.fromkeys(ignored, (PairedBy.IGNORED, ())),
            **dict.fromkeys(alone, (PairedBy.UNMATCHED, (Reason(cause=Cause.NO_LAYER, side=other(side)),))),
        }
        for path, (how, reasons) in told.items():
            if path in paired[side]:
                continue
            place = _place(models, traces, side, path)
            yield PlanPair(
                how=how,
                reference=place if side is Side.REFERENCE else None,
                candidate=place if side is Side.CANDIDATE else None,
                parameterised=models[side].is_parameterised(path),
                reasons=reasons,
            )


def _place(models: Models, traces: Traces, side: Side, path: str) -> Place:
    returned = (slot.spec for end in traces[side].exits(path) for slot in end.event.slots)
    model = models[side]
    return Place(
        path=path, class_name=model.class_name(path), spec=next(returned, None), source=model.made(path)
    )
