"""Rows of one step's captures: where each belongs, and what came of its pair."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

from padiff_compare.capture.sides import SIDES, TensorPair
from padiff_compare.capture.trace import SeenCall, Trace
from padiff_compare.join.captures import StepCaptures
from padiff_compare.join.pairs import Half, PairTable
from padiff_compare.judge.evidence import Evidence, Known, Measured, agrees
from padiff_compare.judge.judged_row import blank_row, judged_row, lone_row
from padiff_compare.judge.measure import is_zero
from padiff_compare.judge.tolerances import coarser, rounding_without_gold
from padiff_compare.layout_rules import IDENTITY, Rule
from padiff_compare.model_index import ModelIndex, Models
from padiff_compare.noise.rounding_floors import RoundingFloors
from padiff_compare.randomness.random_decisions import RandomEffects
from padiff_compare.steps.own_errors import BothFromGold, OwnErrors
from padiff_compare.steps.step_pass import StepPass
from padiff_compare.weights.weight_pair import Counterparts
from padiff_rpc.records import record
from padiff_rpc.v1.records import Options, Place, Row, Slot
from padiff_rpc.v1.words import CaptureKind, Phase, Side

_NOTHING = Known()


@record
class PassEnd:
    """How a pass ended.

    Attributes:
        floors: of rounding, by what the step's other tensors say.
        is_complete: both sides ran to their ends.
        has_gradients: whether both sides could have any.
        chance: what was decided by chance; None for nothing.
        own_errors: of the reference; None where it was not run in float64, or has no say.
        from_gold: how far each side is from that run; None where nobody asks, or it could not be had.
    """

    floors: RoundingFloors
    is_complete: bool
    has_gradients: bool = True
    chance: Optional[RandomEffects] = None
    own_errors: Optional[OwnErrors] = None
    from_gold: Optional[BothFromGold] = None


class RowMaker:
    """Makes rows of the pairs of one step. Use it before the captures are closed.

    Attributes:
        floors: see `PassEnd`.
    """

    def __init__(
        self,
        this: StepPass,
        captures: StepCaptures,
        models: Models,
        options: Options,
        end: PassEnd,
    ) -> None:
        """See `StepRows`."""
        self._this = this
        self._captures = captures
        self._models = models
        self._options = options
        self._is_complete = end.is_complete
        self.floors = end.floors

    def frame(
        self, phase: Phase, kind: CaptureKind, reference: Optional[Place], candidate: Optional[Place]
    ) -> Row:
        """Returns the row of a pair of which nothing is known yet."""
        row = blank_row(phase, kind, reference, candidate, step=self._this.step, pass_kind=self._this.kind)
        return row if self._this.twins is None else self._this.twins.numbered(row)

    def place(self, side: Side, seen: SeenCall, slot: Optional[Slot]) -> Place:
        """Returns where a call's slot is."""
        return slot_place(self._captures.joined.traces[side], self._models[side], seen, slot)

    def weight_place(self, side: Side, pair: Counterparts) -> Place:
        """Returns where one side of a pair of weights is."""
        path, name, spec = pair.place(side)
        return Place(path=path, class_name=self._models[side].class_name(path), slot=name, spec=spec)

    def root_place(self, side: Side, slot: Optional[Slot], name: str = "") -> Place:
        """Returns a place of the whole model's: a slot, or what `name` says."""
        return Place(
            path="",
            class_name=self._models[side].class_name(""),
            slot=slot.name if slot is not None else name,
            spec=slot.spec if slot is not None else None,
        )

    def lone(self, side: Side, place: Place, phase: Phase, kind: CaptureKind, counts: bool = False) -> Row:
        """Returns the row of what only one side has; an input or a target shows in what is made of it."""
        frame = self.frame(
            phase,
            kind,
            place if side is Side.REFERENCE else None,
            place if side is Side.CANDIDATE else None,
        )
        return lone_row(frame, side, is_needed=counts)

    def filled(
        self,
        frame: Row,
        table: PairTable[Any],
        pair: TensorPair[Any],
        known: Known = _NOTHING,
        sums: Optional[float] = None,
    ) -> Optional[Row]:
        """Returns the row of a pair; None where there is nothing to say (no gradient on either side).

        `sums`: see `Evidence`; by default what the step's other tensors say.
        """
        measured = table.measured(pair)
        if measured is not None:
            sums = self.floors.of(table, pair) if sums is None else sums
            if self._this.is_lockstep and known.own_error is None:
                dtype = coarser(measured.reference.dtype, measured.candidate.dtype)
                sums = max(sums, rounding_without_gold(frame.kind, dtype) * measured.scale)
            if not self._this.is_lockstep and self._is_within_table(measured):
                known = dataclasses.replace(known, own_error=None)
            evidence = Evidence(kind=frame.kind, measured=measured, sums=sums, known=known)
            return judged_row(frame, evidence, self._options, table.rules.get(pair, IDENTITY))
        having = [side for side in SIDES if table.arrived(side, pair.of(side))]
        if table is not self._captures.values and len(having) < len(SIDES):
            if not having or not self._is_complete:
                return None
            # An output that nothing uses: one framework gives it zeros, the other nothing.
            half = table.half(having[0], pair.of(having[0]))
            if table is self._captures.gradients and half is not None and is_nothing(half):
                return against_nothing(frame, having[0])
            return self._one_sided(frame, having[0], known)
        why = self._captures.why_not_measured(table, pair)
        evidence = Evidence(kind=frame.kind, why=() if why is None else (why,), known=known)
        return judged_row(frame, evidence, self._options)

    def _is_within_table(self, measured: Measured) -> bool:
        """Whether the table, which comes first in free runs, allows a difference."""
        one = measured.without_bounds
        return one.figures is not None and agrees(one.figures, one.tolerance, self._options)

    def _one_sided(self, frame: Row, side: Side, known: Known) -> Row:
        """A loss or a gradient that the client asked for fails."""
        place = frame.reference if side is Side.REFERENCE else frame.candidate
        is_asked_for = frame.kind is CaptureKind.LOSS or (
            frame.kind is CaptureKind.INPUT_GRADIENT and place is not None and place.path == ""
        )
        evidence = Evidence(kind=frame.kind, only=side, is_needed=is_asked_for, known=known)
        return judged_row(frame, evidence, self._options)


def slot_place(trace: Trace, model: ModelIndex, seen: SeenCall, slot: Optional[Slot]) -> Place:
    """Returns where a slot of a call is that the trace has."""
    event, call = seen.event, trace.calls.get(seen.name)
    return Place(
        path=event.path,
        class_name=model.class_name(event.path),
        call=event.call,
        slot=slot.name if slot is not None else "",
        spec=slot.spec if slot is not None else None,
        source=call.entry.event.source if call is not None else None,
    )


def is_nothing(half: Half, rule: Rule = IDENTITY) -> bool:
    """Whether a half, laid out by `rule`, is all zeros."""
    # A sketch is zero where its tensor is, whatever the layout.
    return all(map(is_zero, half.tensors)) if half.has_sketch else is_zero(rule.apply(*half.tensors))


def against_nothing(frame: Row, side: Side) -> Row:
    """Returns the row of a gradient that is zero on `side` and was not made on the other."""
    return judged_row(frame, Evidence(kind=frame.kind, only=side, is_zero=True))
