"""One row for each difference: in lockstep at the place that made it; of a shared tensor, at its whole."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional

from padiff_compare.alignment.slots import SlotPair
from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.trace import CallName
from padiff_compare.join.calls import CallPair, JoinedCalls
from padiff_compare.join.pairs import PairTable
from padiff_compare.judge.judged_row import differs
from padiff_compare.model_index import Models
from padiff_rpc.v1.records import Place, Reason, Row, ShownBy
from padiff_rpc.v1.words import CallMoment, Cause, Phase, Side


class Charging:
    """Decides which of the rows that show a pair of tensors answers for it.

    Forward, that is the place where the candidate made its tensor; from there on it holds the
    reference's value. Backward it is the last call that took the tensor, the first that its gradient
    leaves. What first shows when a call is entered (backward: at a call's exit) was done between the
    calls, by the code of the layer that makes them, and is charged to that layer.
    """

    def __init__(self, joined: JoinedCalls, models: Models) -> None:
        self._around = joined.traces
        self._models = models
        self._plan = joined.plan
        self._shown = joined.shown[Side.CANDIDATE]
        self._last: dict[TensorPair[int], CallPair] = {}
        self._takers: defaultdict[TensorPair[int], list[CallPair]] = defaultdict(list)
        for call in joined.ordered[Side.CANDIDATE]:
            for slots in call.slots.pairs:
                self._last[slots.gradient_numbers] = call
                if call.moment is CallMoment.ENTRY:
                    self._takers[slots.gradient_numbers].append(call)

    def elsewhere(self, call: CallPair, slots: SlotPair, phase: Phase) -> Optional[Reason]:
        """Returns where a value (in backward a gradient) that differs is judged; None: at this call."""
        if phase is Phase.BACKWARD:
            maker = self._last.get(slots.gradient_numbers, call)
        else:
            shown = self._shown.get(slots.tensors)
            maker = shown[0] if shown else call
        if maker is call:
            return None
        event = maker.reference.event
        at = str(event.moment), _text((event.path, event.call))
        return Reason(cause=Cause.SHOWN_BEFORE, names=at)

    def forward(self, row: Row, call: CallPair) -> Row:
        """Returns the row of a value that is judged at this call, charged to whoever made it."""
        return self._charged(self._behind(row, call), call, CallMoment.ENTRY, self._between_forward)

    def told(self, row: Row, call: CallPair, slots: SlotPair) -> Row:
        """Returns the row of a value in a free run, with who made it where no call shows it before.

        It stays where it is: what differs there may be a consequence.
        """
        if _is_fine(row) or call.moment is not CallMoment.ENTRY:
            return row
        parent = self._around[Side.CANDIDATE].parent(call.candidate.name)
        if parent is None or self.elsewhere(call, slots, Phase.FORWARD) is not None:
            return row
        made_by = f"made by {parent[0] or 'the root'}, {self._between_forward(call.candidate.name)}"
        return dataclasses.replace(self._behind(row, call), between=made_by)

    def _behind(self, row: Row, call: CallPair) -> Row:
        """Returns the row of an input that differs, with the lines that made the calls before."""
        if _is_fine(row) or call.moment is not CallMoment.ENTRY:
            return row
        places = {Side.REFERENCE: row.reference, Side.CANDIDATE: row.candidate}
        for side, place in places.items():
            trace = self._around[side]
            before = trace.before(call.seen(side).name)
            if place is not None and before is not None:
                source = trace.calls[before].entry.event.source
                places[side] = dataclasses.replace(place, behind=source)
        return dataclasses.replace(row, reference=places[Side.REFERENCE], candidate=places[Side.CANDIDATE])

    def backward(self, row: Row, call: CallPair, slots: SlotPair) -> Row:
        """Returns the row of a gradient that is judged at this call, charged to whoever made it."""
        if call.moment is CallMoment.ENTRY and not _is_fine(row):
            return self._charged_to_takers(row, self._takers[slots.gradient_numbers])
        return self._charged(row, call, CallMoment.EXIT, self._between_backward)

    def _charged_to_takers(self, row: Row, takers: list[CallPair]) -> Row:
        """A total gradient is the sum of what all takers send back: charged to the layer around them."""
        names = {side: [taker.seen(side).name for taker in takers] for side in SIDES}
        innermost = [
            index
            for index, name in enumerate(names[Side.CANDIDATE])
            if not any(name in self._around[Side.CANDIDATE].parents(other) for other in names[Side.CANDIDATE])
        ]
        if len(innermost) < 2:
            return row
        texts = [_text(names[Side.CANDIDATE][index]) for index in innermost]
        return dataclasses.replace(
            self._moved_to(
                row,
                {
                    side: self._around[side].common_parent([names[side][index] for index in innermost])
                    for side in SIDES
                },
            ),
            between=f"in {', '.join(texts[:-1])} or {texts[-1]}, which take the same tensor",
        )

    def _charged(
        self, row: Row, call: CallPair, outside: CallMoment, between: Callable[[CallName], str]
    ) -> Row:
        if _is_fine(row) or call.moment is not outside:
            return row
        names = {side: call.seen(side).name for side in SIDES}
        parents = {side: self._around[side].parent(names[side]) for side in SIDES}
        if None in parents.values():
            return row
        moved = self._moved_to(row, parents, shown_by=names)
        return dataclasses.replace(moved, between=between(names[Side.CANDIDATE]))

    def _moved_to(
        self,
        row: Row,
        to: Mapping[Side, Optional[CallName]],
        shown_by: Optional[Mapping[Side, CallName]] = None,
    ) -> Row:
        """Returns the row at other calls; `shown_by`: the calls that showed it, where there is one a side."""
        places = {Side.REFERENCE: row.reference, Side.CANDIDATE: row.candidate}
        moved = {side: self._moved(side, places[side], to[side]) for side in SIDES}
        for side, name in (shown_by or {}).items():
            place = moved[side]
            if place is not None:
                shown = ShownBy(path=name[0], call=name[1])
                moved[side] = dataclasses.replace(place, shown_by=shown)
        return dataclasses.replace(row, reference=moved[Side.REFERENCE], candidate=moved[Side.CANDIDATE])

    def _moved(self, side: Side, place: Optional[Place], to: Optional[CallName]) -> Optional[Place]:
        if place is None or to is None:
            return place
        path, call = to
        return dataclasses.replace(
            place, path=path, call=call, class_name=self._models[side].class_name(path)
        )

    def _between_forward(self, name: CallName) -> str:
        before, lone = self._paired_neighbour(name, self._around[Side.CANDIDATE].before)
        text = f"between {_text(before)} and {_text(name)}" if before else f"before {_text(name)}"
        return text + lone

    def _between_backward(self, name: CallName) -> str:
        after, lone = self._paired_neighbour(name, self._around[Side.CANDIDATE].after)
        text = f"between {_text(name)} and {_text(after)}" if after else f"after {_text(name)}"
        return text + lone

    def _paired_neighbour(
        self, name: CallName, step: Callable[[CallName], Optional[CallName]]
    ) -> tuple[Optional[CallName], str]:
        """Returns the nearest compared call that way, and what lies in between without a partner."""
        lone: list[CallName] = []
        neighbour = step(name)
        while neighbour is not None:
            found = self._plan.call_pair(Side.CANDIDATE, *neighbour)
            if found is not None and found[0].compared:
                break
            lone.append(neighbour)
            neighbour = step(neighbour)
        within = f" (where {', '.join(map(_text, lone))} has no partner)" if lone else ""
        return neighbour, within


def _is_fine(row: Row) -> bool:
    return not differs(row)


def _text(name: CallName) -> str:
    return f"{name[0] or 'the root'}#{name[1]}"


class Shares:
    """Knows the pairs whose gradients need not agree, since another pair holds all of both.

    A dropout in eval mode, or a reshape to the same shape, hands the same tensor on in one framework and a
    copy in the other. A total gradient of the one tensor is then that of the first of the two, which the
    second is made of; the second's is as large only where nothing else takes the first.
    Where the gradients are compared that calls send back to a tensor (see `own_gradients`), its total is not.
    """

    def __init__(self, calls: Iterable[CallPair]) -> None:
        self._whole: dict[TensorPair[int], tuple[TensorPair[int], CallPair]] = {}
        self._own: dict[TensorPair[int], tuple[TensorPair[int], CallPair]] = {}
        first: dict[tuple[Side, int], tuple[TensorPair[int], CallPair]] = {}
        for call in sorted(calls, key=lambda call: call.candidate.index):
            for slots in call.slots.pairs:
                pair = slots.tensors
                if slots.has_own_gradient:
                    self._own.setdefault(pair, (slots.gradient_numbers, call))
                    continue
                for side in SIDES:
                    whole, at = first.setdefault((side, pair.of(side)), (pair, call))
                    if whole != pair:
                        self._whole.setdefault(pair, (whole, at))

    def elsewhere(self, slots: SlotPair, gradients: PairTable[Any]) -> Optional[Reason]:
        """Returns where a gradient that is a share of another is judged; None for all others."""
        if slots.has_own_gradient:
            return None
        found = self._own.get(slots.tensors) or self._whole.get(slots.tensors)
        if found is None or gradients.measured(found[0]) is None:
            return None
        event = found[1].candidate.event
        at = str(event.moment), f"{event.path or 'the root'}#{event.call}"
        return Reason(cause=Cause.SHARED_TENSOR, names=at)
