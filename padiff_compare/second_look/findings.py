"""Findings as the report has them: what was located, and the row that led there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Optional

from padiff_compare.functions.arguments import Called, differing_arguments
from padiff_compare.functions.backward import locate_backward
from padiff_compare.functions.locate import Inside, Located, Spot, differ, locate
from padiff_compare.functions.meeting_inputs import are_alike
from padiff_compare.functions.parting import Parting
from padiff_compare.model_index import ModelIndex, Models
from padiff_compare.second_look.suspects import Suspect
from padiff_compare.weights.weight_pair import full_name
from padiff_rpc.v1.records import ArgumentDifference, FunctionFinding, FunctionTrace, Place, Row, ShownBy
from padiff_rpc.v1.words import CaptureKind, FindingKind, Side

Inspected = Iterable[tuple[Suspect, Inside]]


def forward_findings(insides: Inspected, models: Models) -> Iterator[FunctionFinding]:
    """Yields what is found behind symptoms in values; what several led to, for each."""
    for suspect, inside in insides:
        for symptom in suspect.symptoms:
            if symptom.is_sure or differ(inside, symptom.spots):
                # What is found behind the first parting may follow from it.
                for one in locate(inside, symptom.spots)[:1]:
                    yield finding(symptom.row, one, inside.traces, models)


def backward_findings(insides: Inspected, models: Models) -> Iterator[FunctionFinding]:
    """Yields what is found behind symptoms in gradients."""
    for suspect, inside in insides:
        rows = [symptom.row for symptom in suspect.symptoms]
        weights = [row.candidate for row in rows if row.kind is CaptureKind.PARAMETER_GRADIENT]
        wrong = {full_name(place.path, place.slot) for place in weights if place is not None}
        apart = [row.figures.relative_l2 for row in rows if row.figures is not None]
        # Equal gradients are less apart than those that differ.
        tolerance = min((one / 4 for one in apart if one > 0), default=1.0)
        bounds = {Spot.of(one): one.tensor for one in inside.traces[Side.CANDIDATE].boundaries}
        for one in locate_backward(inside, wrong, tolerance):
            shown = (
                row for row, at in zip(rows, suspect.symptoms) if bounds.get(at.spots.candidate) in one.value
            )
            yield finding(next(shown, rows[0]), one, inside.traces, models)


def finding(
    row: Row, located: Located, traces: Mapping[Side, FunctionTrace], models: Models
) -> FunctionFinding:
    """Returns the finding; the row has places on both sides, in or at the calls of the traces."""
    parting = located.parting
    reference, candidate = (
        _place(row, place, traces[side], models[side])
        for side, place in ((Side.REFERENCE, row.reference), (Side.CANDIDATE, row.candidate))
    )
    calls, users = parting.calls, parting.users
    return FunctionFinding(
        kind=parting.kind,
        step=row.step,
        phase=row.phase,
        reference=reference,
        candidate=candidate,
        reference_call=calls[Side.REFERENCE],
        candidate_call=calls[Side.CANDIDATE],
        reference_user=users[Side.REFERENCE],
        candidate_user=users[Side.CANDIDATE],
        reference_lines=located.lines[Side.REFERENCE],
        candidate_lines=located.lines[Side.CANDIDATE],
        differing=_differing(parting, traces),
        without_gradient=located.without_gradient,
        of_values=located.of_values,
        mark=located.mark,
    )


def _differing(parting: Parting, traces: Mapping[Side, FunctionTrace]) -> tuple[ArgumentDifference, ...]:
    """Returns the arguments in which two calls differ that are meant to do the same."""
    reference, candidate = parting.calls[Side.REFERENCE], parting.calls[Side.CANDIDATE]
    if parting.kind is not FindingKind.FUNCTION or reference is None or candidate is None:
        return ()
    if not are_alike(candidate, reference):
        return ()
    return differing_arguments(
        Called(reference, traces[Side.REFERENCE]), Called(candidate, traces[Side.CANDIDATE])
    )


def _place(row: Row, place: Optional[Place], trace: FunctionTrace, model: ModelIndex) -> Place:
    """Returns a row's place in the layer whose code is at fault; an output with the line that returns it."""
    assert place is not None
    if row.kind is CaptureKind.OUTPUT:
        return place if trace.returned is None else dataclasses.replace(place, source=trace.returned)
    if place.shown_by is not None or (place.path, place.call) == (trace.path, trace.call):
        return place
    # A free run charges nobody, and a layer of the framework's is not to blame for its gradients.
    return dataclasses.replace(
        place,
        path=trace.path,
        call=trace.call,
        class_name=model.class_name(trace.path),
        shown_by=ShownBy(path=place.path, call=place.call),
    )


def without_repetition(findings: list[FunctionFinding]) -> tuple[FunctionFinding, ...]:
    """Returns each finding once, though several rows led there."""
    found: dict[object, FunctionFinding] = {}
    for one in findings:
        places = (one.reference.path, one.reference.call, one.candidate.path, one.candidate.call)
        numbers = tuple(
            call.number if call is not None else 0 for call in (one.reference_call, one.candidate_call)
        )
        found.setdefault((one.kind, places, numbers), one)
    return tuple(found.values())
