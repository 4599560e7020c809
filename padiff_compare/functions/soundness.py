"""Soundness of one side's tensors: linked with the other side's, or made in another way and of no harm."""

from __future__ import annotations

from collections.abc import Collection, Set

from padiff_compare.capture.trace import CallName
from padiff_compare.functions.graph import FunctionGraph
from padiff_compare.functions.likeness import elements
from padiff_compare.functions.links import Links
from padiff_rpc.v1.records import FunctionCall
from padiff_rpc.v1.words import Side

# What they make of a tensor is some of its elements.
_SELECTIONS = frozenset(
    {
        *("max", "min", "amax", "amin", "argmax", "argmin", "topk", "kthvalue", "median", "max_pool2d"),
        *("get_item", "gather", "take_along_axis", "index_select", "masked_select", "take"),
        *("scatter_reduce", "index_reduce"),
    }
)
# They make the same of tensors of other signs.
_EVEN = frozenset({"abs", "cos", "cosh", "square"})


class Soundness:
    """Which tensors of a side need no explanation.

    A tensor without a partner is cleared by one that is made of it and has one: both sides compute the same
    in other steps. A constant, a scalar or rounding noise clears nothing, nor does a result that may be
    another of the call's inputs, nor one that took but some elements, or, of numbers that the other side has
    in another order, one that does not tell signs or values apart. Nor does a layer that has a partner: in
    lockstep it went on with the reference's values, whatever it was given.

    Attributes:
        good: the linked and the cleared ones.
    """

    def __init__(
        self, graph: FunctionGraph, links: Links, side: Side, compared: Collection[CallName]
    ) -> None:
        """`compared`: the calls of layers that have a partner."""
        self._graph = graph
        self._links = links
        self._side = side
        good = {number for number in graph.tensors if links.are_linked(side, number)}
        for call in reversed(graph.calls):
            if call.is_layer and (call.layer_path, call.layer_call) in compared:
                continue
            for output in call.outputs:
                if output in good and graph.tells(output) and output not in call.inputs:
                    good.update(number for number in call.inputs if self._clears(call, output, number))
        self.good: Set[int] = good

    def _clears(self, call: FunctionCall, output: int, given: int) -> bool:
        tensors = self._graph.tensors
        is_less = elements(tensors[output]) < elements(tensors[given])
        if is_less and (call.is_layout or call.operation in _SELECTIONS):
            return False
        is_alike_for_others = call.operation in _EVEN or tensors[output].kind is not tensors[given].kind
        if is_alike_for_others and self._links.is_reordered(self._side, given):
            return False
        partners = set(self._links.partners(self._side, output))
        others = [number for number in call.inputs if number != given]
        theirs = {partner for other in others for partner in self._links.partners(self._side, other)}
        return not partners or not partners <= theirs

    def cone(self, sink: int) -> tuple[FunctionCall, ...]:
        """Returns the calls between good tensors and one that is not, in order."""
        calls: dict[int, FunctionCall] = {}
        seen, todo = {sink}, [sink]
        while todo:
            maker = self._graph.maker(todo.pop())
            if maker is None:
                continue
            calls[maker.number] = maker
            for number in maker.inputs:
                if number not in seen and number not in self.good:
                    seen.add(number)
                    todo.append(number)
        return tuple(calls[number] for number in sorted(calls))
