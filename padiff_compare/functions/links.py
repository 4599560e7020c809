"""Links between the tensors of the two sides: which hold the same values, whatever made them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.functions.graph import FunctionGraph
from padiff_compare.functions.likeness import (
    Likeness,
    TensorShapes,
    distances,
    elements,
    likeness,
    size,
    stacked,
    tolerance_for,
)
from padiff_rpc.v1.records import FunctionTensor
from padiff_rpc.v1.words import Side, TensorKind

Graphs = Mapping[Side, FunctionGraph]
# By the candidate's full name, the reference's weights that it holds.
Parameters = Mapping[str, Collection[str]]

_Class = tuple[TensorKind, int]


class Links:
    """Tensors of equal values, by fingerprints; parameters, and what is known beforehand, by that.

    Constants, scalars and rounding noise have likenesses, and link nothing: too much is like them.
    """

    def __init__(
        self,
        graphs: Graphs,
        parameters: Parameters,
        known: Iterable[TensorPair[int]],
        tolerance: float,
    ) -> None:
        """`known`: pairs that hold the same values, as the plan and the overrides have it."""
        self._graphs = graphs
        self._likeness: dict[TensorPair[int], Likeness] = {}
        self._partners: Mapping[Side, defaultdict[int, set[int]]] = {side: defaultdict(set) for side in SIDES}
        self._reordered: Mapping[Side, set[int]] = {side: set() for side in SIDES}
        self._compare_all(tolerance)
        self._name_parameters(parameters)
        for pair in known:
            if all(pair.of(side) in graphs[side].tensors for side in SIDES):
                self._take(pair, Likeness.EQUAL)

    def likeness(self, pair: TensorPair[int]) -> Likeness:
        return self._likeness.get(pair, Likeness.UNLIKE)

    def stand(self, pair: TensorPair[int]) -> bool:
        """Whether the two hold the same values, at most with their axes in another order."""
        return self.likeness(pair) >= Likeness.OTHER_AXES

    def partners(self, side: Side, tensor: int) -> Collection[int]:
        """Returns the other side's tensors that a tensor of a side is linked with."""
        return self._partners[side].get(tensor, ())

    def is_reordered(self, side: Side, tensor: int) -> bool:
        """Whether the other side has a tensor's numbers in another order."""
        return tensor in self._reordered[side]

    def are_linked(self, side: Side, tensor: int) -> bool:
        return bool(self.partners(side, tensor))

    def _compare_all(self, tolerance: float) -> None:
        classes = {side: _classes(self._graphs[side].tensors.values()) for side in SIDES}
        for which, ours in classes[Side.CANDIDATE].items():
            theirs = classes[Side.REFERENCE].get(which)
            if theirs is None:
                continue
            allowed = tolerance_for(which[0], tolerance)
            # By size first, since loops make thousands of one shape: what is alike is of one size.
            theirs = sorted(theirs, key=size)
            second, sizes = stacked(theirs), [size(one) for one in theirs]
            for one, row in zip(ours, stacked(ours)):
                low = bisect_left(sizes, size(one) * (1 - 2 * allowed))
                high = bisect_right(sizes, size(one) * (1 + 2 * allowed))
                apart = distances(row[None, :], second[low:high])
                for index, other in enumerate(theirs[low:high]):
                    shapes = TensorShapes(candidate=one.spec.shape, reference=other.spec.shape)
                    found = likeness(apart, index, shapes, allowed)
                    if found:
                        self._take(TensorPair(reference=other.number, candidate=one.number), found)

    def _name_parameters(self, parameters: Parameters) -> None:
        by_name: defaultdict[str, list[int]] = defaultdict(list)
        for tensor in self._graphs[Side.REFERENCE].tensors.values():
            by_name[tensor.parameter].append(tensor.number)
        for tensor in self._graphs[Side.CANDIDATE].tensors.values():
            for name in parameters.get(tensor.parameter, ()) if tensor.parameter else ():
                for number in by_name.get(name, ()):
                    self._take(TensorPair(reference=number, candidate=tensor.number), Likeness.EQUAL)

    def _take(self, pair: TensorPair[int], found: Likeness) -> None:
        self._likeness[pair] = max(found, self.likeness(pair))
        if found is Likeness.SAME_NUMBERS:
            for side in SIDES:
                self._reordered[side].add(pair.of(side))
        if found >= Likeness.OTHER_AXES and all(self._graphs[side].tells(pair.of(side)) for side in SIDES):
            self._partners[Side.REFERENCE][pair.reference].add(pair.candidate)
            self._partners[Side.CANDIDATE][pair.candidate].add(pair.reference)


def _classes(tensors: Iterable[FunctionTensor]) -> Mapping[_Class, list[FunctionTensor]]:
    """Returns the tensors that can be like each other, by kind and number of elements."""
    found: defaultdict[_Class, list[FunctionTensor]] = defaultdict(list)
    for tensor in tensors:
        if tensor.fingerprint and elements(tensor):
            found[tensor.kind, elements(tensor)].append(tensor)
    return found
