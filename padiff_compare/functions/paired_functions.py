"""Functions of both sides paired by the values that they made, inside one pair of calls of layers."""

from __future__ import annotations

from collections.abc import Mapping

from padiff_compare.capture.sides import SIDES, other
from padiff_compare.functions.graph import FunctionGraph
from padiff_compare.functions.links import Links, Parameters
from padiff_rpc.records import record
from padiff_rpc.v1.records import FunctionCall, FunctionLeaf, FunctionTrace
from padiff_rpc.v1.words import Side

# As in `locate`: how far two fingerprints of the same values are apart at most, on the same inputs.
_TOLERANCE = 1e-5


@record
class PairedFunctions:
    """What corresponds to what inside a pair of calls.

    Attributes:
        leaves: of each side, in order, with those that they correspond to.
        tensors: how many functions of the reference made whose values tell which they are.
        paired: how many of these the candidate has.
    """

    leaves: Mapping[Side, tuple[FunctionLeaf, ...]]
    tensors: int
    paired: int


def paired_functions(traces: Mapping[Side, FunctionTrace], parameters: Parameters) -> PairedFunctions:
    """Returns what corresponds; `parameters` as in `Inside`."""
    own = _OwnPartners(traces, parameters)
    made = {
        number
        for call in traces[Side.REFERENCE].calls
        for number in call.outputs
        if not call.is_layer and own.tells(number)
    }
    return PairedFunctions(
        leaves={side: tuple(own.leaf(side, call) for call in traces[side].calls) for side in SIDES},
        tensors=len(made),
        paired=sum(bool(own.partners(Side.REFERENCE, number)) for number in made),
    )


class _OwnPartners:
    """Links without what lockstep put in the place of the candidate's own tensors."""

    def __init__(self, traces: Mapping[Side, FunctionTrace], parameters: Parameters) -> None:
        self._graphs = {side: FunctionGraph(traces[side].calls, traces[side].tensors) for side in SIDES}
        self._links = Links(self._graphs, parameters, (), _TOLERANCE)

    def tells(self, number: int) -> bool:
        """Whether the values of a tensor of the reference, which is no weight, say which one it is."""
        graph = self._graphs[Side.REFERENCE]
        return graph.tells(number) and not graph.tensors[number].parameter

    def partners(self, side: Side, number: int) -> tuple[int, ...]:
        tensors = self._graphs[other(side)].tensors
        found = self._links.partners(side, number)
        return tuple(one for one in found if tensors[one].producer or not tensors[one].replaces)

    def leaf(self, side: Side, call: FunctionCall) -> FunctionLeaf:
        tensors = self._graphs[other(side)].tensors
        makers = {tensors[one].producer for number in call.outputs for one in self.partners(side, number)}
        return FunctionLeaf(call=call, counterparts=tuple(sorted(makers - {0})))
