"""The result of one step in a few figures."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from padiff_rpc.v1.records import Row, StepResult
from padiff_rpc.v1.words import CaptureKind, Pass
from padiff_server.coverage import fails
from padiff_server.steps.step_pass import Outcome

# How the difference grows shows in these. A gradient of rounding noise may be anything apart.
_VALUES = frozenset({CaptureKind.INPUT, CaptureKind.OUTPUT, CaptureKind.LOSS})
_WEIGHTS = frozenset({CaptureKind.PARAMETER, CaptureKind.BUFFER})


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
