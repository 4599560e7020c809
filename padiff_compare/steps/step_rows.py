"""The rows of one step, in execution order, from what its captures came to."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Optional

from padiff_compare.alignment.slots import SlotPair
from padiff_compare.capture.sides import SIDES, other
from padiff_compare.capture.trace import SeenCall
from padiff_compare.join.calls import CallPair
from padiff_compare.join.captures import LOSSES, StepCaptures
from padiff_compare.join.functional_calls import FunctionalCalls
from padiff_compare.join.pairs import PairTable
from padiff_compare.judge.evidence import Evidence, Known
from padiff_compare.judge.judged_row import is_agreement, judged_row, lone_row, numbered, unmeasured_row
from padiff_compare.layout_rules import IDENTITY
from padiff_compare.lockstep.charging import Charging, Shares
from padiff_compare.model_index import Models
from padiff_compare.steps.row_maker import PassEnd, RowMaker, against_nothing, is_nothing
from padiff_compare.steps.step_pass import StepPass
from padiff_compare.weights.weight_pair import Counterparts, WeightPair
from padiff_rpc.v1.records import Options, Reason, Row, Slot, Unmatched
from padiff_rpc.v1.words import (
    CallMoment,
    CaptureKind,
    Cause,
    DiffPhase,
    LoneKind,
    Omission,
    Phase,
    Side,
)

_VALUES = {CallMoment.ENTRY: CaptureKind.INPUT, CallMoment.EXIT: CaptureKind.OUTPUT}
_GRADIENTS = {CallMoment.ENTRY: CaptureKind.INPUT_GRADIENT, CallMoment.EXIT: CaptureKind.OUTPUT_GRADIENT}


class StepRows:
    """Turns one step's captures into rows. Use it before the captures are closed."""

    def __init__(
        self,
        this: StepPass,
        captures: StepCaptures,
        models: Models,
        options: Options,
        end: PassEnd,
    ) -> None:
        self._with_gradients = end.has_gradients
        self._is_lockstep = this.is_lockstep
        self._charging = Charging(captures.joined, models)
        self._chance = end.chance
        self._own_errors = end.own_errors
        self._from_gold = end.from_gold
        self._twins = this.twins
        self._captures = captures
        self._models = models
        self._options = options
        self._history = this.history
        self._is_complete = end.is_complete
        self._calls = captures.joined.ordered[Side.REFERENCE]
        self._shares = Shares(self._calls)
        self._functional = self._functional_calls()
        self._make = RowMaker(this, captures, models, options, end)

    def _functional_calls(self) -> Optional[FunctionalCalls]:
        if not self._is_complete:
            return None
        return FunctionalCalls(self._captures.joined, self._captures.weights, self._models)

    def all_rows(self) -> Iterator[Row]:
        """Yields every row of the step's run: inputs, forward, loss, backward, gradients."""
        for part in (itertools.chain(self._targets(), self._forward()), self._loss()):
            settled = map(self._settled, part)
            yield from numbered(map(self._unjudged, settled) if self._judges_backward_only else settled)
        gradients = itertools.chain(self._parameter_gradients(), self._presence())
        for part in (self._backward(), gradients) if self._with_gradients else ():
            yield from numbered(map(self._settled, part))

    @property
    def _judges_backward_only(self) -> bool:
        has_lockstep = self._is_lockstep or self._twins is not None
        return has_lockstep and self._options.diff_phase is DiffPhase.BACKWARD

    def _settled(self, row: Row) -> Row:
        return row if self._twins is None else self._twins.settled(row)

    @staticmethod
    def _unjudged(row: Row) -> Row:
        return dataclasses.replace(row, counts=False)

    def unmatched_calls(self) -> Iterator[Unmatched]:
        """Yields the calls that only one side made; none for a step that broke off."""
        if not self._is_complete:
            return
        for side in SIDES:
            model = self._models[side]
            for seen in self._captures.joined.unpaired[side]:
                if self._functional is not None and self._functional.has(side, seen):
                    continue
                is_elsewhere = self._functional is not None and self._functional.has_weights_elsewhere(
                    side, seen
                )
                yield Unmatched(
                    side=side,
                    what=LoneKind.CALL,
                    path=seen.event.path,
                    class_name=model.class_name(seen.event.path),
                    call=seen.event.call,
                    reasons=(_why_unpaired(seen, side, is_elsewhere=is_elsewhere),),
                    counts=model.is_parameterised(seen.event.path) and not is_elsewhere,
                )

    def _targets(self) -> Iterator[Row]:
        targets = self._captures.targets
        for slots in targets.pairing.pairs:
            places = (
                self._make.root_place(Side.REFERENCE, slots.reference),
                self._make.root_place(Side.CANDIDATE, slots.candidate),
            )
            frame = self._make.frame(Phase.INPUTS, CaptureKind.TARGET, *places)
            row = self._make.filled(frame, targets.table, slots.tensors)
            if row is not None:
                yield row
        for side, lone in (
            (Side.REFERENCE, targets.pairing.only_reference),
            (Side.CANDIDATE, targets.pairing.only_candidate),
        ):
            for slot in lone:
                place = self._make.root_place(side, slot)
                yield self._make.lone(side, place, Phase.INPUTS, CaptureKind.TARGET)

    def _forward(self) -> Iterator[Row]:
        functional = self._functional.pairs() if self._functional is not None else ()
        for call in sorted([*self._calls, *functional], key=lambda pair: pair.reference.index):
            is_root_entry = call.layer.reference == "" and call.moment is CallMoment.ENTRY
            phase = Phase.INPUTS if is_root_entry else Phase.FORWARD
            yield from self._slot_rows(call, self._captures.values, phase, _VALUES[call.moment])
            for side, slots in zip(SIDES, (call.slots.only_reference, call.slots.only_candidate)):
                for slot in slots:
                    yield self._lone_slot(side, call.seen(side), slot, phase)
            if call.moment is CallMoment.EXIT and not _has_slots(call):
                yield from self._unseen_output(call)
        yield from self._held()

    def _held(self) -> Iterator[Row]:
        """Yields a row for each pair that waited in vain for the place that stands for its output."""
        for held in self._captures.joined.held if self._is_complete else ():
            places = [self._make.place(side, held.seen(side), None) for side in SIDES]
            frame = self._make.frame(Phase.FORWARD, CaptureKind.OUTPUT, *places)
            yield unmeasured_row(frame, Reason(cause=Cause.ACTIVATION_NOT_SHOWN), omission=Omission.FUSED)

    def _unseen_output(self, call: CallPair) -> Iterator[Row]:
        """Yields a row for a call that has to be compared and gives both sides nothing to compare."""
        if call.layer.reference == "" or any(
            self._models[side].is_parameterised(call.seen(side).event.path) for side in SIDES
        ):
            places = [self._make.place(side, call.seen(side), None) for side in SIDES]
            frame = self._make.frame(Phase.FORWARD, CaptureKind.OUTPUT, *places)
            yield unmeasured_row(frame, Reason(cause=Cause.NO_TENSOR), is_needed=True)

    def _backward(self) -> Iterator[Row]:
        for call in reversed(self._calls):
            yield from self._slot_rows(
                call, self._captures.gradients, Phase.BACKWARD, _GRADIENTS[call.moment]
            )

    def _slot_rows(
        self, call: CallPair, table: PairTable[int], phase: Phase, kind: CaptureKind
    ) -> Iterator[Row]:
        for slots in call.slots.pairs:
            frame = self._make.frame(
                phase,
                kind,
                self._make.place(Side.REFERENCE, call.reference, slots.reference),
                self._make.place(Side.CANDIDATE, call.candidate, slots.candidate),
            )
            if phase is Phase.BACKWARD and slots.gradients is None:
                if any(table.arrived(side, slots.gradient_numbers.of(side)) for side in SIDES):
                    yield unmeasured_row(frame, *slots.notes, omission=Omission.FUSED)
                continue
            numbers = slots.gradient_numbers if phase is Phase.BACKWARD else slots.tensors
            row = self._make.filled(frame, table, numbers, self._known(call, slots, phase))
            if row is not None:
                yield self._charged(row, call, slots)

    def _known(self, call: CallPair, slots: SlotPair, phase: Phase) -> Known:
        """Returns what is known of a pair besides its figures."""
        is_backward, elsewhere = phase is Phase.BACKWARD, None
        if is_backward:
            elsewhere = self._shares.elsewhere(slots, self._captures.gradients)
        if elsewhere is None and self._is_lockstep:
            elsewhere = self._charging.elsewhere(call, slots, phase)
        return Known(
            chance=self._chance.of_tensors(call, slots, phase) if self._chance is not None else None,
            elsewhere=elsewhere,
            own_error=self._own_errors.of(slots, phase) if self._own_errors is not None else None,
            from_gold=self._from_gold.of(slots, phase) if self._from_gold is not None else None,
            notes=(*self._off_plan(call), *slots.notes),
        )

    def _charged(self, row: Row, call: CallPair, slots: SlotPair) -> Row:
        if not self._is_lockstep:
            return row if row.phase is Phase.BACKWARD else self._charging.told(row, call, slots)
        if row.phase is Phase.BACKWARD:
            return self._charging.backward(row, call, slots)
        return self._charging.forward(row, call)

    def _lone_slot(self, side: Side, seen: SeenCall, slot: Slot, phase: Phase) -> Row:
        kind, path = _VALUES[seen.event.moment], seen.event.path
        counts = kind is CaptureKind.OUTPUT and self._models[side].has_to_return(path, slot.name)
        return self._make.lone(side, self._make.place(side, seen, slot), phase, kind, counts)

    def _loss(self) -> Iterator[Row]:
        places = [self._make.root_place(side, None, "loss") for side in SIDES]
        frame = self._make.frame(Phase.LOSS, CaptureKind.LOSS, *places)
        own_error = self._own_errors.loss if self._own_errors is not None else None
        from_gold = self._from_gold.loss if self._from_gold is not None else None
        known = Known(own_error=own_error, from_gold=from_gold)
        row = self._make.filled(frame, self._captures.losses, LOSSES, known)
        if row is not None:
            yield row

    def _parameter_gradients(self) -> Iterator[Row]:
        table = self._captures.parameter_gradients
        for pair in self._captures.compared_parameters:
            frame = self._make.frame(
                Phase.GRADIENTS,
                CaptureKind.PARAMETER_GRADIENT,
                self._make.weight_place(Side.REFERENCE, pair),
                self._make.weight_place(Side.CANDIDATE, pair),
            )
            missing = self._captures.missing_gradients(pair)
            if missing and self._is_complete:
                yield judged_row(frame, Evidence(kind=frame.kind, missing=missing))
                continue
            having = [side for side in SIDES if table.arrived(side, pair.names.of(side))]
            if len(having) == 1 and self._is_complete:
                yield self._one_sided_gradient(frame, table, pair, having[0])
                continue
            sums = self._make.floors.of_parameter(pair)
            chance = self._chance.of_parameter(pair) if self._chance is not None else None
            own_error = self._own_errors.of_parameter(pair) if self._own_errors is not None else None
            from_gold = self._from_gold.of_parameter(pair) if self._from_gold is not None else None
            known = Known(chance=chance, own_error=own_error, from_gold=from_gold)
            row = self._make.filled(frame, table, pair.names, known, sums)
            if row is None:
                continue
            # In lockstep optimizers step with equal ones. One that is wrong explains nothing.
            measured = table.measured(pair.names)
            if measured is not None and is_agreement(row) and not self._is_lockstep:
                self._history.note(pair.candidate_name, measured)
            yield row

    def _presence(self) -> Iterator[Row]:
        """Yields a row for each parameter of whose gradient only the presence can be judged."""
        made_of = Counter(
            name
            for one in (*self._captures.made_parameters, *self._captures.compared_parameters)
            for name in {owned.name for owned in one.references}
        )
        for made in self._captures.made_parameters:
            ours = [self._captures.has_gradient(Side.REFERENCE, owned.name) for owned in made.references]
            theirs = self._captures.has_gradient(Side.CANDIDATE, made.candidate.name)
            if not self._is_complete or not (any(ours) or theirs):
                continue
            frame = self._make.frame(
                Phase.GRADIENTS,
                CaptureKind.PARAMETER_GRADIENT,
                self._make.weight_place(Side.REFERENCE, made),
                self._make.weight_place(Side.CANDIDATE, made),
            )
            # Zeros are an answer where the reference's gradient may all have come by another weight.
            is_alone = all(made_of[owned.name] == 1 for owned in made.references)
            if any(ours) and not theirs and (theirs is None or is_alone):
                yield _lone_gradient(frame, Side.REFERENCE, made)
            elif not any(ours):
                yield _lone_gradient(frame, Side.CANDIDATE, made)
            else:
                presence = Reason(cause=Cause.PRESENCE_ONLY)
                yield unmeasured_row(frame, made.reason, presence, omission=Omission.COMPUTED)

    def _one_sided_gradient(self, frame: Row, table: PairTable[str], pair: WeightPair, side: Side) -> Row:
        half = table.half(side, pair.names.of(side))
        if half is not None and is_nothing(half, pair.rule if side is Side.REFERENCE else IDENTITY):
            return against_nothing(frame, side)
        return _lone_gradient(frame, side, pair)

    def _off_plan(self, call: CallPair) -> tuple[Reason, ...]:
        for side in SIDES:
            if self._captures.is_off_plan(side, call.seen(side).event):
                return (Reason(cause=Cause.OFF_PLAN, side=side),)
        return ()


def _lone_gradient(frame: Row, having: Side, pair: Counterparts) -> Row:
    side = other(having)
    why = () if pair.is_trainable(side) else (Reason(cause=Cause.FROZEN, side=side),)
    return lone_row(frame, having, *why)


def _why_unpaired(seen: SeenCall, side: Side, *, is_elsewhere: bool) -> Reason:
    if is_elsewhere:
        return Reason(cause=Cause.WEIGHTS_ELSEWHERE)
    has_begun = seen.event.moment is CallMoment.EXIT
    return Reason(cause=Cause.CALL_NOT_ENDED if has_begun else Cause.NO_CALL, side=other(side))


def _has_slots(call: CallPair) -> bool:
    return bool(call.slots.pairs or call.slots.only_reference or call.slots.only_candidate)
