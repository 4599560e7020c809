"""Passes of a step: what each of them is, and what it has come to."""

from __future__ import annotations

from typing import Optional

from padiff_rpc.records import record
from padiff_rpc.v1.records import Row, Unmatched
from padiff_rpc.v1.words import Pass
from padiff_server.judging.gradient_history import GradientHistory
from padiff_server.steps.held_reference import HeldReference
from padiff_server.steps.lockstep_plan import LockstepPlan
from padiff_server.steps.twins import Twins


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
        held: stands for the reference, which does not run; None where it does.
    """

    step: int
    kind: Pass
    history: GradientHistory
    overrides: Optional[LockstepPlan] = None
    twins: Optional[Twins] = None
    hold: Optional[HeldReference] = None
    held: Optional[HeldReference] = None

    @property
    def is_lockstep(self) -> bool:
        return self.kind is Pass.LOCKSTEP

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
