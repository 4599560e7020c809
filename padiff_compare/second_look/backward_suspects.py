"""Suspects in backward: pairs of calls of layers in whose own code a gradient goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Optional

from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.trace import CallName
from padiff_compare.functions.locate import Spot
from padiff_compare.join.calls import CallPair, JoinedCalls
from padiff_compare.judge.judged_row import fails
from padiff_compare.second_look.suspects import (
    MOST,
    Suspect,
    Symptom,
    as_suspects,
    key_of,
    outside,
    pairs_by_key,
    spot,
)
from padiff_rpc.v1.records import Place, Row
from padiff_rpc.v1.words import CallMoment, CaptureKind, Pass, Phase, Side

Calls = Mapping[Side, CallName]

_MOMENTS = {CaptureKind.INPUT_GRADIENT: CallMoment.ENTRY, CaptureKind.OUTPUT_GRADIENT: CallMoment.EXIT}


def backward_suspects(
    rows: Iterable[Row], step: int, joined: JoinedCalls, has_own_code: Callable[[Calls], bool]
) -> tuple[Suspect, ...]:
    """Returns those of the rows of a step's gradients that fail, in order of backward.

    What a call sends back is its own doing, what comes to its output that of the code around it. A layer of
    both frameworks hands on what it should: then hooks between the layers made another gradient of what came.
    """
    found = _Found(joined)
    for row in _failed(rows, step):
        if row.reference is None or row.candidate is None:
            continue
        symptom = Symptom(row=row, spots=_spots(row, row.reference, row.candidate))
        pair = found.pair(symptom)
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
    return found.suspects()


class _Found:
    """Suspects as they are found, each once."""

    def __init__(self, joined: JoinedCalls) -> None:
        self._joined = joined
        self._found: dict[tuple[CallName, CallName], list[Symptom]] = {}
        self._pairs = pairs_by_key(joined)
        self._by_name = {pair.name: pair for pair in reversed(joined.pairs)}

    def pair(self, symptom: Symptom) -> Optional[CallPair]:
        """Returns the calls whose slots show it; of a sum of what several send back, or of a weight, whose
        layer's it is."""
        found = self._pairs.get(key_of(symptom.spots))
        if found is not None or symptom.row.kind is not CaptureKind.PARAMETER_GRADIENT:
            return found
        # A weight is of no call.
        paths = symptom.spots.reference.path, symptom.spots.candidate.path
        pairs = self._joined.ordered[Side.REFERENCE]
        return next((one for one in pairs if (one.reference.name[0], one.candidate.name[0]) == paths), None)

    def outside(self, pair: CallPair) -> Optional[Calls]:
        return outside(pair, self._joined, self._by_name)

    def add(self, calls: Optional[Calls], symptom: Symptom) -> None:
        if calls is not None:
            self._found.setdefault((calls[Side.REFERENCE], calls[Side.CANDIDATE]), []).append(symptom)

    def suspects(self) -> tuple[Suspect, ...]:
        return tuple(as_suspects(self._joined, self._found))[:MOST]


def _failed(rows: Iterable[Row], step: int) -> list[Row]:
    """Returns the rows of gradients that fail; judged freely, all behind the first may follow from it."""
    failed = [
        row
        for row in rows
        if row.step == step and row.phase in (Phase.BACKWARD, Phase.GRADIENTS) and fails(row)
    ]
    return [row for row in failed if row.pass_kind is Pass.LOCKSTEP] or failed[:1]


def _spots(row: Row, reference: Place, candidate: Place) -> TensorPair[Spot]:
    moment = _MOMENTS.get(row.kind, CallMoment.ENTRY)
    return TensorPair(reference=spot(reference, moment), candidate=spot(candidate, moment))
