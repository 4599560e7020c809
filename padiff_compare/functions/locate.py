"""Localisation: from a slot that differs to the functions that made it differ, inside two calls of layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Optional

from padiff_compare.capture.sides import SIDES, TensorPair, other
from padiff_compare.capture.trace import CallName
from padiff_compare.functions.graph import FunctionGraph
from padiff_compare.functions.heads import Heads
from padiff_compare.functions.likeness import (
    Likeness,
    TensorShapes,
    distances,
    elements,
    likeness,
    stacked,
)
from padiff_compare.functions.links import Graphs, Links, Parameters
from padiff_compare.functions.meeting_inputs import pair_inputs
from padiff_compare.functions.parting import Calls, Parting
from padiff_compare.functions.soundness import Soundness
from padiff_compare.functions.walk import Walk
from padiff_rpc.records import record
from padiff_rpc.v1.records import FunctionBoundary, FunctionCall, FunctionTensor, FunctionTrace, SourceLine
from padiff_rpc.v1.words import CallMoment, FindingKind, Side

# How far two fingerprints of the same values are apart at most, on the same inputs. Where what is looked
# for is smaller, less is allowed, as far as rounding lets tensors be told apart.
_TOLERANCE, _LEAST = 1e-5, 2e-6
# How far they are where no row says that two slots differ.
_UNLIKE = 1e-4
_MOST_LINES = 12


class Spot(NamedTuple):
    """A slot of a call of a layer."""

    path: str
    call: int
    moment: CallMoment
    slot: str

    @classmethod
    def of(cls, boundary: FunctionBoundary) -> Spot:
        return cls(boundary.path, boundary.call, boundary.moment, boundary.slot)


@record
class Inside:
    """The inside of one pair of calls.

    Attributes:
        traces: of both sides, in lockstep.
        slots: those that the plan pairs, of these calls and of those in them.
        parameters: by the candidate's name, the reference's weights that it holds.
        replaced: the candidate's slots whose gradients the reference's take the place of.
    """

    traces: Mapping[Side, FunctionTrace]
    slots: tuple[TensorPair[Spot], ...]
    parameters: Parameters
    replaced: frozenset[Spot] = frozenset()


@record
class Located:
    """A parting, and the lines between equal tensors and those that differ, by side.

    Attributes:
        value: in backward the candidate's tensors of the value whose gradient differs.
        without_gradient: the side that has none there.
        of_values: in backward, the calls make different values, which decide where gradients go.
        mark: the user's on the tensors that differ, or whose gradients do; empty for none.
    """

    parting: Parting
    lines: Mapping[Side, tuple[SourceLine, ...]]
    value: frozenset[int] = frozenset()
    without_gradient: Optional[Side] = None
    of_values: bool = False
    mark: str = ""


def locate(inside: Inside, sink: TensorPair[Spot]) -> tuple[Located, ...]:
    """Returns where the two sides part on the way to a pair of slots that differs; () where nothing tells."""
    spots = {side: {Spot.of(one): one for one in inside.traces[side].boundaries} for side in SIDES}
    if any(sink.of(side) not in spots[side] for side in SIDES):
        return ()
    at = TensorPair(
        reference=spots[Side.REFERENCE][sink.reference].tensor,
        candidate=spots[Side.CANDIDATE][sink.candidate].tensor,
    )
    graphs = {side: _graph(inside.traces[side], sink.of(side), at.of(side)) for side in SIDES}
    tolerance = _tolerance(graphs, at)
    if tolerance < _LEAST:
        return ()
    links = Links(graphs, inside.parameters, _known(inside, spots), tolerance)
    if links.likeness(at) is Likeness.EQUAL and _have_one_shape(graphs, at):
        return ()
    marked = _first_mark(graphs, links)
    located = _Search(inside, graphs, links).located(marked or at)
    if marked is None:
        return located
    mark = graphs[Side.CANDIDATE].tensors[marked.candidate].mark
    return tuple(dataclasses.replace(one, mark=mark) for one in located)


def differ(inside: Inside, spots: TensorPair[Spot]) -> bool:
    """Whether two slots hold values of one size that are further apart than rounding makes them."""
    found = []
    for side in SIDES:
        trace = inside.traces[side]
        number = next((one.tensor for one in trace.boundaries if Spot.of(one) == spots.of(side)), 0)
        if not number or not FunctionGraph(trace.calls, trace.tensors).tells(number):
            return False
        found.append(trace.tensors[number - 1])
    ours, theirs = found
    if ours.kind is not theirs.kind or elements(ours) != elements(theirs):
        return False
    if not (ours.fingerprint and theirs.fingerprint):
        return False
    first, second = stacked(found)
    apart = distances(first[None, :], second[None, :])
    shapes = TensorShapes(candidate=ours.spec.shape, reference=theirs.spec.shape)
    return likeness(apart, 0, shapes, _UNLIKE) < Likeness.OTHER_AXES


class _Search:
    def __init__(self, inside: Inside, graphs: Graphs, links: Links) -> None:
        self._graphs = graphs
        self._links = links
        compared: Mapping[Side, set[CallName]] = {
            side: {(pair.of(side).path, pair.of(side).call) for pair in inside.slots} for side in SIDES
        }
        self._sound = {side: Soundness(graphs[side], links, side, compared[side]) for side in SIDES}

    def located(self, at: TensorPair[int]) -> tuple[Located, ...]:
        walk = Walk(self._graphs, self._links, self._sound)
        walk.back(at)
        # What is not firm rests on calls that need not correspond.
        firm = [one for one in walk.found if one.is_firm and one.kind is not FindingKind.REGION]
        regions = [one for one in walk.found if one.is_firm and one.kind is FindingKind.REGION]
        weak = regions or [Parting(kind=FindingKind.REGION, at=at, calls=self._makers(at))]
        found: dict[object, Parting] = {}
        for one in sorted(firm or map(self._settled, weak), key=lambda parting: parting.order):
            found.setdefault((one.kind, *(_number(one.calls[side]) for side in SIDES)), one)
        return tuple(Located(parting=one, lines=self._lines(one)) for one in found.values())

    def _makers(self, at: TensorPair[int]) -> Calls:
        return {side: self._graphs[side].maker(at.of(side)) for side in SIDES}

    def _settled(self, parting: Parting) -> Parting:
        """Returns a region as the functions that it comes to, where its calls tell; else as it is."""
        cones = {side: self._sound[side].cone(parting.at.of(side)) for side in SIDES}
        whole = self._as_one_function(parting, cones)
        if whole is not None:
            return whole
        return Heads(self._graphs, self._links, self._sound).named(parting, cones)

    def _as_one_function(
        self, parting: Parting, cones: Mapping[Side, tuple[FunctionCall, ...]]
    ) -> Optional[Parting]:
        """Returns the parting of a region that is one call of the user's on each side, on equal tensors."""
        if any(len({call.group for call in cones[side]}) != 1 for side in SIDES):
            return None
        # As one call it takes what lies before all of its parts.
        ours, theirs = (_whole(cones[side]) for side in (Side.CANDIDATE, Side.REFERENCE))
        if not pair_inputs(self._graphs, self._links, ours, theirs).are_linked:
            return None
        calls = {side: cones[side][-1] for side in SIDES}
        return dataclasses.replace(parting, kind=FindingKind.FUNCTION, calls=calls)

    def _lines(self, parting: Parting) -> Mapping[Side, tuple[SourceLine, ...]]:
        return {side: tuple(self._lines_of(parting, side))[:_MOST_LINES] for side in SIDES}

    def _lines_of(self, parting: Parting, side: Side) -> Iterator[SourceLine]:
        tensor = parting.at.of(side)
        if self._links.are_linked(side, tensor) and parting.kind is not FindingKind.LAYOUT:
            return
        lines: dict[tuple[str, int], SourceLine] = {}
        cone = self._sound[side].cone(tensor)
        shaped = {call.number: call for one in cone for call in self._shaping(side, one)}
        for call in sorted((*cone, *shaped.values()), key=lambda one: one.number):
            if call.source is not None and call.source.line:
                lines.setdefault((call.source.file, call.source.line), call.source)
        yield from lines.values()

    def _shaping(self, side: Side, call: FunctionCall) -> Iterator[FunctionCall]:
        """Yields what gave sound tensors that a call takes a shape that they have on this side alone."""
        graph = self._graphs[side]
        for number in call.inputs:
            shape, there = graph.tensors[number].spec.shape, self._graphs[other(side)].tensors
            partners = self._links.partners(side, number)
            maker = graph.maker(number)
            is_move = maker is not None and maker.is_layout and not maker.is_layer
            if maker is not None and is_move and all(there[one].spec.shape != shape for one in partners):
                yield maker


def _graph(trace: FunctionTrace, sink: Spot, tensor: int) -> FunctionGraph:
    """Returns the graph of what had run when the sink's slot was seen."""
    is_entry = sink.moment is CallMoment.ENTRY
    layer = next(
        (
            call
            for call in trace.calls
            if is_entry and call.is_layer and (call.layer_path, call.layer_call) == sink[:2]
        ),
        None,
    )
    entries = {
        one.tensor
        for one in trace.boundaries
        if (one.path, one.call) == (trace.path, trace.call) and one.moment is CallMoment.ENTRY
    }
    return FunctionGraph(trace.calls, trace.tensors).until(layer, {tensor, *entries})


def _known(
    inside: Inside, spots: Mapping[Side, Mapping[Spot, FunctionBoundary]]
) -> Iterator[TensorPair[int]]:
    """Yields tensors that are equal since lockstep made them so: the calls' own inputs, results of layers."""
    own = {side: (inside.traces[side].path, inside.traces[side].call) for side in SIDES}
    for pair in inside.slots:
        seen = {side: spots[side].get(pair.of(side)) for side in SIDES}
        reference, candidate = seen[Side.REFERENCE], seen[Side.CANDIDATE]
        if reference is None or candidate is None:
            continue
        is_own = all(pair.of(side)[:2] == own[side] for side in SIDES)
        is_given = is_own if candidate.moment is CallMoment.ENTRY else not is_own
        if is_given or candidate.replaced_by:
            yield TensorPair(reference=reference.tensor, candidate=candidate.replaced_by or candidate.tensor)


def _tolerance(graphs: Graphs, at: TensorPair[int]) -> float:
    """Returns how far apart equal tensors may be: less than the two are that differ."""
    tensors = [graphs[side].tensors[at.of(side)] for side in SIDES]
    if not all(one.fingerprint for one in tensors) or len({elements(one) for one in tensors}) > 1:
        return _TOLERANCE
    first, second = stacked(tensors)
    apart = float(distances(first, second).flat)
    return min(_TOLERANCE, apart / 4) if apart else _TOLERANCE


def _have_one_shape(graphs: Graphs, at: TensorPair[int]) -> bool:
    return len({graphs[side].tensors[at.of(side)].spec.shape for side in SIDES}) == 1


def _first_mark(graphs: Graphs, links: Links) -> Optional[TensorPair[int]]:
    """Returns the first two tensors that the user marked by one name and that are not equal."""
    marks = {side: {one.mark: one.number for one in _marked(graphs[side])} for side in SIDES}
    for name, number in marks[Side.CANDIDATE].items():
        if name in marks[Side.REFERENCE]:
            pair = TensorPair(reference=marks[Side.REFERENCE][name], candidate=number)
            if not links.stand(pair):
                return pair
    return None


def _marked(graph: FunctionGraph) -> Iterable[FunctionTensor]:
    return (one for one in graph.tensors.values() if one.mark)


def _whole(calls: tuple[FunctionCall, ...]) -> FunctionCall:
    made = {number for call in calls for number in call.outputs}
    taken = dict.fromkeys(number for call in calls for number in call.inputs if number not in made)
    return dataclasses.replace(calls[-1], inputs=tuple(taken))


def _number(call: Optional[FunctionCall]) -> int:
    return call.number if call is not None else 0
