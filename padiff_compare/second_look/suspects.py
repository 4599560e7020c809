"""Suspects: pairs of calls of layers in whose own code a difference arises, and the slots that show it."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Optional

from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.trace import CallName
from padiff_compare.functions.locate import Spot
from padiff_compare.join.calls import CallPair, JoinedCalls
from padiff_compare.judge.judged_row import blank_row, fails
from padiff_compare.model_index import Models
from padiff_compare.steps.row_maker import slot_place
from padiff_rpc.records import record
from padiff_rpc.v1.records import FunctionSelection, Place, Row, Slot
from padiff_rpc.v1.words import CallMoment, CaptureKind, DType, Pass, Phase, Side, Verdict

# A fault that all blocks of a model have is the same fault.
MOST = 8
_MOMENTS = {CaptureKind.INPUT: CallMoment.ENTRY, CaptureKind.OUTPUT: CallMoment.EXIT}


@record
class Symptom:
    """A row, and the slots that show it.

    `is_sure`: it differs, and is no consequence of what differs before it; else fingerprints have to tell.
    """

    row: Row
    spots: TensorPair[Spot]
    is_sure: bool = True


@record
class Suspect:
    """A pair of calls that is looked into: the innermost around something that differs, or any.

    Attributes:
        calls: of both sides.
        symptoms: in order of execution.
        into: on each side, the layers in it that are compared with nothing, so that their code counts as its.
        dtypes: of what shows the symptoms; of its own slots, where it is looked into without any.
    """

    calls: Mapping[Side, CallName]
    symptoms: tuple[Symptom, ...]
    into: Mapping[Side, tuple[str, ...]]
    dtypes: frozenset[DType]

    def selection(self, side: Side) -> FunctionSelection:
        path, call = self.calls[side]
        return FunctionSelection(path=path, call=call, into=self.into[side])


def suspects(rows: Iterable[Row], step: int, joined: JoinedCalls) -> tuple[Suspect, ...]:
    """Returns those of the rows of a step's forward pass that fail, the first ones.

    Judged freely, what comes behind the first row may be its consequence, and is left out.
    """
    symptoms = filter(None, map(_symptom, _sure(rows, step)))
    return tuple(_grouped(joined, symptoms))[:MOST]


def everywhere(rows: Iterable[Row], step: int, joined: JoinedCalls, models: Models) -> Iterator[Suspect]:
    """Yields all pairs of calls of a step's forward pass, with slots that differ or that no row judged."""
    rows = [row for row in rows if row.step == step and _is_of_forward(row)]
    # A row of lockstep comes after the others, and so has the say.
    in_order = sorted(rows, key=lambda row: row.pass_kind is Pass.LOCKSTEP)
    known = {one.spots: one for one in filter(None, map(_symptom, in_order))}
    sure = {id(row) for row in _sure(rows, step)}
    symptoms: list[Symptom] = []
    every: defaultdict[tuple[CallName, CallName], set[DType]] = defaultdict(set)
    for pair in joined.ordered[Side.CANDIDATE]:
        its = every[pair.reference.name, pair.candidate.name]
        for slots in pair.slots.pairs:
            its.update(one.spec.dtype for one in (slots.reference, slots.candidate) if one.spec)
            symptom = _symptom(
                _unjudged(
                    step,
                    pair,
                    TensorPair(reference=slots.reference, candidate=slots.candidate),
                    joined,
                    models,
                )
            )
            assert symptom is not None
            symptom = known.get(symptom.spots, symptom)
            if symptom.row.verdict is Verdict.NOT_COMPARED or fails(symptom.row):
                symptoms.append(dataclasses.replace(symptom, is_sure=id(symptom.row) in sure))
    return _grouped(joined, symptoms, every)


def _sure(rows: Iterable[Row], step: int) -> Sequence[Row]:
    failed = [row for row in rows if row.step == step and _is_of_forward(row) and fails(row)]
    return [row for row in failed if row.pass_kind is Pass.LOCKSTEP] or failed[:1]


def _grouped(
    joined: JoinedCalls,
    symptoms: Iterable[Symptom],
    every: Mapping[tuple[CallName, CallName], Iterable[DType]] = MappingProxyType({}),
) -> Iterator[Suspect]:
    """Returns the pairs of calls in whose code the symptoms arise, and `every` other, with its own dtypes."""
    found: dict[tuple[CallName, CallName], list[Symptom]] = {calls: [] for calls in every}
    pairs = pairs_by_key(joined)
    by_name = {pair.name: pair for pair in reversed(joined.pairs)}
    for symptom in symptoms:
        pair = pairs.get(key_of(symptom.spots))
        calls = _around(pair, joined, by_name) if pair is not None else None
        if calls is not None:
            found.setdefault((calls[Side.REFERENCE], calls[Side.CANDIDATE]), []).append(symptom)
    return as_suspects(joined, found, every)


def as_suspects(
    joined: JoinedCalls,
    found: Mapping[tuple[CallName, CallName], Sequence[Symptom]],
    every: Mapping[tuple[CallName, CallName], Iterable[DType]] = MappingProxyType({}),
) -> Iterator[Suspect]:
    """Yields pairs of calls with their symptoms; of `every` one the dtypes are known beside those of rows."""
    into = {side: _lone_layers(joined, side) for side in SIDES}
    for (ours, theirs), its in found.items():
        calls = {Side.REFERENCE: ours, Side.CANDIDATE: theirs}
        lone = {side: tuple(into[side].get(calls[side], ())) for side in SIDES}
        places = [place for one in its for place in (one.row.reference, one.row.candidate)]
        dtypes = {place.spec.dtype for place in places if place is not None and place.spec is not None}
        dtypes.update(every.get((ours, theirs), ()))
        yield Suspect(calls=calls, symptoms=tuple(its), into=lone, dtypes=frozenset(dtypes))


def _is_of_forward(row: Row) -> bool:
    return row.phase is Phase.FORWARD and row.kind in _MOMENTS


def _symptom(row: Row) -> Optional[Symptom]:
    """Returns a row and its slots; None where one side has none."""
    if row.reference is None or row.candidate is None or not (row.reference.slot and row.candidate.slot):
        return None
    moment = _MOMENTS[row.kind]
    spots = TensorPair(reference=spot(row.reference, moment), candidate=spot(row.candidate, moment))
    return Symptom(row=row, spots=spots)


def _unjudged(step: int, pair: CallPair, slots: TensorPair[Slot], joined: JoinedCalls, models: Models) -> Row:
    """Returns the row that two slots would have."""
    reference, candidate = (
        slot_place(joined.traces[side], models[side], pair.seen(side), slot)
        for side, slot in ((Side.REFERENCE, slots.reference), (Side.CANDIDATE, slots.candidate))
    )
    kind = next(kind for kind, moment in _MOMENTS.items() if moment is pair.moment)
    return blank_row(Phase.FORWARD, kind, reference, candidate, step=step)


def spot(place: Place, moment: CallMoment) -> Spot:
    shown = place.shown_by
    path, call = (place.path, place.call) if shown is None else (shown.path, shown.call)
    return Spot(path, call, moment, place.slot)


_Key = tuple[CallName, CallName, CallMoment]


def pairs_by_key(joined: JoinedCalls) -> Mapping[_Key, CallPair]:
    """Returns the pairs of calls, by what `key_of` says of slots that they show."""
    return {(pair.reference.name, pair.candidate.name, pair.moment): pair for pair in joined.pairs}


def key_of(spots: TensorPair[Spot]) -> _Key:
    return spots.reference[:2], spots.candidate[:2], spots.reference.moment


def _around(
    pair: CallPair, joined: JoinedCalls, by_name: Mapping[CallName, CallPair]
) -> Optional[Mapping[Side, CallName]]:
    """Returns the calls in which a pair's tensors were made: an output's own, those around an input's."""
    if pair.moment is CallMoment.EXIT:
        return {side: pair.seen(side).name for side in SIDES}
    return outside(pair, joined, by_name)


def outside(
    pair: CallPair, joined: JoinedCalls, by_name: Mapping[CallName, CallPair]
) -> Optional[Mapping[Side, CallName]]:
    """Returns the innermost pair of calls around another one; None for the root."""
    around = {side: list(joined.calls_around(side, pair.seen(side).name)) for side in SIDES}
    own = pair.name
    name = next((one for one in around[Side.CANDIDATE] if one != own and one in around[Side.REFERENCE]), None)
    found = by_name.get(name) if name is not None else None
    return None if found is None else {side: found.seen(side).name for side in SIDES}


def _lone_layers(joined: JoinedCalls, side: Side) -> Mapping[CallName, Iterable[str]]:
    """Returns the layers called inside each call that are compared with nothing."""
    trace = joined.traces[side]
    found: defaultdict[CallName, dict[str, None]] = defaultdict(dict)
    for name in trace.calls:
        pair = joined.plan.call_pair(side, *name)
        if pair is None or not pair[0].compared:
            for parent in trace.parents(name):
                found[parent][name[0]] = None
    return found
