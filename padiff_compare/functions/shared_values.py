"""Values that both sides hold, of tensors that are equal in forward, and the gradients that reach them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_compare.capture.sides import SIDES, TensorPair, other
from padiff_compare.functions.likeness import Likeness, elements
from padiff_compare.functions.links import Graphs, Links
from padiff_rpc import fingerprints as parts
from padiff_rpc.records import record
from padiff_rpc.v1.records import FunctionTensor
from padiff_rpc.v1.words import Side

# Below this share of what comes in, a gradient is what rounding left of terms that cancelled.
_NOISE = 1e-6
# How far one and the same gradient is apart on both sides.
_SAME = 1e-3

_Reals = npt.NDArray[np.float64]


@record
class Value:
    """What some tensors of both sides hold.

    Attributes:
        tensors: of each side, in order.
        roots: those of them that no call made of another one, so that their gradients make up the whole.
    """

    tensors: Mapping[Side, tuple[int, ...]]
    roots: Mapping[Side, tuple[int, ...]]


class SharedValues:
    """The values of two traces whose forward passes agree.

    Whoever hands a tensor on as a view, a copy, or cut off from its gradient, the value is one. Only its
    whole gradient says anything: how many tensors have a share in it is each side's own business. Of a
    fingerprint the projections are linear, and so add up as gradients do.

    Attributes:
        all: in the order in which the candidate first has them.
    """

    def __init__(
        self,
        graphs: Graphs,
        links: Links,
        layers: Iterable[TensorPair[int]],
        wrong_parameters: Collection[str],
    ) -> None:
        """`layers`: what layers made that are compared apart, and so a value of its own whatever they took.

        `wrong_parameters`: the candidate's, by full names, whose gradients are known to differ.
        """
        self._graphs = graphs
        self._links = links
        self._wrong = wrong_parameters
        self._made = {
            (side, pair.of(side)): number for number, pair in enumerate(layers, 1) for side in SIDES
        }
        self.all = tuple(self._found())
        self._of = {
            (side, number): value for value in self.all for side in SIDES for number in value.tensors[side]
        }

        self._numbers = {
            (side, tensor): number
            for number, value in enumerate(self.all, 1)
            for side in SIDES
            for tensor in value.tensors[side]
        }

    def of(self, side: Side, tensor: int) -> Optional[Value]:
        """Returns the value that a tensor holds; None where the other side has none such."""
        return self._of.get((side, tensor))

    def number(self, side: Side, tensor: int) -> int:
        """Returns the number of the value that a tensor holds, from 1; 0 for none."""
        return self._numbers.get((side, tensor), 0)

    def differs(self, value: Value, tolerance: float, *, hooked: bool = False) -> bool:
        """Whether the whole gradients of a value differ; `hooked`: as hooks of the user's left them."""
        names = {self._tensor(Side.CANDIDATE, number).parameter for number in value.tensors[Side.CANDIDATE]}
        if any(names):
            return bool(names & set(self._wrong))
        part = self._comparable_part(value)
        if part is None or any(self._is_overlapped(value, side) for side in SIDES):
            return False
        totals = [_total(self._gradients(value, side, hooked=hooked), part) for side in SIDES]
        size = max(one.size for one in totals)
        if size <= _NOISE * max((self._coming(value, side) for side in SIDES), default=0.0):
            return False
        apart = _rms(totals[0].projections - totals[1].projections)
        return bool(apart > tolerance * size)

    def are_gradients_equal(self, pair: TensorPair[int]) -> bool:
        """Whether two tensors of one value have the same gradient, each its own."""
        part = parts.FLAT if self._links.likeness(pair) is Likeness.EQUAL else parts.AXES
        return _are_equal(*(_total(self._own(side, pair.of(side)), part) for side in SIDES))

    def has_whole(self, side: Side, tensor: int) -> bool:
        """Whether a tensor's own gradient is all that the other side has of its value."""
        value = self.of(side, tensor)
        part = self._comparable_part(value) if value is not None else None
        if value is None or part is None:
            return False
        own = _total(self._own(side, tensor), part)
        return _are_equal(own, _total(self._gradients(value, other(side), hooked=False), part))

    def _own(self, side: Side, tensor: int) -> list[_Reals]:
        content = self._tensor(side, tensor).gradient_fingerprint
        return [parts.from_bytes(content)] if content else []

    def needs_gradient(self, value: Value, side: Side) -> bool:
        """Whether a side would send one on."""
        return any(self._tensor(side, number).needs_gradient for number in value.roots[side])

    def has_gradient(self, value: Value, side: Side) -> bool:
        """Whether any reaches it that is not all zeros."""
        return any(_norm(one) > 0 for one in self._gradients(value, side, hooked=False))

    def _found(self) -> Iterator[Value]:
        seen: set[tuple[Side, int]] = set()
        for number in self._graphs[Side.CANDIDATE].tensors:
            start = (Side.CANDIDATE, number)
            if start in seen or not self._links.are_linked(*start):
                continue
            members = self._linked_with(start)
            seen |= members
            yield from self._apart(members)

    def _apart(self, members: set[tuple[Side, int]]) -> Iterator[Value]:
        """Yields one value for each layer that made the members, and one for all other code."""
        groups: defaultdict[int, dict[Side, list[int]]] = defaultdict(lambda: {side: [] for side in SIDES})
        roots: defaultdict[int, dict[Side, list[int]]] = defaultdict(lambda: {side: [] for side in SIDES})
        for side, number in sorted(members, key=lambda one: one[1]):
            way = list(self._way_back(side, number, members))
            group = next((self._made[side, one] for one in way if (side, one) in self._made), 0)
            groups[group][side].append(number)
            if len(way) == 1:
                roots[group][side].append(number)
        for group, tensors in groups.items():
            if all(tensors.values()):
                yield Value(
                    tensors={side: tuple(tensors[side]) for side in SIDES},
                    roots={side: tuple(roots[group][side]) for side in SIDES},
                )

    def _way_back(self, side: Side, tensor: int, members: set[tuple[Side, int]]) -> Iterator[int]:
        """Yields a tensor, then members that it is made of, up to one that a layer made of whatever."""
        graph, step = self._graphs[side], tensor
        while True:
            yield step
            maker = graph.maker(step)
            if (side, step) in self._made:
                return
            before = [graph.tensors[step].replaces] if maker is None else [*maker.inputs]
            found = next((one for one in before if (side, one) in members and one != step), None)
            if found is None:
                return
            step = found

    def _linked_with(self, start: tuple[Side, int]) -> set[tuple[Side, int]]:
        members, todo = {start}, [start]
        while todo:
            side, number = todo.pop()
            opposite = other(side)
            for partner in self._links.partners(side, number):
                if (opposite, partner) not in members:
                    members.add((opposite, partner))
                    todo.append((opposite, partner))
        return members

    def _comparable_part(self, value: Value) -> Optional[slice]:
        """Returns the projections in which all roots' gradients have the same order; None where none have."""
        found = {
            self._links.likeness(TensorPair(reference=theirs, candidate=ours))
            for ours in value.roots[Side.CANDIDATE]
            for theirs in value.roots[Side.REFERENCE]
        }
        if not found:
            return None
        if found == {Likeness.EQUAL}:
            return parts.FLAT
        shapes = {
            tuple(sorted(length for length in self._tensor(side, number).spec.shape if length != 1))
            for side in SIDES
            for number in value.roots[side]
        }
        return parts.AXES if len(shapes) == 1 else None

    def _is_overlapped(self, value: Value, side: Side) -> bool:
        """Whether other selections hold some of a value's elements, and so a share of its gradient."""
        graph = self._graphs[side]
        for number in value.roots[side]:
            maker = graph.maker(number)
            if maker is None or not (maker.is_layout and len(maker.inputs) == 1):
                continue
            (whole,) = maker.inputs
            taken = [
                elements(graph.tensors[output])
                for call in graph.takers.get(whole, ())
                for output in call.outputs
                if call.is_layout
            ]
            count = elements(graph.tensors[whole])
            if elements(graph.tensors[number]) < count < sum(taken):
                return True
        return False

    def _gradients(self, value: Value, side: Side, *, hooked: bool) -> Iterator[_Reals]:
        for number in value.roots[side]:
            tensor = self._tensor(side, number)
            content = (hooked and tensor.hooked_gradient_fingerprint) or tensor.gradient_fingerprint
            if content:
                yield parts.from_bytes(content)

    def _coming(self, value: Value, side: Side) -> float:
        """Returns the size of the largest gradient of what is made of a value's tensors."""
        takers = self._graphs[side].takers
        made = (
            output
            for number in value.tensors[side]
            for call in takers.get(number, ())
            for output in call.outputs
        )
        contents = (self._tensor(side, number).gradient_fingerprint for number in made)
        return max((_norm(parts.from_bytes(one)) for one in contents if one), default=0.0)

    def _tensor(self, side: Side, number: int) -> FunctionTensor:
        return self._graphs[side].tensors[number]


@record
class _Total:
    projections: _Reals
    size: float


def _total(gradients: Iterable[_Reals], part: slice) -> _Total:
    known = list(gradients)
    none = np.zeros(part.stop - part.start)
    return _Total(projections=sum((one[part] for one in known), none), size=sum(_norm(one) for one in known))


def _are_equal(one: _Total, another: _Total) -> bool:
    apart = _rms(one.projections - another.projections)
    return bool(apart <= _SAME * max(one.size, another.size))


def _norm(fingerprint: _Reals) -> float:
    return math.sqrt(fingerprint[parts.SQUARE_SUM])


def _rms(values: _Reals) -> float:
    return float(np.sqrt(np.mean(values**2)))
