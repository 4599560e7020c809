"""Suspects in backward: pairs of calls of layers in whose own code a gradient goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Optional

from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.functions.locate import Spot
from padiff_compare.join.calls import CallPair, JoinedCalls
from padiff_compare.second_look.suspects import MOST, Calls, Found, Suspect, Symptom, failing, spot
from padiff_rpc.v1.records import Place, Row
from padiff_rpc.v1.words import CallMoment, CaptureKind, Phase, Side

OF_GRADIENTS = frozenset({Phase.BACKWARD, Phase.GRADIENTS})
_MOMENTS = {CaptureKind.INPUT_GRADIENT: CallMoment.ENTRY, CaptureKind.OUTPUT_GRADIENT: CallMoment.EXIT}


def backward_suspects(
    rows: Iterable[Row], step: int, joined: JoinedCalls, has_own_code: Callable[[Calls], bool]
) -> tuple[Suspect, ...]:
    """Returns those of the rows of a step's gradients that fail, in order of backward.

    What a call sends back is its own doing, what comes to its output that of the code around it. A layer of
    both frameworks hands on what it should: then hooks between the layers made another gradient of what came.
    """
    found = Found(joined)
    for row in failing(rows, step, _is_of_gradient):
        if row.reference is None or row.candidate is None:
            continue
        symptom = Symptom(row=row, spots=_spots(row, row.reference, row.candidate))
        pair = _pair(found, symptom, joined)
        if pair is None:
            continue
        own = {side: pair.seen(side).name for side in SIDES}
        if _MOMENTS.get(row.kind) is CallMoment.EXIT:
            found.add(found.outside(pair), symptom)
            if row.figures is None and has_own_code(own):
                # What it returns may be cut off inside.
                found.add(own, symptom)
        else:
            found.add(own if has_own_code(own) else found.outside(pair), symptom)
    return tuple(found.suspects())[:MOST]


def _pair(found: Found, symptom: Symptom, joined: JoinedCalls) -> Optional[CallPair]:
    """Returns the calls whose slots show it; of a weight's gradient those of its layer."""
    pair = found.pair(symptom)
    if pair is not None or symptom.row.kind is not CaptureKind.PARAMETER_GRADIENT:
        return pair
    # A weight is of no call.
    paths = symptom.spots.reference.path, symptom.spots.candidate.path
    pairs = joined.ordered[Side.REFERENCE]
    return next((one for one in pairs if (one.reference.name[0], one.candidate.name[0]) == paths), None)


def _is_of_gradient(row: Row) -> bool:
    return row.phase in OF_GRADIENTS


def _spots(row: Row, reference: Place, candidate: Place) -> TensorPair[Spot]:
    moment = _MOMENTS.get(row.kind, CallMoment.ENTRY)
    return TensorPair(reference=spot(reference, moment), candidate=spot(candidate, moment))
