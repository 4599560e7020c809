"""Effects of random decisions that the two sides do not share, on values and gradients."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping

from padiff_rpc.v1.records import Reason, Row
from padiff_rpc.v1.words import CallMoment, CaptureKind, Cause, Omission, Phase, Side, Verdict
from padiff_server.alignment.slots import SlotPair
from padiff_server.capture.trace import CallName
from padiff_server.coverage import fails
from padiff_server.model_index import Models
from padiff_server.sides import SIDES, TensorPair
from padiff_server.steps.calls import CallPair, JoinedCalls
from padiff_server.weights.weight_pair import WeightPair

# Shapes and dtypes do not depend on chance, and NaN is never judged away.
_BY_CHANCE = frozenset({Verdict.MATCH, Verdict.WITHIN_TOLERANCE, Verdict.MISMATCH, Verdict.NOT_COMPARED})


class RandomEffects:
    """Says of tensors and weights whether chance decides them, call by call.

    A value is decided in the code that made it: the call at whose exit it first shows, or, where it
    first shows as a call's input, the call around that. A gradient is decided in the code that took the
    tensor, a call's own where no call in it did. What such code had in hand besides, and other calls took,
    may have had a part in its decisions or not: that is judged, with a word of doubt.
    What lies behind is not decided: the candidate is given the reference's tensors at all these places
    (see `lockstep_plan`).
    """

    def __init__(self, unshared: Mapping[CallName, str], seen: JoinedCalls, models: Models) -> None:
        """`unshared`: (reference path, call number) of a compared call -> its random operations."""
        self._seen = seen
        self._models = models
        self._calls = unshared
        self._paths = {path: names for (path, _), names in unshared.items()}
        self._compared_paths = {path for path, _ in seen.names}
        self._values: dict[TensorPair[int], str] = {}
        self._gradients: dict[TensorPair[int], str] = {}
        for side in SIDES:
            self._note_values(side)
        self._in_hand: dict[TensorPair[int], str] = {}
        self._note_gradients()

    def _note_values(self, side: Side) -> None:
        first: dict[TensorPair[int], CallPair] = {}
        for pair in self._seen.ordered[side]:
            for slots in pair.slots.pairs:
                first.setdefault(slots.tensors, pair)
        for key, pair in first.items():
            is_exit = pair.moment is CallMoment.EXIT
            names = self._calls.get(pair.name, "") if is_exit else self._around(side, pair)
            if names:
                self._values[key] = names

    def _note_gradients(self) -> None:
        # By tensor: the calls in whose own code it was, those in which another call took it, and those
        # that returned it.
        had: defaultdict[TensorPair[int], set[CallName]] = defaultdict(set)
        taken: defaultdict[TensorPair[int], set[CallName]] = defaultdict(set)
        returned: defaultdict[TensorPair[int], set[CallName]] = defaultdict(set)
        for pair in self._seen.pairs:
            is_entry, own = pair.moment is CallMoment.ENTRY, {pair.name}
            around = {
                call for side in SIDES for call in [self._seen.call_around(side, pair)] if call is not None
            }
            for slots in pair.slots.pairs:
                had[slots.tensors] |= around | (own if is_entry else set())
                (taken if is_entry else returned)[slots.tensors] |= around if is_entry else own
        for key, calls in had.items():
            by_chance = calls & self._calls.keys()
            certain = by_chance - taken[key] - returned[key]
            if by_chance:
                table = self._gradients if certain else self._in_hand
                table[key] = self._calls[min(certain or by_chance)]

    def _around(self, side: Side, pair: CallPair) -> str:
        """Returns what the compared call around a pair decides by chance, in its own code."""
        return self._calls.get(self._seen.call_around(side, pair) or ("", -1), "")

    def keeps(self, slots: SlotPair) -> tuple[bool, bool]:
        """Returns whether the candidate keeps its own value of this tensor, and its own gradient."""
        key = slots.tensors
        return key not in self._values, key not in self._gradients and key not in self._in_hand

    def marked(self, row: Row, call: CallPair, slots: SlotPair) -> Row:
        """Returns the row of a value or a gradient, not compared where chance decides it.

        What the whole model or a layer with weights returns is missed, since a pass says that it agrees.
        """
        table = self._gradients if row.phase is Phase.BACKWARD else self._values
        names = table.get(slots.tensors, "")
        if not names or row.verdict not in _BY_CHANCE:
            doubt = self._in_hand.get(slots.tensors, "") if row.phase is Phase.BACKWARD else ""
            return _doubted(row, doubt) if doubt and fails(row) else row
        missed = row.kind is CaptureKind.OUTPUT and self._must_be_compared(call)
        return _unjudged(row, names, counts=row.counts and missed)

    def of_weight(self, pair: WeightPair) -> str:
        """Returns the random operations that decide the gradient of a weight; "" for none."""
        owners = [(Side.CANDIDATE, pair.candidate.path)]
        owners += [(Side.REFERENCE, owned.path) for owned in pair.references]
        return next(filter(None, (self._of_layer(side, path) for side, path in owners)), "")

    def marked_weight(self, row: Row, pair: WeightPair) -> Row:
        """Returns the row of a parameter's gradient, not compared, and missed, where chance decides it."""
        names = self.of_weight(pair)
        return _unjudged(row, names, counts=row.counts) if names and row.verdict in _BY_CHANCE else row

    def of_weights(self, pairs: Iterable[WeightPair]) -> dict[str, str]:
        """Returns the weights that chance has a part in: the candidate's name -> random operations."""
        return {pair.candidate_name: names for pair in pairs for names in [self.of_weight(pair)] if names}

    def _of_layer(self, side: Side, path: str) -> str:
        """Returns what the innermost compared layer at or around a path decides by chance."""
        while True:
            found = self._seen.plan.call_pair(side, path, 0)
            reference = found[0].reference if found is not None else None
            if reference is not None and reference in self._compared_paths:
                return self._paths.get(reference, "")
            if not path:
                return ""
            path = path.rpartition(".")[0]

    def _must_be_compared(self, call: CallPair) -> bool:
        layer = call.layer
        if layer.reference == "":
            return True
        return any(
            self._models[side].holds_weights(path)
            if layer.unit
            else self._models[side].is_parameterised(path)
            for side, path in ((Side.REFERENCE, layer.reference), (Side.CANDIDATE, layer.candidate))
        )


def _doubted(row: Row, names: str) -> Row:
    doubt = Reason(cause=Cause.RANDOM_NEARBY, names=(names,))
    return dataclasses.replace(row, reasons=(*row.reasons, doubt))


def _unjudged(row: Row, names: str, *, counts: bool) -> Row:
    return dataclasses.replace(
        row,
        verdict=Verdict.NOT_COMPARED,
        reasons=(Reason(cause=Cause.RANDOM, names=(names,)),),
        figures=None,
        tolerance=None,
        counts=counts,
        omission=Omission.RANDOM,
    )
