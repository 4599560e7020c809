"""Heads of a region: its calls that take nothing but sound tensors, where what is unsound begins."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Optional

from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.functions.likeness import distances, elements, stacked
from padiff_compare.functions.links import Graphs, Links
from padiff_compare.functions.meeting_inputs import PairedInputs, pair_inputs
from padiff_compare.functions.parting import Parting
from padiff_compare.functions.soundness import Soundness
from padiff_rpc.v1.records import FunctionCall
from padiff_rpc.v1.words import FindingKind, Side

_SAME = 1e-5
_CUTS = frozenset({"split", "unbind"})


class Heads:
    """Names the calls with which a region begins."""

    def __init__(self, graphs: Graphs, links: Links, sound: Mapping[Side, Soundness]) -> None:
        self._graphs = graphs
        self._links = links
        self._sound = sound

    def named(self, parting: Parting, cones: Mapping[Side, Sequence[FunctionCall]]) -> Parting:
        """Returns a region with the heads that correspond best as its calls.

        It is a function where these make different tensors of equal ones, by one operation or of two
        inputs at least: then they are meant to be the same.
        """
        heads = {side: self._heads(side, cones[side]) for side in SIDES}
        pairs = [(ours, theirs) for ours in heads[Side.CANDIDATE] for theirs in heads[Side.REFERENCE]]
        ranked = sorted(pairs, key=lambda pair: -self._rank(*pair))
        for ours, theirs in ranked:
            at = self._made_unlike(ours, theirs)
            inputs = pair_inputs(self._graphs, self._links, ours, theirs)
            is_same = self._rank(ours, theirs) > 1  # of two inputs, or by one operation of one
            if at is not None and is_same and inputs.are_linked and not inputs.plain:
                return self._at(FindingKind.FUNCTION, at, ours, theirs)
        for ours, theirs in ranked:
            at = self._made_unlike(ours, theirs)
            if at is not None and self._rank(ours, theirs) > 0:
                named = {Side.CANDIDATE: ours, Side.REFERENCE: theirs}
                return dataclasses.replace(parting, calls=named, users=self._users(named))
        calls: Mapping[Side, Optional[FunctionCall]] = {
            side: heads[side][0] if heads[side] else parting.calls[side] for side in SIDES
        }
        return dataclasses.replace(parting, calls=calls, users=self._users(calls))

    def _at(
        self, kind: FindingKind, at: TensorPair[int], ours: FunctionCall, theirs: FunctionCall
    ) -> Parting:
        calls = {Side.CANDIDATE: ours, Side.REFERENCE: theirs}
        return Parting(kind=kind, at=at, calls=calls, users=self._users(calls))

    def _users(self, calls: Mapping[Side, Optional[FunctionCall]]) -> Mapping[Side, Optional[FunctionCall]]:
        return {side: self._taker(side, calls[side]) for side in SIDES}

    def _taker(self, side: Side, call: Optional[FunctionCall]) -> Optional[FunctionCall]:
        takers = self._graphs[side].takers
        made = call.outputs if call is not None else ()
        return next((taker for output in made for taker in takers.get(output, ())), None)

    def _heads(self, side: Side, cone: Sequence[FunctionCall]) -> list[FunctionCall]:
        """Returns the calls that take sound tensors, or what these were cut into, if all of it was."""
        graph, good = self._graphs[side], set(self._sound[side].good)
        heads: list[FunctionCall] = []
        for call in cone:
            if all(number in good or not graph.tells(number) for number in call.inputs):
                heads.append(call)
                if call.operation in _CUTS:
                    good.update(call.outputs)
        telling = [call for call in heads if any(map(graph.tells, call.inputs))] or heads
        return [call for call in telling if call.operation not in _CUTS] or telling

    def _rank(self, ours: FunctionCall, theirs: FunctionCall) -> float:
        """Returns how much speaks for two heads to be meant to be the same."""
        inputs: PairedInputs = pair_inputs(self._graphs, self._links, ours, theirs)
        telling = [pair for pair in inputs.equal if self._graphs[Side.CANDIDATE].tells(pair.candidate)]
        return len(telling) + 0.5 * (ours.operation == theirs.operation)

    def _made_unlike(self, ours: FunctionCall, theirs: FunctionCall) -> Optional[TensorPair[int]]:
        """Returns what two calls made, where neither has a partner and values and sizes tell them apart."""
        if not (ours.outputs and theirs.outputs):
            return None
        at = TensorPair(reference=theirs.outputs[0], candidate=ours.outputs[0])
        tensors = [self._graphs[side].tensors[at.of(side)] for side in SIDES]
        if any(self._links.are_linked(side, at.of(side)) for side in SIDES):
            return None
        if elements(tensors[0]) != elements(tensors[1]) or not all(one.fingerprint for one in tensors):
            return None
        # A mask is the same, as truth values and as numbers.
        first, second = stacked(tensors)
        return at if float(distances(first, second).flat) > _SAME else None
