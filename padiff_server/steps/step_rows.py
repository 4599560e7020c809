"""The rows of one step, in execution order, from what its captures came to."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any, Optional

from padiff_rpc.options import Options
from padiff_rpc.results import Place, Row, Unmatched
from padiff_rpc.types import Slot
from padiff_rpc.words import CallMoment, CaptureKind, DiffPhase, Pass, Phase, Side, Verdict
from padiff_server.alignment.slots import SlotPair
from padiff_server.judging.gradient_history import GradientHistory
from padiff_server.judging.judge import gradient_floor
from padiff_server.judging.judged_row import judged_row, numbered
from padiff_server.judging.measure import is_zero
from padiff_server.judging.measured import Measured
from padiff_server.model_index import Models
from padiff_server.sides import SIDES, other
from padiff_server.steps.calls import CallPair, SeenCall
from padiff_server.steps.captures import LOSS_KEY, StepCaptures
from padiff_server.steps.charging import Charging
from padiff_server.steps.pairs import Half, PairTable
from padiff_server.steps.random_effects import RandomEffects
from padiff_server.steps.shifted import Shifted
from padiff_server.steps.twins import Twins
from padiff_server.weights.rules import IDENTITY, apply_rule
from padiff_server.weights.weight_pair import WeightPair

_VALUES = {CallMoment.ENTRY: CaptureKind.INPUT, CallMoment.EXIT: CaptureKind.OUTPUT}
_GRADIENTS = {CallMoment.ENTRY: CaptureKind.INPUT_GRADIENT, CallMoment.EXIT: CaptureKind.OUTPUT_GRADIENT}


class StepRows:
    """Turns one step's captures into rows. Use it before the captures are closed."""

    def __init__(
        self,
        step: int,
        captures: StepCaptures,
        models: Models,
        options: Options,
        history: GradientHistory,
        *,
        is_complete: bool,
        pass_kind: Pass = Pass.FREE,
        charging: Optional[Charging] = None,
        chance: Optional[RandomEffects] = None,
        twins: Optional[Twins] = None,
    ) -> None:
        """`history` learns of this step's gradients; `is_complete`: both sides ran to their ends.

        `charging`: the candidate ran in lockstep. `twins`: this is one of two passes.
        """
        self._pass_kind = pass_kind
        self._charging = charging
        self._chance = chance
        self._twins = twins
        self._step = step
        self._captures = captures
        self._models = models
        self._options = options
        self._history = history
        self._is_complete = is_complete
        calls = captures.calls.pairs if captures.calls is not None else []
        self._calls = sorted(calls, key=lambda pair: pair.reference.index)
        self._shifted = Shifted(history, self._calls)
        self._gradient_floors = {
            table: _floors(table) for table in (captures.gradients, captures.parameter_gradients)
        }

    def all_rows(self) -> Iterator[Row]:
        """Yields every row of the step's run: inputs, forward, loss, backward, gradients."""
        for part in (itertools.chain(self._targets(), self._forward()), self._loss()):
            settled = map(self._settled, part)
            yield from numbered(map(self._unjudged, settled) if self._judges_backward_only else settled)
        for part in (self._backward(), self._parameter_gradients()):
            yield from numbered(map(self._settled, part))

    @property
    def _judges_backward_only(self) -> bool:
        has_lockstep = self._charging is not None or self._twins is not None
        return has_lockstep and self._options.diff_phase is DiffPhase.BACKWARD

    def _settled(self, row: Row) -> Row:
        return row if self._twins is None else self._twins.settled(row)

    @staticmethod
    def _unjudged(row: Row) -> Row:
        return dataclasses.replace(row, counts=False)

    def unmatched_calls(self) -> Iterator[Unmatched]:
        """Yields the calls that only one side made; none for a step that broke off."""
        if not self._is_complete or self._captures.calls is None:
            return
        for side in SIDES:
            model = self._models[side]
            for seen in self._captures.calls.unpaired(side):
                yield Unmatched(
                    side=side,
                    what="call",
                    path=seen.event.path,
                    class_name=model.class_name(seen.event.path),
                    call=seen.event.call,
                    reason=_why_unpaired(seen, side),
                    counts=model.is_parameterised(seen.event.path),
                )

    def _targets(self) -> Iterator[Row]:
        targets = self._captures.targets
        for slots in targets.pairing.pairs:
            places = (
                self._target_place(Side.REFERENCE, slots.reference),
                self._target_place(Side.CANDIDATE, slots.candidate),
            )
            frame = self._frame(Phase.INPUTS, CaptureKind.TARGET, *places)
            row = self._filled(frame, targets.table, slots.reference.tensor, slots.candidate.tensor)
            if row is not None:
                yield row
        for side, lone in (
            (Side.REFERENCE, targets.pairing.only_reference),
            (Side.CANDIDATE, targets.pairing.only_candidate),
        ):
            for slot in lone:
                place = self._target_place(side, slot)
                yield self._lone(side, place, Phase.INPUTS, CaptureKind.TARGET)

    def _target_place(self, side: Side, slot: Slot) -> Place:
        return Place(path="", class_name=self._models[side].class_name(""), slot=slot.name, spec=slot.spec)

    def _lone(self, side: Side, place: Place, phase: Phase, kind: CaptureKind, counts: bool = False) -> Row:
        """Returns the row of what only one side has; an input or a target shows in what is made of it."""
        frame = self._frame(
            phase,
            kind,
            place if side is Side.REFERENCE else None,
            place if side is Side.CANDIDATE else None,
        )
        return dataclasses.replace(
            frame, verdict=Verdict.UNMATCHED, reason=f"only the {side} has this {kind}", counts=counts
        )

    def _forward(self) -> Iterator[Row]:
        for call in self._calls:
            is_root_entry = call.layer.reference == "" and call.moment is CallMoment.ENTRY
            phase = Phase.INPUTS if is_root_entry else Phase.FORWARD
            yield from self._slot_rows(call, self._captures.values, phase, _VALUES[call.moment])
            for side, seen, slots in (
                (Side.REFERENCE, call.reference, call.slots.only_reference),
                (Side.CANDIDATE, call.candidate, call.slots.only_candidate),
            ):
                for slot in slots:
                    yield self._lone_slot(side, seen, slot, phase)
            if call.moment is CallMoment.EXIT and not _has_slots(call):
                yield from self._unseen_output(call)

    def _unseen_output(self, call: CallPair) -> Iterator[Row]:
        """Yields a row for a call that has to be compared and gives both sides nothing to compare."""
        calls = {Side.REFERENCE: call.reference, Side.CANDIDATE: call.candidate}
        if call.layer.reference == "" or any(
            self._models[side].is_parameterised(seen.event.path) for side, seen in calls.items()
        ):
            places = [self._place(side, seen, None) for side, seen in calls.items()]
            frame = self._frame(Phase.FORWARD, CaptureKind.OUTPUT, *places)
            yield dataclasses.replace(frame, reason="its output holds no tensor that can be seen")

    def _backward(self) -> Iterator[Row]:
        for call in reversed(self._calls):
            yield from self._slot_rows(
                call, self._captures.gradients, Phase.BACKWARD, _GRADIENTS[call.moment]
            )

    def _slot_rows(
        self, call: CallPair, table: PairTable[int], phase: Phase, kind: CaptureKind
    ) -> Iterator[Row]:
        note = self._off_plan_note(call)
        for slots in call.slots.pairs:
            frame = self._frame(
                phase,
                kind,
                self._place(Side.REFERENCE, call.reference, slots.reference),
                self._place(Side.CANDIDATE, call.candidate, slots.candidate),
            )
            row = self._filled(frame, table, slots.reference.tensor, slots.candidate.tensor, note)
            if row is not None and phase is not Phase.BACKWARD:
                row = self._shifted.settled(row, slots)
            if row is not None and self._chance is not None:
                row = self._chance.marked(row, call, slots)
            if row is not None:
                yield self._charged(self._settled(row), call, slots)

    def _charged(self, row: Row, call: CallPair, slots: SlotPair) -> Row:
        if self._charging is None:
            return row
        if row.phase is Phase.BACKWARD:
            return self._charging.backward(row, call, slots) if self._options.backward_overrides else row
        return self._charging.forward(row, call, slots)

    def _lone_slot(self, side: Side, seen: SeenCall, slot: Slot, phase: Phase) -> Row:
        kind, path = _VALUES[seen.event.moment], seen.event.path
        counts = kind is CaptureKind.OUTPUT and self._models[side].has_to_return(path, slot.name)
        return self._lone(side, self._place(side, seen, slot), phase, kind, counts)

    def _loss(self) -> Iterator[Row]:
        places = {
            side: Place(path="", class_name=self._models[side].class_name(""), slot="loss") for side in SIDES
        }
        frame = self._frame(Phase.LOSS, CaptureKind.LOSS, places[Side.REFERENCE], places[Side.CANDIDATE])
        row = self._filled(frame, self._captures.losses, LOSS_KEY, LOSS_KEY)
        if row is not None:
            yield row

    def _parameter_gradients(self) -> Iterator[Row]:
        table = self._captures.parameter_gradients
        for pair in self._captures.compared_parameters:
            frame = self._frame(
                Phase.GRADIENTS,
                CaptureKind.PARAMETER_GRADIENT,
                self._weight_place(Side.REFERENCE, pair),
                self._weight_place(Side.CANDIDATE, pair),
            )
            missing = self._captures.missing_gradients(pair)
            if missing and self._is_complete:
                reason = (
                    f"no gradient of {', '.join(missing)} on the reference, only of what it is packed with"
                )
                yield dataclasses.replace(frame, verdict=Verdict.MISMATCH, reason=reason)
                continue
            names = {Side.REFERENCE: pair.reference_name, Side.CANDIDATE: pair.candidate_name}
            having = [side for side in SIDES if table.arrived(side, names[side])]
            if len(having) == 1 and self._is_complete:
                yield self._one_sided_gradient(frame, table, pair, having[0])
                continue
            row = self._filled(frame, table, pair.reference_name, pair.candidate_name)
            if row is None:
                continue
            if self._chance is not None:
                row = self._chance.marked_weight(row, pair)
            self._history.note(pair.candidate_name, row)
            measured = table.measured(pair.reference_name, pair.candidate_name)
            if measured is not None:
                floor = self._gradient_floors[table].get(measured.reference.dtype, 0.0)
                self._history.note_elements(pair.candidate_name, measured, floor)
            yield row

    def _one_sided_gradient(self, frame: Row, table: PairTable[str], pair: WeightPair, side: Side) -> Row:
        half = table.half(side, pair.reference_name if side is Side.REFERENCE else pair.candidate_name)
        if half is not None and _is_zero(half, pair.rule if side is Side.REFERENCE else IDENTITY):
            return _against_nothing(frame, side)
        frozen = f": it is frozen on the {other(side)}" if not pair.is_trainable(other(side)) else ""
        reason = f"no gradient on the {other(side)}, and the {side}'s is not zero{frozen}"
        return dataclasses.replace(frame, verdict=Verdict.MISMATCH, reason=reason)

    def _filled(
        self, frame: Row, table: PairTable[Any], reference: Any, candidate: Any, note: str = ""
    ) -> Optional[Row]:
        """Returns the row of a pair; None where there is nothing to say (no gradient on either side)."""
        measured = table.measured(reference, candidate)
        if measured is not None:
            floors = self._gradient_floors.get(table, {})
            return judged_row(
                frame,
                measured,
                options=self._options,
                rule=table.rules.get((reference, candidate), ""),
                gradient_floor=floors.get(measured.reference.dtype, 0.0),
                note=note,
            )
        having = [
            side
            for side, key in ((Side.REFERENCE, reference), (Side.CANDIDATE, candidate))
            if table.arrived(side, key)
        ]
        if table is not self._captures.values and len(having) < len(SIDES):
            if not having or not self._is_complete:
                return None
            # An output that nothing uses: one framework gives it zeros, the other nothing.
            half = table.half(having[0], reference if having[0] is Side.REFERENCE else candidate)
            if table is self._captures.gradients and half is not None and _is_zero(half):
                return _against_nothing(frame, having[0])
            return self._one_sided(frame, having[0])
        return dataclasses.replace(frame, reason=self._captures.why_not_measured(table, reference, candidate))

    @staticmethod
    def _one_sided(frame: Row, side: Side) -> Row:
        """A loss or a gradient that the client asked for fails; an activation may do without a gradient."""
        place = frame.reference if side is Side.REFERENCE else frame.candidate
        is_asked_for = frame.kind is CaptureKind.LOSS or (
            frame.kind is CaptureKind.INPUT_GRADIENT and place is not None and place.path == ""
        )
        return dataclasses.replace(
            frame,
            verdict=Verdict.UNMATCHED,
            reference=frame.reference if side is Side.REFERENCE else None,
            candidate=frame.candidate if side is Side.CANDIDATE else None,
            reason=f"only the {side} has one",
            counts=is_asked_for,
        )

    def _frame(
        self, phase: Phase, kind: CaptureKind, reference: Optional[Place], candidate: Optional[Place]
    ) -> Row:
        frame = Row(
            step=self._step,
            phase=phase,
            kind=kind,
            order=0,
            verdict=Verdict.NOT_COMPARED,
            reference=reference,
            candidate=candidate,
            pass_kind=self._pass_kind,
        )
        return frame if self._twins is None else self._twins.numbered(frame)

    def _place(self, side: Side, seen: SeenCall, slot: Optional[Slot]) -> Place:
        event = seen.event
        sources = self._captures.calls.sources if self._captures.calls is not None else {}
        return Place(
            path=event.path,
            class_name=self._models[side].class_name(event.path),
            call=event.call,
            slot=slot.name if slot is not None else "",
            spec=slot.spec if slot is not None else None,
            source=sources.get((side, event.path, event.call)),
        )

    def _weight_place(self, side: Side, pair: WeightPair) -> Place:
        path, name, spec = pair.place(side)
        return Place(path=path, class_name=self._models[side].class_name(path), slot=name, spec=spec)

    def _off_plan_note(self, call: CallPair) -> str:
        for side, seen in ((Side.REFERENCE, call.reference), (Side.CANDIDATE, call.candidate)):
            if self._captures.is_off_plan(side, seen.event):
                return f"off plan: the {side}'s trace did not have this call"
        return ""


def _why_unpaired(seen: SeenCall, side: Side) -> str:
    if seen.event.moment is CallMoment.EXIT:
        return f"the {other(side)}'s call did not end (it raised, and a layer around it caught that)"
    return f"the {other(side)} made no call that corresponds to it"


def _has_slots(call: CallPair) -> bool:
    return bool(call.slots.pairs or call.slots.only_reference or call.slots.only_candidate)


def _is_zero(half: Half, rule: str = IDENTITY) -> bool:
    return is_zero(apply_rule(rule, *half.tensors))


def _against_nothing(frame: Row, side: Side) -> Row:
    reason = f"no gradient on the {other(side)}, only zeros on the {side}"
    return dataclasses.replace(frame, verdict=Verdict.MATCH, reason=reason)


def _floors(table: PairTable[Any]) -> dict[Any, float]:
    """Returns, by dtype, the rms under which this step's gradients of one kind mean nothing.

    A scalar sets none: the gradient of a mean is as many times its elements'.
    """
    measured: list[Measured] = list(table.all_measured().values())
    figures = [one.figures for one in measured if one.figures is not None]
    largest = max((of.rms_reference for of in figures if of.elements > 1), default=0.0)
    return {one.reference.dtype: gradient_floor(largest, one.reference.dtype) for one in measured}
