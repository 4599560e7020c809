"""One side's functions inside a call of a layer, as a graph: what made each tensor, and what takes it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Optional

from padiff_compare.functions.likeness import (
    distances,
    elements,
    is_constant,
    largest,
    stacked,
    tolerance_for,
)
from padiff_rpc.v1.records import FunctionCall, FunctionTensor
from padiff_rpc.v1.words import TensorKind

# Below this share of what it is made of, a tensor is what rounding left of terms that cancelled.
_NOISE = 1e-6
# How far sums over the same elements in another order are apart.
_ROUNDING = 1e-9
_REPEATS = frozenset({"expand", "tile"})
_JOINS = frozenset({"concat", "stack"})
_INVERSIONS = frozenset({"bitwise_not", "logical_not"})


class FunctionGraph:
    """The calls and tensors of a trace, or of its beginning.

    Attributes:
        calls: in the order in which they ended.
        tensors: by number.
    """

    def __init__(self, calls: Sequence[FunctionCall], tensors: Iterable[FunctionTensor]) -> None:
        self.calls = calls
        self.tensors: Mapping[int, FunctionTensor] = {one.number: one for one in tensors}
        self._made = {one.number: one for one in calls}

    @cached_property
    def takers(self) -> Mapping[int, Sequence[FunctionCall]]:
        """The calls that take a tensor, in order."""
        found: defaultdict[int, list[FunctionCall]] = defaultdict(list)
        for call in self.calls:
            for number in dict.fromkeys(call.inputs):
                found[number].append(call)
        return found

    def maker(self, tensor: int) -> Optional[FunctionCall]:
        """Returns the call that made a tensor; None for what was there before, or came out of sight."""
        return self._made.get(self.tensors[tensor].producer)

    def tells(self, tensor: int) -> bool:
        """Whether a tensor's values say which one it is: no constant, no scalar, no rounding noise."""
        return tensor in self._telling

    @cached_property
    def _telling(self) -> frozenset[int]:
        return frozenset(number for number, one in self.tensors.items() if self._tells(one))

    def _tells(self, tensor: FunctionTensor) -> bool:
        if tensor.parameter:
            return True
        if elements(tensor) < 2 or is_constant(tensor):
            return False
        return not self._is_noise(tensor)

    def _is_noise(self, tensor: FunctionTensor) -> bool:
        maker = self.maker(tensor.number)
        if maker is None or tensor.kind is not TensorKind.FLOAT:
            return False
        made_of = (self.tensors[number] for number in maker.inputs)
        # What fills a mask says nothing of the size of the terms.
        sizes = [largest(one) for one in made_of if one.kind is TensorKind.FLOAT and not is_constant(one)]
        sizes = [size for size in sizes if size < math.inf]
        return bool(sizes) and largest(tensor) < _NOISE * max(sizes)

    def moved(self, tensor: int) -> Optional[int]:
        """Returns the tensor all of whose elements were moved to make this one; None where more was done.

        What joins all pieces of a tensor has moved its elements.
        """
        maker = self.maker(tensor)
        if maker is None or maker.is_layer:
            return None
        is_move = maker.is_layout or maker.operation == "cast"
        before = self._cut_up(maker) if maker.operation in _JOINS else maker.inputs if is_move else ()
        return next((one for one in dict.fromkeys(before) if self._has_its_elements(one, tensor)), None)

    def _cut_up(self, join: FunctionCall) -> Iterable[int]:
        """Yields the tensors that all of what a call joins was cut from, the last one first."""
        ways = [list(self._cut_from(number)) for number in join.inputs]
        return (one for one in ways[0] if all(one in way for way in ways)) if ways else ()

    def _cut_from(self, tensor: int) -> Iterator[int]:
        maker = self.maker(tensor)
        while maker is not None and maker.is_layout and not maker.is_layer and maker.inputs:
            yield maker.inputs[0]
            maker = self.maker(maker.inputs[0])

    def _has_its_elements(self, before: int, behind: int) -> bool:
        ours, theirs = self.tensors[before], self.tensors[behind]
        # An index tells where elements come from, and is none of them.
        if before == behind or ours.kind is not theirs.kind or elements(ours) != elements(theirs):
            return False
        if not (ours.fingerprint and theirs.fingerprint):
            return bool(ours.parameter)
        first, second = stacked([ours, theirs])
        return bool(distances(first, second).bag <= tolerance_for(ours.kind, _ROUNDING))

    def spread_from(self, tensor: int) -> int:
        """Returns the tensor that was repeated along axes to make this one; itself where none was."""
        maker = self.maker(tensor)
        while maker is not None and maker.operation in _REPEATS and len(maker.inputs) == 1:
            tensor = maker.inputs[0]
            maker = self.maker(tensor)
        return tensor

    def inverted_from(self, mask: int) -> int:
        """Returns the mask of which this one is the opposite; itself where it was made in another way."""
        for step in self.way_back(mask):
            maker = self.maker(step)
            if maker is not None and maker.operation in _INVERSIONS and maker.inputs:
                return maker.inputs[0]
        return mask

    def way_back(self, tensor: int) -> Iterator[int]:
        """Yields a tensor, then those that calls only moved to make it, the last one first."""
        step: Optional[int] = tensor
        while step is not None:
            yield step
            step = self.moved(step)

    def until(self, call: Optional[FunctionCall], kept: Collection[int]) -> FunctionGraph:
        """Returns what was there when a call began (None: at the end), and these tensors.

        What came later says nothing of what was before: in lockstep it is made of the reference's values.
        """
        calls = self.calls if call is None else [one for one in self.calls if one.number < call.number]
        seen = {number for one in calls for number in (*one.inputs, *one.outputs)}.union(kept)
        return FunctionGraph(calls, [one for one in self.tensors.values() if one.number in seen])
