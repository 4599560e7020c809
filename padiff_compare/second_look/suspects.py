"""Suspects: pairs of calls of layers in whose own code a difference arises, and the slots that show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Optional

from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.trace import CallName
from padiff_compare.functions.locate import Spot
from padiff_compare.join.calls import CallPair, JoinedCalls
from padiff_compare.judge.judged_row import fails
from padiff_rpc.records import record
from padiff_rpc.v1.records import FunctionSelection, Place, Row
from padiff_rpc.v1.words import CallMoment, CaptureKind, Pass, Phase, Side

# A fault that all blocks of a model have is the same fault.
_MOST = 8
_MOMENTS = {CaptureKind.INPUT: CallMoment.ENTRY, CaptureKind.OUTPUT: CallMoment.EXIT}


@record
class Symptom:
    """A row that differs, and the slots that show it."""

    row: Row
    spots: TensorPair[Spot]


@record
class Suspect:
    """The innermost pair of calls whose inputs agree and inside which something does not.

    Attributes:
        calls: of both sides.
        symptoms: in order of execution.
        into: on each side, the layers in it that are compared with nothing, so that their code counts as its.
    """

    calls: Mapping[Side, CallName]
    symptoms: tuple[Symptom, ...]
    into: Mapping[Side, tuple[str, ...]]

    def selection(self, side: Side) -> FunctionSelection:
        path, call = self.calls[side]
        return FunctionSelection(path=path, call=call, into=self.into[side])


def suspects(rows: Iterable[Row], step: int, joined: JoinedCalls) -> tuple[Suspect, ...]:
    """Returns those of the rows of a step's forward pass that fail, the first ones.

    Judged freely, what comes behind the first row may be its consequence, and is left out.
    """
    failed = [row for row in rows if row.step == step and _is_of_forward(row) and fails(row)]
    in_lockstep = [row for row in failed if row.pass_kind is Pass.LOCKSTEP]
    found: dict[tuple[CallName, CallName], list[Symptom]] = {}
    pairs = {_key(pair): pair for pair in joined.pairs}
    for row in in_lockstep or failed[:1]:
        symptom = _symptom(row)
        pair = pairs.get(_at(symptom.spots)) if symptom is not None else None
        calls = _around(pair, joined) if pair is not None else None
        if symptom is not None and calls is not None:
            found.setdefault((calls[Side.REFERENCE], calls[Side.CANDIDATE]), []).append(symptom)
    return tuple(
        Suspect(
            calls={Side.REFERENCE: ours, Side.CANDIDATE: theirs},
            symptoms=tuple(symptoms),
            into={
                Side.REFERENCE: tuple(_lone_layers(joined, Side.REFERENCE, ours)),
                Side.CANDIDATE: tuple(_lone_layers(joined, Side.CANDIDATE, theirs)),
            },
        )
        for (ours, theirs), symptoms in list(found.items())[:_MOST]
    )


def _is_of_forward(row: Row) -> bool:
    return row.phase is Phase.FORWARD and row.kind in _MOMENTS


def _symptom(row: Row) -> Optional[Symptom]:
    """Returns a row and its slots; None where one side has none."""
    if row.reference is None or row.candidate is None or not (row.reference.slot and row.candidate.slot):
        return None
    moment = _MOMENTS[row.kind]
    spots = TensorPair(reference=_spot(row.reference, moment), candidate=_spot(row.candidate, moment))
    return Symptom(row=row, spots=spots)


def _spot(place: Place, moment: CallMoment) -> Spot:
    shown = place.shown_by
    path, call = (place.path, place.call) if shown is None else (shown.path, shown.call)
    return Spot(path, call, moment, place.slot)


_Key = tuple[CallName, CallName, CallMoment]


def _key(pair: CallPair) -> _Key:
    return pair.reference.name, pair.candidate.name, pair.moment


def _at(spots: TensorPair[Spot]) -> _Key:
    return spots.reference[:2], spots.candidate[:2], spots.reference.moment


def _around(pair: CallPair, joined: JoinedCalls) -> Optional[Mapping[Side, CallName]]:
    """Returns the calls in which a pair's tensors were made: an output's own, those around an input's."""
    if pair.moment is CallMoment.EXIT:
        return {side: pair.seen(side).name for side in SIDES}
    around = {side: list(joined.calls_around(side, pair.seen(side).name)) for side in SIDES}
    own = pair.name
    name = next((one for one in around[Side.CANDIDATE] if one != own and one in around[Side.REFERENCE]), None)
    found = next((one for one in joined.pairs if one.name == name), None)
    return None if found is None else {side: found.seen(side).name for side in SIDES}


def _lone_layers(joined: JoinedCalls, side: Side, parent: CallName) -> Iterator[str]:
    """Yields the layers called inside a call that are compared with nothing."""
    trace, found = joined.traces[side], dict[str, None]()
    for name in trace.calls:
        pair = joined.plan.call_pair(side, *name)
        if parent in trace.parents(name) and (pair is None or not pair[0].compared):
            found[name[0]] = None
    yield from found
