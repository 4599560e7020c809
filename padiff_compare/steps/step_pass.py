"""Passes of a step: what each of them is, and what it has come to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable
from typing import Optional

from padiff_compare.capture.held_pass import HeldPass
from padiff_compare.judge.interim_history import GradientHistory
from padiff_compare.lockstep.lockstep_plan import LockstepPlan
from padiff_compare.rows import fails
from padiff_compare.steps.twins import Twins
from padiff_rpc.records import record
from padiff_rpc.v1.records import Row, StepResult, Unmatched
from padiff_rpc.v1.words import CaptureKind, Pass

# How the difference grows shows in these. A gradient of rounding noise may be anything apart.
_VALUES = frozenset({CaptureKind.INPUT, CaptureKind.OUTPUT, CaptureKind.LOSS})
_WEIGHTS = frozenset({CaptureKind.PARAMETER, CaptureKind.BUFFER})


@record
class StepPass:
    """What one pass of a step is.

    Attributes:
        step: from 0.
        kind: in lockstep the candidate gets the reference's values.
        history: learns of this pass's gradients.
        overrides: which tensors of the reference the candidate gets; None for none.
        twins: knows the rows of the step's other pass; None where there is none.
        hold: gets what the reference shows.
        held: is the reference's source, which does not run again; None where the worker is.
    """

    step: int
    kind: Pass
    history: GradientHistory
    overrides: Optional[LockstepPlan] = None
    twins: Optional[Twins] = None
    hold: Optional[HeldPass] = None
    held: Optional[HeldPass] = None

    @property
    def is_lockstep(self) -> bool:
        return self.kind is Pass.LOCKSTEP

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
    """What a pass, or a step, has come to so far."""

    rows: tuple[Row, ...]
    unmatched: tuple[Unmatched, ...] = ()

    def with_rows(self, rows: tuple[Row, ...]) -> Outcome:
        return Outcome(rows=(*self.rows, *rows), unmatched=self.unmatched)


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


def _furthest(rows: Iterable[Row], kinds: Collection[CaptureKind]) -> float:
    """Returns the largest relative L2 among these rows, of the free pass where there are two."""
    measured = [row for row in rows if row.kind in kinds and row.figures is not None]
    free = [row for row in measured if row.pass_kind is Pass.FREE]
    return max((row.figures.relative_l2 for row in free or measured if row.figures), default=0.0)
