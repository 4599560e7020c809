"""The state of a run in a word: how it ended, or that it has not."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from padiff_client.report import Report


class RunState(Enum):
    """A run's state, as lists show it and pages are coloured by it."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    CUT_SHORT = "cut short"
    RUNNING = "running"


def state_of(report: Report) -> RunState:
    """Returns the state of a report's run; of a report without a run, how its comparison ended."""
    if report.kept is not None and report.kept.is_running:
        return RunState.RUNNING
    if report.troubles or report.failures:
        return RunState.CUT_SHORT
    if report:
        return RunState.PASS
    is_untold = report.inconclusive is not None and report.first_divergence is None
    return RunState.INCONCLUSIVE if is_untold else RunState.FAIL
