"""Correspondences by value: which slots hold the same numbers, whatever their names and order."""

from __future__ import annotations

import dataclasses
import enum
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Optional, Protocol, Union

from padiff_compare.alignment.activations import ACTIVATIONS, Activation
from padiff_compare.alignment.common_parts import TimeFirst, packed_side
from padiff_compare.alignment.correspondences import Correspondence, Correspondences, Moment, Way
from padiff_compare.alignment.layouts import Layout, layouts
from padiff_compare.alignment.slots import SlotPair, tensors_of
from padiff_compare.alignment.spreads import Spread, spreads
from padiff_compare.capture.sides import SIDES, TensorPair, other
from padiff_compare.capture.trace import CallName, Origin, SeenCall
from padiff_compare.join.calls import CallPair, JoinedCalls
from padiff_compare.layout_rules import axes
from padiff_compare.model_index import Models
from padiff_compare.rehearsal.told_activations import told_activations
from padiff_rpc.v1.records import Slot
from padiff_rpc.v1.words import CallMoment, Side

# Mean squares of the same values in another order are closer than this.
_ALIKE = 1e-2
# Comparisons of a call's slots at most, besides those that pair by position.
_MOST_TRIES = 256


# The calls whose own code decides by chance.
Drawing = Mapping[Side, Collection[CallName]]


class Values(Protocol):
    """What can be asked of the tensors of a pass, by their numbers."""

    def agree(self, pair: TensorPair[int], way: Way) -> bool:
        """Whether two hold the same values in some way; None: as they are."""

    def apart(self, pair: TensorPair[int]) -> float:
        """Returns how far their mean squares are apart, relative to the larger; it costs nothing."""

    def makes(self, activation: Activation, side: Side, given: int, made: int) -> bool:
        """Whether the activation makes one tensor of a side of another of the same side."""


class _Standing(enum.Enum):
    """How two slots stand to each other: as paired, in a way of their own that was found, or not at all."""

    AGREE = enum.auto()
    FOUND = enum.auto()
    DIFFER = enum.auto()


@dataclasses.dataclass
class _Place:
    """Two slots of a paired call, and what was found of them.

    A correspondence that was not found is known, however the values stand to each other.
    """

    call: CallPair
    reference: Slot
    candidate: Slot
    standing: _Standing
    correspondence: Optional[Correspondence] = None

    @property
    def tensors(self) -> TensorPair[int]:
        return tensors_of(self.reference, self.candidate)


class ValueMatching:
    """Finds correspondences in one forward pass of both sides, whose values are all here.

    A place is tried as it is paired, then with the other slots of its call, then in other layouts and as a
    repetition, then, an output, against what the other side made of its counterpart next. What is found is
    believed only where values agree behind it that need no finding, or where it confirms itself (see
    `_confirms_itself`). So a port that swaps two values, or transposes one, and goes on with them wrongly,
    differs where it did so.
    What the whole model returns is tried in no other way, wherever it shows: its user sees the difference.
    An activation that a layer tells is known from the start: before it values may agree by chance (a ReLU
    leaves alone what is not negative), and behind it they may differ by noise.
    """

    def __init__(self, joined: JoinedCalls, values: Values, models: Models, drawing: Drawing) -> None:
        """`joined`: the pass, as names and order pair its slots."""
        self._calls = joined.ordered[Side.CANDIDATE]
        self._traces = joined.traces
        self._values = values
        self._drawing = drawing
        self._told = told_activations(joined, models)
        self._paired = {side: {call.seen(side).name for call in joined.pairs} for side in SIDES}
        # The candidate's calls that make other paired calls.
        self._holders = {self._traces[Side.CANDIDATE].parent(name) for name in self._paired[Side.CANDIDATE]}
        self._returned = {
            pair.tensors for call in joined.pairs if call.is_root_exit for pair in call.slots.pairs
        }

    def correspondences(self) -> Correspondences:
        """Returns what was found and confirmed."""
        steps = [step for step in (list(self._places(call)) for call in self._calls) if step]
        places = [place for step in steps for place in step]
        found = [place for place in places if place.correspondence and place.standing is not _Standing.FOUND]
        doubted: set[TensorPair[int]] = set()
        for run, follower in _runs(steps):
            places = [place for place in run if place.standing is _Standing.FOUND]
            if follower is _Standing.AGREE or self._confirms_itself(run):
                found += places
            else:
                doubted.update(place.tensors for place in places)
        # Two tensors are judged in one way wherever they show.
        confirmed = [place for place in found if place.tensors not in doubted]
        return self._by_call([*confirmed, *self._presumed(steps, confirmed)])

    def _presumed(self, steps: Iterable[Iterable[_Place]], confirmed: Sequence[_Place]) -> Iterator[_Place]:
        """Yields places, of those not confirmed, in the order of axes in which places before them are.

        Those that differ in every way do so in that one as well; but then it is their values that differ, and
        lockstep can put the reference's there. Where shapes do not tell, another place of the call has to.
        """
        believed = set(map(id, confirmed))
        orders: dict[int, Layout] = {}
        turned: set[CallName] = set()
        left: set[TensorPair[int]] = set()
        for place in itertools.chain.from_iterable(steps):
            shapes = place.reference.spec.shape, place.candidate.spec.shape
            way = place.correspondence.way if place.correspondence is not None else None
            order = orders.get(len(shapes[0]))
            if id(place) in believed:
                if isinstance(way, Layout) and way.before and not way.after:
                    orders[len(way.before)] = way
                    turned.add(place.call.name)
            elif place.tensors in self._returned | left or order is None:
                left.add(place.tensors)
            elif place.standing is _Standing.FOUND and way == order:
                yield place
            elif place.standing is _Standing.DIFFER and place.correspondence is None:
                is_open = shapes[0] != shapes[1] or place.call.name in turned
                if is_open and axes(order.before).shape_or_none(shapes[0]) == shapes[1]:
                    pair = SlotPair(reference=place.reference, candidate=place.candidate)
                    yield _placed(place.call, pair, order)

    def _by_call(self, confirmed: Sequence[_Place]) -> Correspondences:
        layers = {place.call.layer.reference for place in confirmed}
        found: dict[Moment, tuple[Correspondence, ...]] = {
            _moment(call): () for call in self._calls if call.layer.reference in layers
        }
        for place in confirmed:
            assert place.correspondence is not None
            found[_moment(place.call)] += (place.correspondence,)
        return Correspondences(found=found)

    def _places(self, call: CallPair) -> Iterator[_Place]:
        """Yields the slots of one call in pairs, as they agree best."""
        agreeing = [pair for pair in call.slots.pairs if self._as_is(pair)]
        yield from (_Place(call, pair.reference, pair.candidate, _Standing.AGREE) for pair in agreeing)
        differing = [pair for pair in call.slots.pairs if not self._as_is(pair)]
        if call.is_root_exit:
            yield from (_Place(call, pair.reference, pair.candidate, _Standing.DIFFER) for pair in differing)
            return
        left = [pair.reference for pair in differing] + list(call.slots.only_reference)
        right = [pair.candidate for pair in differing] + list(call.slots.only_candidate)
        for reference, candidate, way in self._matches(differing, left, right):
            left.remove(reference)
            right.remove(candidate)
            yield _placed(call, SlotPair(reference=reference, candidate=candidate), way)
        for pair in differing:
            if pair.reference in left and pair.candidate in right:
                yield self._elsewhere(call, pair)

    def _agree(self, pair: TensorPair[int], way: Way) -> bool:
        """Whether two hold the same values in some way; as they are never before a told activation."""
        return (way is not None or pair not in self._told) and self._values.agree(pair, way)

    def _as_is(self, pair: SlotPair) -> bool:
        return self._agree(pair.tensors, None)

    def _matches(
        self, differing: Sequence[SlotPair], left: Sequence[Slot], right: Sequence[Slot]
    ) -> list[tuple[Slot, Slot, Way]]:
        """Returns slots of one call that agree: as they are, then as they are paired, then in any way.

        Slots that are paired with none come first: another's partner may hold the same values by a fault.
        """
        tries = itertools.repeat(None, _MOST_TRIES)
        free = list(left), list(right)
        found: list[tuple[Slot, Slot, Way]] = []

        def take(ours: Slot, theirs: Slot, ways: Iterable[Way]) -> None:
            if ours not in free[0] or theirs not in free[1] or not self._alike(ours, theirs):
                return
            for way, _ in zip(ways, tries):
                if way is not None and tensors_of(ours, theirs) in self._returned:
                    return
                if self._agree(tensors_of(ours, theirs), way):
                    found.append((ours, theirs, way))
                    free[0].remove(ours)
                    free[1].remove(theirs)
                    return

        for ours, theirs in self._nearest_first(left, right):
            take(ours, theirs, (None,))
        for pair in differing:
            take(pair.reference, pair.candidate, _ways(pair.reference, pair.candidate))
        lone = [slot for slot in left if all(slot is not pair.reference for pair in differing)]
        others = [slot for slot in right if all(slot is not pair.candidate for pair in differing)]
        for ours, theirs in (*self._nearest_first(lone, others), *self._nearest_first(left, right)):
            take(ours, theirs, _ways(ours, theirs))
        return found

    def _nearest_first(self, left: Sequence[Slot], right: Sequence[Slot]) -> Iterator[tuple[Slot, Slot]]:
        """Yields all pairs; of each left slot those first whose values are of the most similar size."""
        for ours in left:
            by_distance = {id(slot): self._values.apart(tensors_of(ours, slot)) for slot in right}
            for theirs in sorted(right, key=lambda slot: by_distance[id(slot)]):
                yield ours, theirs

    def _alike(self, ours: Slot, theirs: Slot) -> bool:
        return self._values.apart(tensors_of(ours, theirs)) <= _ALIKE

    def _elsewhere(self, call: CallPair, pair: SlotPair) -> _Place:
        """Returns the place of an output, with a stand-in where a layer does what the other side does next.

        What the layer returns is then equal to what the other side's code makes behind its counterpart; where
        the other side shows that nowhere, to a known activation of it. Where the layer tells the activation,
        the other side's own values say what that makes.
        """
        if call.moment is CallMoment.ENTRY:
            return _Place(call, pair.reference, pair.candidate, _Standing.DIFFER)
        told = self._told.get(pair.tensors)
        for side in SIDES if told is None else (other(told.side),):
            for place, slot in self._made_next(side, call.seen(side).name):
                ours, theirs = pair.reference, pair.candidate
                ours, theirs = (slot, theirs) if side is Side.REFERENCE else (ours, slot)
                if told is not None and self._values.makes(told, side, pair.tensors.of(side), slot.tensor):
                    return self._known(_placed(call, pair, None, {side: place}, (ours, theirs)))
                for way in (None, *_ways(ours, theirs)) if self._alike(ours, theirs) else ():
                    if self._agree(tensors_of(ours, theirs), way):
                        return _placed(call, pair, way, {side: place}, (ours, theirs))
        for activation in ACTIVATIONS if told is None else (told,):
            if self._agree(pair.tensors, activation):
                return _placed(call, pair, activation)
        if told is not None:
            return self._known(_placed(call, pair, told))
        return _Place(call, pair.reference, pair.candidate, _Standing.DIFFER)

    def _known(self, place: _Place) -> _Place:
        """Returns a place whose correspondence nothing has to confirm."""
        assert place.correspondence is not None
        agrees = self._agree(place.tensors, place.correspondence.way)
        return dataclasses.replace(place, standing=_Standing.AGREE if agrees else _Standing.DIFFER)

    def _made_next(self, side: Side, name: CallName) -> Iterator[tuple[Origin, Slot]]:
        """Yields the tensors that a side's own code shows next behind a call, or layers without a partner.

        What another paired layer returns is that layer's own, and judged there: nothing from there on.
        """
        trace = self._traces[side]
        around, end = trace.parents(name), trace.exit_of(name)
        for later in trace.seen[end.index + 1 :] if end is not None else ():
            is_exit = later.event.moment is CallMoment.EXIT
            if is_exit and later.name in self._paired[side] and later.name not in around:
                return
            for slot in later.event.slots:
                if trace.first(slot.tensor).at is later and not self._may_be_drawn(side, later):
                    yield later.origin(slot), slot

    def _may_be_drawn(self, side: Side, shown: SeenCall) -> bool:
        """Whether what an event shows first was made by a call whose own code decides by chance.

        A dropout may lie between, and decides nothing in this pass.
        """
        is_exit = shown.event.moment is CallMoment.EXIT
        maker = shown.name if is_exit else self._traces[side].parent(shown.name)
        return maker in self._drawing[side]

    def _confirms_itself(self, run: Sequence[_Place]) -> bool:
        """Whether places that are all found show by themselves that they are right.

        They do where, behind the first of them, code between the layers made a tensor, or a layer with others
        in it: a wrong layout would have gone wrong there. A layer alone may work on each element, whatever
        the layout.
        """
        first = run[0]
        return any(
            self._is_made_anew(place)
            for place in run
            if place.call is not first.call and place.tensors != first.tensors
        )

    def _is_made_anew(self, place: _Place) -> bool:
        """Whether the candidate made the place's tensor of others in more than one layer."""
        first = self._traces[Side.CANDIDATE].first(place.candidate.tensor).at
        return first.event.moment is CallMoment.ENTRY or first.name in self._holders


def _placed(
    call: CallPair,
    pair: SlotPair,
    way: Way,
    stand_ins: Optional[Mapping[Side, Origin]] = None,
    shown: Optional[tuple[Slot, Slot]] = None,
) -> _Place:
    """Returns the place of two slots that was found; `shown`: the tensors there, where some stand in."""
    found = Correspondence(
        reference=pair.reference.name, candidate=pair.candidate.name, way=way, stand_ins=stand_ins or {}
    )
    return _Place(call, *(shown or (pair.reference, pair.candidate)), _Standing.FOUND, found)


def _runs(steps: Sequence[Sequence[_Place]]) -> Iterator[tuple[list[_Place], Optional[_Standing]]]:
    """Yields the places of calls in a row that have to be confirmed together, and how what follows stands.

    A call stands as the worst of its places: that a mask agrees beside it says nothing of a layout.
    """
    run: list[_Place] = []
    for step in steps:
        standings = {place.standing for place in step}
        standing = next(
            one for one in (_Standing.DIFFER, _Standing.FOUND, _Standing.AGREE) if one in standings
        )
        if standing is _Standing.FOUND:
            run += step
        elif run:
            yield run, standing
            run = []
    if run:
        yield run, None


def _ways(reference: Slot, candidate: Slot) -> Iterator[Union[Layout, Spread, TimeFirst]]:
    if packed_side(reference, candidate) is not None:
        return iter([TimeFirst()])
    shapes = reference.spec.shape, candidate.spec.shape
    return itertools.chain(layouts(*shapes), spreads(*shapes))


def _moment(call: CallPair) -> Moment:
    return *call.name, call.moment
