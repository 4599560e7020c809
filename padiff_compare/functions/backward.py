"""Localisation in backward: the calls that send different gradients on, though equal ones come in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Optional

from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.trace import CallName
from padiff_compare.functions.gradient_causes import Causes
from padiff_compare.functions.gradient_zone import Zone, Zones
from padiff_compare.functions.graph import FunctionGraph
from padiff_compare.functions.links import Graphs, Links
from padiff_compare.functions.locate import Inside, Located, Spot
from padiff_compare.functions.shared_values import SharedValues, Value
from padiff_rpc.v1.records import FunctionBoundary
from padiff_rpc.v1.words import CallMoment, Side

# How far fingerprints of equal values, and of equal gradients, are apart at most. Gradients are sums of terms
# that cancel more than values do.
_TOLERANCE, _OF_GRADIENTS = 1e-5, 1e-4


def locate_backward(
    inside: Inside, wrong_parameters: Collection[str], tolerance: float = _OF_GRADIENTS
) -> tuple[Located, ...]:
    """Returns where the gradients of two calls of layers part whose forward passes agree, the last one first.

    `wrong_parameters`: those of the candidate, by full names, whose gradients are known to differ.
    """
    graphs = {side: FunctionGraph(one.calls, one.tensors) for side, one in inside.traces.items()}
    spots = {side: {Spot.of(one): one for one in inside.traces[side].boundaries} for side in SIDES}
    links = Links(graphs, inside.parameters, _known(inside, spots), _TOLERANCE)
    values = SharedValues(graphs, links, _made_by_layers(inside, graphs, spots), wrong_parameters)
    return tuple(_Search(inside, graphs, links, values, spots).located(min(tolerance, _OF_GRADIENTS)))


class _Search:
    def __init__(
        self,
        inside: Inside,
        graphs: Graphs,
        links: Links,
        values: SharedValues,
        spots: Mapping[Side, Mapping[Spot, FunctionBoundary]],
    ) -> None:
        self._graphs = graphs
        self._links = links
        self._values = values
        compared: Mapping[Side, set[CallName]] = {
            side: {(pair.of(side).path, pair.of(side).call) for pair in inside.slots} for side in SIDES
        }
        self._returned = {side: set(_returned(inside, side)) for side in SIDES}
        self._returned_pairs = [
            pair
            for pair in _known(inside, spots)
            if all(pair.of(side) in self._returned[side] for side in SIDES)
        ]
        self._zones = {
            side: Zones(graphs[side], side, values, compared[side], self._returned[side]) for side in SIDES
        }
        self._causes = Causes(graphs, links, values, self._zones, compared)
        self._replaced = {
            number for spot in inside.replaced for number in _tensors(spots[Side.CANDIDATE].get(spot))
        }

    def located(self, tolerance: float) -> Iterator[Located]:
        come, leave = (
            [value for value in self._telling if self._values.differs(value, tolerance, hooked=hooked)]
            for hooked in (False, True)
        )
        # What the reference's gradient took the place of, taints nothing before it.
        leave = [value for value in leave if not self._is_replaced(value) or self._is_hooked(value)]
        tainted = {number for value in leave for number in value.tensors[Side.CANDIDATE]}
        outside = [value for value in come if self._comes_from_outside(value)]
        for value in reversed(self._telling):
            if value in outside or not (value in come or value in leave):
                continue
            own = set(value.tensors[Side.CANDIDATE])
            if self._zones[Side.CANDIDATE].behind(value, through=tainted) & (tainted - own):
                continue
            found = self._causes.found(value, self._zones_of(value), is_hooked=value not in come)
            if found is not None:
                yield found

    @cached_property
    def _telling(self) -> tuple[Value, ...]:
        """The values whose gradients have to be equal if those of all that is made of them are.

        Both sides make the same of them, and need a gradient, or it ends where they are made.
        """
        return tuple(value for value in self._values.all if self._tells(value))

    def _tells(self, value: Value) -> bool:
        needs = [self._values.needs_gradient(value, side) for side in SIDES]
        if not any(needs):
            return False
        zones = self._zones_of(value)
        if not all(zone.is_closed for zone in zones.values()) or not _lead_to_the_same(zones):
            return False
        return all(needs) or any(zone.cuts for zone in zones.values())

    def _zones_of(self, value: Value) -> Mapping[Side, Zone]:
        return {side: self._zones[side].of(value) for side in SIDES}

    def _is_replaced(self, value: Value) -> bool:
        """Whether the candidate went on with the reference's gradient."""
        has_both = all(self._values.has_gradient(value, side) for side in SIDES)
        return has_both and self._replaced.issuperset(value.roots[Side.CANDIDATE])

    def _is_hooked(self, value: Value) -> bool:
        return any(
            self._graphs[side].tensors[number].hooked_gradient_fingerprint
            for side in SIDES
            for number in value.tensors[side]
        )

    def _comes_from_outside(self, value: Value) -> bool:
        """Whether what the parent returns of a value gets the gradient that differs."""
        return any(
            pair.candidate in value.tensors[Side.CANDIDATE]
            and all(self._graphs[side].tensors[pair.of(side)].needs_gradient for side in SIDES)
            and not self._values.are_gradients_equal(pair)
            for pair in self._returned_pairs
        )


def _lead_to_the_same(zones: Mapping[Side, Zone]) -> bool:
    """Whether both sides make the same of a value; if not, its gradients need not be equal."""
    return len({zone.ends for zone in zones.values()}) == 1


def _known(
    inside: Inside, spots: Mapping[Side, Mapping[Spot, FunctionBoundary]]
) -> Iterator[TensorPair[int]]:
    """Yields tensors that are equal since both sides' rows of them agree."""
    for pair in inside.slots:
        for ours in _tensors(spots[Side.CANDIDATE].get(pair.candidate)):
            for theirs in _tensors(spots[Side.REFERENCE].get(pair.reference)):
                yield TensorPair(reference=theirs, candidate=ours)


def _made_by_layers(
    inside: Inside, graphs: Graphs, spots: Mapping[Side, Mapping[Spot, FunctionBoundary]]
) -> Iterator[TensorPair[int]]:
    """Yields what calls of layers in the parent made that have a partner; what they hand on is another's."""
    for pair in inside.slots:
        made = {side: spots[side].get(pair.of(side)) for side in SIDES}
        reference, candidate = made[Side.REFERENCE], made[Side.CANDIDATE]
        if reference is None or candidate is None or candidate.moment is not CallMoment.EXIT:
            continue
        tensors = TensorPair(reference=reference.tensor, candidate=candidate.tensor)
        makers = [graphs[side].maker(tensors.of(side)) for side in SIDES]
        if all(maker is not None and maker.is_layer for maker in makers):
            yield tensors


def _tensors(boundary: Optional[FunctionBoundary]) -> tuple[int, ...]:
    if boundary is None:
        return ()
    return (boundary.tensor, boundary.replaced_by) if boundary.replaced_by else (boundary.tensor,)


def _returned(inside: Inside, side: Side) -> Iterator[int]:
    trace = inside.traces[side]
    for one in trace.boundaries:
        if (one.path, one.call) == (trace.path, trace.call) and one.moment is CallMoment.EXIT:
            yield from _tensors(one)
