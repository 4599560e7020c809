"""Zones: one side's calls between a value and what is made of it that the other side has as well."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Optional

from padiff_compare.capture.trace import CallName
from padiff_compare.functions.graph import FunctionGraph
from padiff_compare.functions.likeness import distances, stacked
from padiff_compare.functions.shared_values import SharedValues, Value
from padiff_rpc.records import record
from padiff_rpc.v1.records import FunctionCall, FunctionTensor
from padiff_rpc.v1.words import Side, TensorKind

HOOK = "register_hook"
_SAME = 1e-6


@record
class Zone:
    """The calls of one side through which a value's gradient comes.

    Attributes:
        calls: those that hand it on, layers that are compared apart, in order.
        hooks: that change what they are put on.
        cuts: calls that need a gradient, and make what needs none although something behind it does.
        layers: compared ones, which take the value or what the calls make of it.
        ends: what the calls and layers make that both sides have.
        is_closed: whether all that the calls make leads there.
    """

    calls: tuple[FunctionCall, ...]
    hooks: tuple[FunctionCall, ...]
    cuts: tuple[FunctionCall, ...]
    layers: tuple[FunctionCall, ...]
    ends: frozenset[int]
    is_closed: bool


class Zones:
    """Finds the zones of one side."""

    def __init__(
        self,
        graph: FunctionGraph,
        side: Side,
        values: SharedValues,
        compared: Collection[CallName],
        returned: Collection[int],
    ) -> None:
        """`compared`: the calls of layers that have a partner; `returned`: what the parent returns."""
        self._graph = graph
        self._side = side
        self._values = values
        self._compared = compared
        self._returned = returned
        self._found: dict[int, Zone] = {}

    def is_compared(self, call: FunctionCall) -> bool:
        """Whether it is a call of a layer whose gradients are judged, and replaced, by themselves."""
        return call.is_layer and (call.layer_path, call.layer_call) in self._compared

    def of(self, value: Value) -> Zone:
        number = self._values.number(self._side, value.tensors[self._side][0])
        if number not in self._found:
            self._found[number] = self._zone(value)
        return self._found[number]

    def _zone(self, value: Value) -> Zone:
        calls: dict[int, FunctionCall] = {}
        layers: dict[int, FunctionCall] = {}
        tensors = dict.fromkeys(value.tensors[self._side])
        todo, is_closed, ends = list(tensors), True, set[int]()
        while todo:
            number = todo.pop()
            if number in self._returned and self._values.of(self._side, number) is None:
                is_closed = False
            for call in self._takers(number):
                if self.is_compared(call):
                    layers[call.number] = call
                    ends.update(self._values.number(self._side, output) for output in call.outputs)
                    continue
                calls[call.number] = call
                for output in filter(self._may_have_gradient, call.outputs):
                    if self._values.has_whole(self._side, output):
                        ends.add(self._values.number(self._side, output))
                    elif output not in tensors:
                        tensors[output] = None
                        todo.append(output)
        ordered = [calls[number] for number in sorted(calls)]
        return Zone(
            calls=tuple(call for call in ordered if self._hands_on(call)),
            hooks=tuple(self._hooks(tensors)),
            cuts=tuple(dict.fromkeys(self._cuts(value, ordered))),
            layers=tuple(layers[number] for number in sorted(layers)),
            ends=frozenset(ends - {0, self._values.number(self._side, value.tensors[self._side][0])}),
            is_closed=is_closed,
        )

    def behind(self, value: Value, *, through: Collection[int] = ()) -> set[int]:
        """Returns all tensors that are made of a value's; of compared layers of `through` these outputs."""
        seen, todo = set(value.tensors[self._side]), list(value.tensors[self._side])
        while todo:
            for call in self._takers(todo.pop()):
                outputs = set(call.outputs)
                if self.is_compared(call):
                    outputs &= set(through)
                todo += outputs - seen
                seen |= outputs
        return seen

    def maker(self, tensor: int) -> Optional[FunctionCall]:
        return self._graph.maker(tensor)

    def takers(self, value: Value, call: Optional[FunctionCall]) -> Sequence[FunctionCall]:
        """Returns the calls that take what `call` made, or where that is nothing, the value."""
        numbers = call.outputs if call is not None and call.outputs else value.tensors[self._side]
        takers = (taker for number in numbers for taker in self._takers(number))
        return [one for one in dict.fromkeys(takers) if one is not call]

    def _takers(self, number: int) -> Iterator[FunctionCall]:
        found = (call for call in self._graph.takers.get(number, ()) if call.operation != HOOK)
        yield from found
        for stand_in in self._stand_ins.get(number, ()):
            yield from self._takers(stand_in)

    @cached_property
    def _stand_ins(self) -> Mapping[int, Sequence[int]]:
        """By a tensor: what an override put in its place."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        for one in self._graph.tensors.values():
            if one.replaces and not one.producer:
                found[one.replaces].append(one.number)
        return found

    def _hands_on(self, call: FunctionCall) -> bool:
        tensors = self._graph.tensors
        return any(tensors[number].needs_gradient for number in call.inputs) and any(
            tensors[number].needs_gradient for number in call.outputs
        )

    def _may_have_gradient(self, number: int) -> bool:
        return self._graph.tensors[number].kind in (TensorKind.FLOAT, TensorKind.COMPLEX)

    def _hooks(self, tensors: Collection[int]) -> Iterator[FunctionCall]:
        for call in self._graph.calls:
            is_hook = call.operation == HOOK and call.inputs[0] in tensors
            if is_hook and _is_changed(self._graph.tensors[call.inputs[0]]):
                yield call

    def _cuts(self, value: Value, calls: Collection[FunctionCall]) -> Iterator[FunctionCall]:
        makers = (self._graph.maker(number) for number in value.tensors[self._side])
        for call in (*(one for one in makers if one is not None), *calls):
            needs = [self._graph.tensors[number].needs_gradient for number in call.inputs]
            made = [number for number in call.outputs if self._may_have_gradient(number)]
            is_cut = any(needs) and not any(self._graph.tensors[number].needs_gradient for number in made)
            if is_cut and any(map(self._is_wanted, made)):
                yield call

    def _is_wanted(self, number: int) -> bool:
        """Whether a gradient would reach a tensor, did it need one."""
        seen, todo = {number}, [number]
        while todo:
            step = todo.pop()
            if step in self._returned or self._graph.tensors[step].needs_gradient:
                return True
            made = (
                one for call in self._takers(step) for one in call.outputs if self._may_have_gradient(one)
            )
            for one in made:
                if one not in seen:
                    seen.add(one)
                    todo.append(one)
        return False


def _is_changed(tensor: FunctionTensor) -> bool:
    """Whether hooks made another gradient of the one that came."""
    if not tensor.hooked_gradient_fingerprint or not tensor.gradient_fingerprint:
        return bool(tensor.hooked_gradient_fingerprint)
    first, second = stacked([_of_gradient(tensor, hooked=False), _of_gradient(tensor, hooked=True)])
    return bool(distances(first, second).flat > _SAME)


def _of_gradient(tensor: FunctionTensor, *, hooked: bool) -> FunctionTensor:
    content = tensor.hooked_gradient_fingerprint if hooked else tensor.gradient_fingerprint
    return dataclasses.replace(tensor, fingerprint=content)
