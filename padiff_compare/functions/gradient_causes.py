"""Causes in backward: which of the calls that take a value send different gradients on."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Optional

from padiff_compare.capture.sides import SIDES, TensorPair, other
from padiff_compare.capture.trace import CallName
from padiff_compare.functions.gradient_zone import Zone, Zones
from padiff_compare.functions.links import Graphs, Links
from padiff_compare.functions.locate import Located
from padiff_compare.functions.meeting_inputs import are_alike, pair_inputs
from padiff_compare.functions.parting import NOBODY, Calls, Parting
from padiff_compare.functions.shared_values import SharedValues, Value
from padiff_compare.functions.soundness import Soundness
from padiff_compare.functions.walk import Walk
from padiff_rpc.v1.records import FunctionCall, SourceLine
from padiff_rpc.v1.words import FindingKind, Side

_MOST_LINES = 12


class Causes:
    """Names causes: hooks first, then calls at which gradients end, then those that hand them on."""

    def __init__(
        self,
        graphs: Graphs,
        links: Links,
        values: SharedValues,
        zones: Mapping[Side, Zones],
        compared: Mapping[Side, Collection[CallName]],
    ) -> None:
        """`compared`: the calls of layers that have a partner."""
        self._graphs = graphs
        self._links = links
        self._values = values
        self._zones = zones
        self._compared = compared

    def found(self, value: Value, zones: Mapping[Side, Zone], *, is_hooked: bool) -> Optional[Located]:
        """Returns why a value's gradients differ, with its zones; None where nothing between layers is it.

        `is_hooked`: they do only as hooks of the user's leave them.
        """
        hooks = {side: zones[side].hooks for side in SIDES}
        lone = _left(hooks)
        if is_hooked or any(lone.values()):
            return self._one_sided(value, zones, lone if any(lone.values()) else hooks)
        cuts = _left({side: zones[side].cuts for side in SIDES})
        if any(cuts.values()):
            return self._cut(value, zones, cuts)
        calls = {side: _that_count(zones[side]) for side in SIDES}
        if not any(calls.values()):
            return None
        return self._handed_on(value, zones, calls)

    def _one_sided(
        self, value: Value, zones: Mapping[Side, Zone], left: Mapping[Side, Sequence[FunctionCall]]
    ) -> Optional[Located]:
        """Returns the finding of calls that one side makes, or both in another way; None for none."""
        first = {side: left[side][0] if left[side] else None for side in SIDES}
        if not any(first.values()):
            return None
        kind = _KINDS[first[Side.CANDIDATE] is not None, first[Side.REFERENCE] is not None]
        return self._found(kind, value, zones, first)

    def _cut(
        self, value: Value, zones: Mapping[Side, Zone], cuts: Mapping[Side, Sequence[FunctionCall]]
    ) -> Optional[Located]:
        """Returns the finding of a gradient that ends on one side."""
        sides = [side for side in SIDES if cuts[side]]
        found = self._one_sided(value, zones, cuts)
        if found is None or len(sides) != 1:
            return found
        (side,) = sides
        opposite = other(side)
        call, twin = cuts[side][0], self._twin(cuts[side][0], side)
        if twin is not None and not call.is_layout:
            # The same is computed, where gradients are off.
            calls = {side: call, opposite: twin}
            found = self._found(FindingKind.FUNCTION, value, zones, calls)
        return dataclasses.replace(found, without_gradient=side)

    def _twin(self, call: FunctionCall, side: Side) -> Optional[FunctionCall]:
        """Returns the other side's call that makes the same."""
        opposite = other(side)
        for output in call.outputs:
            for partner in self._links.partners(side, output):
                maker = self._graphs[opposite].maker(partner)
                if maker is not None and (are_alike(call, maker) or call.is_layer is maker.is_layer is True):
                    return maker
        return None

    def _handed_on(
        self, value: Value, zones: Mapping[Side, Zone], calls: Mapping[Side, Sequence[FunctionCall]]
    ) -> Optional[Located]:
        """Returns the finding of calls that hand gradients on, and in another way than the other side's."""
        pairs = _paired(calls)
        of_masks = self._of_masks(pairs, value, zones)
        if of_masks is not None:
            return of_masks
        left = _left(calls)
        if all(len(left[side]) == 1 for side in SIDES):
            pairs.append(TensorPair(reference=left[Side.REFERENCE][0], candidate=left[Side.CANDIDATE][0]))
            left = dict.fromkeys(SIDES, ())
        ways: list[Calls] = [{side: pair.of(side) for side in SIDES} for pair in pairs]
        ways += [{**NOBODY, side: call} for side in SIDES for call in left[side]]
        own = [
            way for way in ways if any(call is not None and call.has_own_backward for call in way.values())
        ]
        layers = any(zone.layers for zone in zones.values())
        # A framework's own functions and layers send back what they should, as far as one can choose.
        for chosen in (own, () if layers else ways):
            if len(chosen) == 1:
                return self._of_way(value, zones, chosen[0])
        if layers and not own:
            return None
        firsts = {side: next(iter(left[side] or calls[side]), None) for side in SIDES}
        return self._found(FindingKind.REGION, value, zones, firsts)

    def _of_way(self, value: Value, zones: Mapping[Side, Zone], calls: Calls) -> Located:
        """Returns the finding of the only calls that can be it."""
        alone = next((side for side in SIDES if calls[other(side)] is None), None)
        if alone is None:
            return self._function(value, zones, calls)
        call = calls[alone]
        assert call is not None
        if not self._makes_the_same(call, alone, value):
            return self._found(FindingKind.REGION, value, zones, calls)
        kind = FindingKind.EXTRA if alone is Side.CANDIDATE else FindingKind.MISSING
        return self._found(kind, value, zones, calls)

    def _makes_the_same(self, call: FunctionCall, side: Side, value: Value) -> bool:
        """Whether a call makes the value of itself, so that it may be left out."""
        return all(number in value.tensors[side] for number in call.outputs)

    def _function(self, value: Value, zones: Mapping[Side, Zone], calls: Calls) -> Located:
        candidate, reference = calls[Side.CANDIDATE], calls[Side.REFERENCE]
        assert candidate is not None
        assert reference is not None
        inputs = pair_inputs(self._graphs, self._links, candidate, reference)
        kind = FindingKind.FUNCTION if inputs.are_linked else FindingKind.REGION
        return self._found(kind, value, zones, calls)

    def _of_masks(
        self, pairs: Iterable[TensorPair[FunctionCall]], value: Value, zones: Mapping[Side, Zone]
    ) -> Optional[Located]:
        """Returns the finding of what a pair of calls takes that has no gradient and is not equal."""
        compared = self._compared
        for pair in pairs:
            inputs = pair_inputs(self._graphs, self._links, pair.candidate, pair.reference)
            for at in (*inputs.loose, *inputs.unlike):
                if any(self._graphs[side].tensors[at.of(side)].needs_gradient for side in SIDES):
                    continue
                sound = {
                    side: Soundness(self._graphs[side], self._links, side, compared[side]) for side in SIDES
                }
                walk = Walk(self._graphs, self._links, sound)
                walk.back(at, {side: pair.of(side) for side in SIDES})
                firm = [one for one in walk.found if one.is_firm and one.kind is not FindingKind.REGION]
                if firm:
                    parting = min(firm, key=lambda one: one.order)
                    return dataclasses.replace(self._located(parting, value, zones), of_values=True)
        return None

    def _found(self, kind: FindingKind, value: Value, zones: Mapping[Side, Zone], calls: Calls) -> Located:
        at = TensorPair(
            reference=value.tensors[Side.REFERENCE][0], candidate=value.tensors[Side.CANDIDATE][0]
        )
        users = self._users(value, calls)
        # What one side lacks would stand where it makes the value.
        shown = {side: calls[side] or self._graphs[side].maker(at.of(side)) for side in SIDES}
        lacking = [side for side in SIDES if not self._values.has_gradient(value, side)]
        without = lacking[0] if len(lacking) == 1 and kind is FindingKind.FUNCTION else None
        parting = Parting(kind=kind, at=at, calls=shown, users=users, is_firm=True)
        return dataclasses.replace(self._located(parting, value, zones), without_gradient=without)

    def _users(self, value: Value, calls: Calls) -> Calls:
        """Returns what takes the results, the same on both sides if there is such."""
        takers = {side: self._zones[side].takers(value, calls[side]) for side in SIDES}
        alike = next(
            (
                {Side.CANDIDATE: ours, Side.REFERENCE: theirs}
                for ours in takers[Side.CANDIDATE]
                for theirs in takers[Side.REFERENCE]
                if are_alike(ours, theirs)
            ),
            None,
        )
        return alike or {side: next(iter(takers[side]), None) for side in SIDES}

    def _located(self, parting: Parting, value: Value, zones: Mapping[Side, Zone]) -> Located:
        return Located(
            parting=parting,
            lines={side: tuple(_lines(zones[side].calls))[:_MOST_LINES] for side in SIDES},
            value=frozenset(value.tensors[Side.CANDIDATE]),
            mark=self._mark(value),
        )

    def _mark(self, value: Value) -> str:
        """Returns the name by which both sides marked a value; empty for none."""
        ours, theirs = (
            [self._graphs[side].tensors[number].mark for number in value.tensors[side]]
            for side in (Side.CANDIDATE, Side.REFERENCE)
        )
        return next((name for name in ours if name and name in theirs), "")


# By whether the candidate has such a call, and the reference.
_KINDS = {
    (True, True): FindingKind.FUNCTION,
    (True, False): FindingKind.EXTRA,
    (False, True): FindingKind.MISSING,
}


def _that_count(zone: Zone) -> Sequence[FunctionCall]:
    """Returns the calls of a zone that do more than move elements, if any do."""
    return [call for call in zone.calls if not call.is_layout or call.has_own_backward]


def _paired(calls: Mapping[Side, Sequence[FunctionCall]]) -> list[TensorPair[FunctionCall]]:
    """Returns calls of both sides that compute the same kind of thing, in order."""
    open_ = list(calls[Side.REFERENCE])
    found = []
    for ours in calls[Side.CANDIDATE]:
        theirs = next((one for one in open_ if are_alike(ours, one)), None)
        if theirs is not None:
            open_.remove(theirs)
            found.append(TensorPair(reference=theirs, candidate=ours))
    return found


def _left(calls: Mapping[Side, Sequence[FunctionCall]]) -> Mapping[Side, Sequence[FunctionCall]]:
    """Returns the calls of each side that the other has none of their kind for."""
    pairs = _paired(calls)
    return {
        side: [call for call in calls[side] if all(call is not pair.of(side) for pair in pairs)]
        for side in SIDES
    }


def _lines(calls: Iterable[FunctionCall]) -> Iterator[SourceLine]:
    lines: dict[tuple[str, int], SourceLine] = {}
    for call in calls:
        if call.source is not None and call.source.line:
            lines.setdefault((call.source.file, call.source.line), call.source)
    yield from lines.values()
