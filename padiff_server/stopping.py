"""The end of a coordinator: running comparisons get their time, then a report that says why they ended."""

from __future__ import annotations

import logging

from padiff_rpc.stopping import StopSignals
from padiff_server.sessions import Sessions

logger = logging.getLogger(__name__)

# For the last reports to be made and sent.
_REPORT_SECONDS = 5.0


def drain(signals: StopSignals, sessions: Sessions, seconds: float) -> None:
    """Takes no more sessions, gives those that run so many seconds, then ends them; returns when all have.

    The next signal ends them at once.
    """
    sessions.close()
    if sessions.is_idle():
        return
    logger.warning("told to stop: running comparisons get %g s; a second signal ends them at once", seconds)
    hurry = signals.drain(sessions.is_idle, seconds)
    if not sessions.is_idle():
        sessions.end(
            "the coordinator was told to stop by a second signal"
            if hurry
            else f"the coordinator was told to stop, and the {seconds:g} s for what was running are over"
        )
        signals.drain(sessions.is_idle, _REPORT_SECONDS)
