"""Passes of a step: what each is and has come to, and the two rows of one place."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Optional, Protocol

from padiff_compare.capture.held_pass import HeldPass
from padiff_compare.capture.trace import Traces
from padiff_compare.join.calls import JoinedCalls
from padiff_compare.join.captures import StepCaptures
from padiff_compare.join.foreseen import Expectations
from padiff_compare.judge.judged_row import (
    differs,
    exceeds_rounding,
    fails,
    has_ties,
    is_agreement,
    is_inconclusive,
)
from padiff_compare.judge.measured import ShownAt
from padiff_compare.lockstep.lockstep_plan import LockstepPlan
from padiff_compare.normalization import Normalization
from padiff_compare.steps.held_reference import HeldReference
from padiff_compare.steps.step_run import PassStart, SideEnd
from padiff_compare.weights.step_history import StepHistory
from padiff_compare.weights.weight_pair import WeightPair, WeightSize, full_name
from padiff_rpc.records import record
from padiff_rpc.tensors import FLOATING, epsilon
from padiff_rpc.v1.records import Note, Place, Reason, Row, StepResult, StepStart, Unmatched, WeightNoise
from padiff_rpc.v1.words import CaptureKind, Cause, NoteKind, Omission, Pass, Phase, Side, Verdict

# How the difference grows shows in these. A gradient of rounding noise may be anything apart.
_VALUES = frozenset({CaptureKind.INPUT, CaptureKind.OUTPUT, CaptureKind.LOSS})
_WEIGHTS = frozenset({CaptureKind.PARAMETER, CaptureKind.BUFFER})

_FORWARD = frozenset({Phase.INPUTS, Phase.FORWARD, Phase.LOSS})

# Where no run in float64 tells how far the reference itself drifts: an error this large, and as many times
# larger than all before it and than its dtype's spacing, did not grow.
_LARGE, _LEAP = 1e-2, 1e5

_At = Optional[tuple[str, int, str]]


class Twins:
    """Knows the rows of both passes of one step by their places; the pass in lockstep comes first."""

    def __init__(self, drift: float = 0.0) -> None:
        """`drift`: how far (relative L2) the free run's weights were apart before the step."""
        self._largest = drift
        self._leaps: set[int] = set()
        self._drifts: Optional[bool] = None
        self._numbers: dict[tuple[Phase, CaptureKind, _At, _At], int] = {}
        self._local: dict[int, Row] = {}

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a reader should know of the step."""
        return (Note(kind=NoteKind.LEAP),) if self._leaps and not self._drifts else ()

    @property
    def leaves_a_question(self) -> bool:
        """Whether no row in lockstep explains a drift.

        One that fails does, one of a decision that tips, and one that only the user's bounds let pass.
        """
        return not any(fails(row) or has_ties(row) or exceeds_rounding(row) for row in self._local.values())

    @property
    def local_error(self) -> float:
        """How far (relative L2) any value is off in lockstep."""
        errors = (
            row.figures.relative_l2
            for row in self._local.values()
            if row.kind in _VALUES and not differs(row) and row.figures is not None
        )
        return max((one for one in errors if math.isfinite(one)), default=0.0)

    def measured(self, drifts: Optional[bool]) -> None:
        """Takes in whether the free run drifts further than the reference's own; None: nobody knows."""
        self._drifts = drifts

    def numbered(self, row: Row) -> Row:
        """Returns the row of a place, before any of it is charged to another, with the place's number."""
        key = (row.phase, row.kind, _at(row.reference), _at(row.candidate))
        return dataclasses.replace(row, twin=self._numbers.setdefault(key, len(self._numbers) + 1))

    def settled(self, row: Row) -> Row:
        """Takes the local row of a place; returns a free one, which does not count where its twin tells all.

        Values that differ in the free run alone are what smaller differences before have grown to, unless
        the run drifts further than the reference's own: then the first of them counts. A fault is counted by
        the local row. Whatever else keeps a free row from agreeing, its twin does not explain.
        Of a local row that is charged to another layer, the one before that has to come first; free rows of
        values come in order of execution.
        """
        if row.pass_kind is Pass.LOCKSTEP:
            self._local.setdefault(row.twin, row)
            return row
        if row.twin in self._leaps:
            return row
        is_leap = self._leaps_up(row)
        local = self._local.get(row.twin)
        if local is None or not fails(row):
            return row
        if self._drifts and not self._leaps and row.phase in _FORWARD:
            self._leaps.add(row.twin)
            return _told(row, Cause.CARRIED_OVER)
        if _says_the_same(local, row) or local.omission is Omission.JUDGED_ELSEWHERE:
            return _explained(row, Cause.LOCAL_FAULT)
        if row.verdict is Verdict.MISMATCH and is_inconclusive(local):
            return _explained(row, Cause.INCONCLUSIVE_LOCALLY)
        if row.verdict is Verdict.MISMATCH and is_agreement(local):
            # A decision that tips in lockstep as well is none.
            if is_leap and self._drifts is None and not has_ties(local):
                self._leaps.add(row.twin)
                return _told(row, Cause.LEAP)
            return _explained(row, Cause.ACCUMULATION)
        return row

    def _leaps_up(self, row: Row) -> bool:
        """Notes how far a free row is off; returns whether all before it are too close to have led there."""
        error = row.figures.relative_l2 if row.figures is not None else 0.0
        if row.phase not in (Phase.INPUTS, Phase.FORWARD):
            return False
        before, self._largest = self._largest, max(self._largest, error)
        spec = row.reference.spec if row.reference is not None else None
        # An index that flipped is a decision; what it leads to comes behind it.
        if spec is None or spec.dtype not in FLOATING:
            return False
        return error > max(_LARGE, _LEAP * max(before, epsilon(spec.dtype)))


def _says_the_same(local: Row, row: Row) -> bool:
    """Whether both differ, or nobody compared either."""
    return differs(local) or (fails(local) and local.verdict is row.verdict)


def _explained(row: Row, cause: Cause) -> Row:
    return dataclasses.replace(_told(row, cause), counts=False)


def _told(row: Row, cause: Cause) -> Row:
    return dataclasses.replace(row, reasons=(Reason(cause=cause), *row.reasons))


def _at(place: Optional[Place]) -> _At:
    return None if place is None else (place.path, place.call, place.slot)


@record
class Foreseen:
    """What a trace says of the passes to come.

    Attributes:
        joined: the calls that they are expected to make.
        expectations: how many partners each tensor has in them.
        overrides: by the kind of pass, which tensors of the reference the candidate gets; None for none.
        norms: which are called with what shows at a place.
    """

    joined: JoinedCalls
    expectations: Expectations
    overrides: Mapping[Pass, Optional[LockstepPlan]]
    norms: Mapping[ShownAt, tuple[Normalization, ...]]


class Sketches(Protocol):
    """What judges a step by sketches, where whole tensors cannot travel."""

    def remember(self, step: int) -> None:
        """Hears that a step is about to begin."""

    def asked(self, starts: Mapping[Side, StepStart], joined: JoinedCalls) -> Mapping[Side, StepStart]:
        """Returns the starts of both sides with what is to travel as sketches."""

    def settle(
        self,
        start: PassStart,
        ends: Mapping[Side, SideEnd],
        captures: StepCaptures,
        rows: Callable[[], Sequence[Row]],
    ) -> None:
        """Has whole tensors tell what sketches leave in question, before rows are made of the captures.

        `rows`: returns those that would be made now.
        """


@record
class StepPass:
    """What one pass of a step is.

    Attributes:
        step: from 0.
        kind: in lockstep the candidate gets the reference's values.
        history: learns of this pass's gradients.
        foreseen: what is known of it before it runs; None: it is kept whole, and serves as the trace.
        twins: knows the rows of the step's other pass; None where there is none.
        hold: gets what the reference shows, and is asked how far that is from float64.
        parted: how far a free run's weights were apart before it, by the reference's names.
        by_convention: two formulas of one optimizer explain that, and so a drift.
        held: is the reference's source, which does not run again; None where the worker is.
        leaves_optimizer: the candidate's optimizer does not step.
        sketches: settles what sketches make suspicious; None: whole tensors travel.
        sizes: of the reference's weights before it, by the candidate's full names.
    """

    step: int
    kind: Pass
    history: StepHistory
    foreseen: Optional[Foreseen] = None
    twins: Optional[Twins] = None
    hold: Optional[HeldReference] = None
    held: Optional[HeldPass] = None
    leaves_optimizer: bool = False
    parted: tuple[WeightNoise, ...] = ()
    by_convention: bool = False
    sketches: Optional[Sketches] = None
    sizes: Mapping[str, WeightSize] = dataclasses.field(default_factory=dict)

    @property
    def is_lockstep(self) -> bool:
        return self.kind is Pass.LOCKSTEP

    @property
    def judges_rounding(self) -> bool:
        """Whether rows are judged in this pass, and not in another of the same step."""
        return self.is_lockstep or self.twins is None

    @property
    def overrides(self) -> Optional[LockstepPlan]:
        """Which tensors of the reference the candidate gets; None for none."""
        return self.foreseen.overrides.get(self.kind) if self.foreseen is not None else None

    def taken(self, row: Row) -> Row:
        """Returns a row of what the pass left behind as a row of this pass."""
        row = dataclasses.replace(row, pass_kind=self.kind)
        return row if self.twins is None else self.twins.settled(self.twins.numbered(row))

    @property
    def name(self) -> str:
        """What a reader calls the pass; empty where the step has one alone."""
        if self.twins is None:
            return ""
        return "in lockstep" if self.is_lockstep else "on the candidate's own values"


@record
class Outcome:
    """What a pass, or a step, has come to so far; `traces`: of its first pass."""

    traces: Traces
    rows: tuple[Row, ...]
    unmatched: tuple[Unmatched, ...] = ()

    def with_rows(self, rows: tuple[Row, ...]) -> Outcome:
        return dataclasses.replace(self, rows=(*self.rows, *rows))


def step_result(step: int, outcome: Outcome) -> StepResult:
    """Returns whether a step passed, its losses, and how far the sides were apart."""
    # Of two passes the second one is free, and shows how far the sides have drifted.
    losses = [row.figures for row in outcome.rows if row.kind is CaptureKind.LOSS]
    loss = losses[-1] if losses else None
    return StepResult(
        step=step,
        passed=not any(fails(row) for row in outcome.rows)
        and not any(lone.counts for lone in outcome.unmatched),
        # The mean of one element is the element.
        loss_reference=loss.mean_reference if loss is not None else math.nan,
        loss_candidate=loss.mean_candidate if loss is not None else math.nan,
        values_relative_l2=_furthest(outcome.rows, _VALUES),
        weights_relative_l2=_furthest(outcome.rows, _WEIGHTS),
    )


def parted_weights(rows: Iterable[Row], pairs: Iterable[WeightPair]) -> tuple[WeightNoise, ...]:
    """Returns how far the rows find weights apart, by the reference's full names."""
    names = {pair.candidate_name: pair.reference_names for pair in pairs}
    return tuple(
        WeightNoise(name=name, rms=row.figures.rmse)
        for row in rows
        if row.kind in _WEIGHTS and row.candidate is not None and row.figures is not None
        for name in names.get(full_name(row.candidate.path, row.candidate.slot), ())
        if math.isfinite(row.figures.rmse) and row.figures.rmse
    )


def _furthest(rows: Iterable[Row], kinds: Collection[CaptureKind]) -> float:
    """Returns the largest relative L2 among these rows, of the free pass where there are two."""
    measured = [row for row in rows if row.kind in kinds and row.figures is not None]
    free = [row for row in measured if row.pass_kind is Pass.FREE]
    return max((row.figures.relative_l2 for row in free or measured if row.figures), default=0.0)
