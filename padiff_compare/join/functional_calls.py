"""Calls of layers that the other side makes as functions, with a weight that it has elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from padiff_compare.alignment.slots import SlotPair, SlotPairing
from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.trace import SeenCall
from padiff_compare.join.calls import CallPair, JoinedCalls
from padiff_compare.model_index import Models
from padiff_compare.weights.weight_pair import WeightPlan
from padiff_rpc.v1.records import CallEvent
from padiff_rpc.v1.words import CallMoment, Side

_Call = tuple[Side, str, int]


class FunctionalCalls:
    """Finds calls without a partner whose outputs another place shows, and that place has a partner.

    A head that is tied to the embedding is a layer here, and there a product with the embedding's table.
    Its weights are all paired under other layers' names, and what it returns is a tensor that the root
    returns or the next layer takes. A layer with a weight of its own stays without a partner.
    """

    def __init__(
        self,
        joined: JoinedCalls,
        weights: WeightPlan,
        models: Models,
    ) -> None:
        self._placed = {
            Side.REFERENCE: {name for pair in weights.pairs if pair.placed for name in pair.reference_names},
            Side.CANDIDATE: {pair.candidate_name for pair in weights.pairs if pair.placed},
        }
        self._shown: Mapping[Side, dict[int, tuple[CallPair, SlotPair]]] = {side: {} for side in SIDES}
        for call in joined.ordered[Side.REFERENCE]:
            for slots in call.slots.pairs:
                for side in SIDES:
                    self._shown[side].setdefault(slots.tensors.of(side), (call, slots))
        self._found: dict[_Call, tuple[CallPair, ...]] = {}
        self._placed_elsewhere: set[_Call] = set()
        for side in SIDES:
            for seen in joined.partnerless[side]:
                key = (side, seen.event.path, seen.event.call)
                names = models[side].weight_names(seen.event.path)
                if not names or not names <= self._placed[side]:
                    continue
                self._placed_elsewhere.add(key)
                end = joined.traces[side].exit_of(seen.name)
                pairs = tuple(self._pairs(side, seen.index, end.event)) if end is not None else ()
                if pairs:
                    self._found[key] = pairs

    def has(self, side: Side, seen: SeenCall) -> bool:
        """Whether this call is compared at the other side's place."""
        return (side, seen.event.path, seen.event.call) in self._found

    def has_weights_elsewhere(self, side: Side, seen: SeenCall) -> bool:
        """Whether the call's layer has no partner, and the other side has all its weights in other layers.

        What the call computes is part of another layer's code there, and shows in what comes of it.
        """
        return (side, seen.event.path, seen.event.call) in self._placed_elsewhere

    def pairs(self) -> Iterator[CallPair]:
        """Yields these calls' exits, against the other side's places that show what they return."""
        for pairs in self._found.values():
            yield from pairs

    def _pairs(self, side: Side, index: int, event: CallEvent) -> Iterator[CallPair]:
        shown = [(slot, self._shown[side].get(slot.tensor)) for slot in event.slots]
        if any(found is None for _, found in shown):
            return
        here = SeenCall(index=index, event=event)
        for slot, found in shown:
            assert found is not None
            call, slots = found
            is_reference = side is Side.REFERENCE
            yield CallPair(
                layer=call.layer,
                moment=CallMoment.EXIT,
                reference=here if is_reference else call.reference,
                candidate=call.candidate if is_reference else here,
                slots=SlotPairing(
                    pairs=(
                        SlotPair(
                            reference=slot if is_reference else slots.reference,
                            candidate=slots.candidate if is_reference else slot,
                        ),
                    )
                ),
            )
