"""Suspects: pairs of calls of layers in whose own code a difference arises, and the slots that show it."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

# The calls of a pair: by side, or the reference's first.
Calls = Mapping[Side, CallName]
_Names = tuple[CallName, CallName]


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

    calls: Calls
    symptoms: tuple[Symptom, ...]
    into: Mapping[Side, tuple[str, ...]]
    dtypes: frozenset[DType]

    def selection(self, side: Side) -> FunctionSelection:
        path, call = self.calls[side]
        return FunctionSelection(path=path, call=call, into=self.into[side])


def suspects(rows: Iterable[Row], step: int, joined: JoinedCalls) -> tuple[Suspect, ...]:
    """Returns those of the rows of a step's forward pass that fail, the first ones."""
    found = Found(joined)
    for symptom in filter(None, map(_symptom, failing(rows, step, _is_of_forward))):
        found.add(found.around(symptom), symptom)
    return tuple(found.suspects())[:MOST]


def everywhere(rows: Iterable[Row], step: int, joined: JoinedCalls, models: Models) -> Iterator[Suspect]:
    """Yields all pairs of calls of a step's forward pass, with slots that differ or that no row judged."""
    rows = [row for row in rows if row.step == step and _is_of_forward(row)]
    # A row of lockstep comes after the others, and so has the say.
    in_order = sorted(rows, key=lambda row: row.pass_kind is Pass.LOCKSTEP)
    known = {one.spots: one for one in filter(None, map(_symptom, in_order))}
    sure = {id(row) for row in failing(rows, step, _is_of_forward)}
    found = Found(joined)
    symptoms: list[Symptom] = []
    for pair in joined.ordered[Side.CANDIDATE]:
        dtypes = found.dtypes(pair)
        for slots in pair.slots.pairs:
            dtypes.update(one.spec.dtype for one in (slots.reference, slots.candidate) if one.spec)
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
    for symptom in symptoms:
        found.add(found.around(symptom), symptom)
    return found.suspects()


def failing(rows: Iterable[Row], step: int, is_meant: Callable[[Row], bool]) -> Sequence[Row]:
    """Returns the rows of a step that are meant and fail, by what was judged in lockstep where anything was.

    Judged freely, what comes behind the first row may be its consequence, and is left out.
    """
    failed = [row for row in rows if row.step == step and is_meant(row) and fails(row)]
    return [row for row in failed if row.pass_kind is Pass.LOCKSTEP] or failed[:1]


class Found:
    """Suspects as they are found, each once."""

    def __init__(self, joined: JoinedCalls) -> None:
        self._joined = joined
        self._pairs = {(pair.reference.name, pair.candidate.name, pair.moment): pair for pair in joined.pairs}
        self._by_name = {pair.name: pair for pair in reversed(joined.pairs)}
        self._symptoms: defaultdict[_Names, list[Symptom]] = defaultdict(list)
        self._dtypes: defaultdict[_Names, set[DType]] = defaultdict(set)

    def pair(self, symptom: Symptom) -> Optional[CallPair]:
        """Returns the calls whose slots show it; None where no pair does."""
        reference, candidate = symptom.spots.reference, symptom.spots.candidate
        return self._pairs.get((reference[:2], candidate[:2], reference.moment))

    def around(self, symptom: Symptom) -> Optional[Calls]:
        """Returns the calls in which its tensors were made: an output's own, those around an input's."""
        pair = self.pair(symptom)
        if pair is None or pair.moment is not CallMoment.EXIT:
            return self.outside(pair) if pair is not None else None
        return {side: pair.seen(side).name for side in SIDES}

    def outside(self, pair: CallPair) -> Optional[Calls]:
        """Returns the innermost pair of calls around another one; None for the root."""
        around = {side: list(self._joined.calls_around(side, pair.seen(side).name)) for side in SIDES}
        own, others = pair.name, around[Side.REFERENCE]
        name = next((one for one in around[Side.CANDIDATE] if one != own and one in others), None)
        found = self._by_name.get(name) if name is not None else None
        return None if found is None else {side: found.seen(side).name for side in SIDES}

    def dtypes(self, pair: CallPair) -> set[DType]:
        """Returns the dtypes of a pair that is a suspect also without a symptom, to be added to."""
        names = pair.reference.name, pair.candidate.name
        self._symptoms.setdefault(names, [])
        return self._dtypes[names]

    def add(self, calls: Optional[Calls], symptom: Symptom) -> None:
        """Makes these calls a suspect, if they are known."""
        if calls is not None:
            self._symptoms[calls[Side.REFERENCE], calls[Side.CANDIDATE]].append(symptom)

    def suspects(self) -> Iterator[Suspect]:
        """Yields them, in the order in which they were found."""
        into = {side: _lone_layers(self._joined, side) for side in SIDES}
        for (ours, theirs), its in self._symptoms.items():
            calls = {Side.REFERENCE: ours, Side.CANDIDATE: theirs}
            lone = {side: tuple(into[side].get(calls[side], ())) for side in SIDES}
            places = [place for one in its for place in (one.row.reference, one.row.candidate)]
            shown = {place.spec.dtype for place in places if place is not None and place.spec is not None}
            dtypes = frozenset(shown | self._dtypes[ours, theirs])
            yield Suspect(calls=calls, symptoms=tuple(its), into=lone, dtypes=dtypes)


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
