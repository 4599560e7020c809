"""Sessions that have ended, as the coordinator's books have them: who, what, when, and how it came out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Union

from padiff_compare.report.finished import FinishedReport
from padiff_rpc.errors import CancelledError, PaDiffError
from padiff_rpc.records import Word, record
from padiff_server.asked import Asked
from padiff_server.clients import Principal


class SessionOutcome(Word):
    """How a session ended.

    Attributes:
        PASSED: its report passes.
        FAILED: its report does not: something differs, or cannot be told, or a model raised.
        CUT_SHORT: its report says what broke before the end: a lost worker, or who ended the session.
        CANCELLED: its client left.
        REFUSED: with an error in place of a report.
        BROKEN: by a fault of the coordinator itself.
    """

    PASSED = "passed"
    FAILED = "failed"
    CUT_SHORT = "cut_short"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    BROKEN = "broken"


@record
class EndedSession:
    """One session.

    Attributes:
        session: its name.
        caller: who asked for it.
        asked: what for; of workers that a label named, those that were taken.
        began_at: when, in seconds since 1970.
        seconds: how long it took.
        outcome: how it ended.
        because: why it was ended from outside; empty: it was not.
        rows: how many its report has.
        tensor_bytes: of the tensors that crossed between coordinator and workers.
    """

    session: str
    caller: Principal
    asked: Asked
    began_at: float
    seconds: float
    outcome: SessionOutcome
    because: str = ""
    rows: int = 0
    tensor_bytes: int = 0


# Hears of each session that has ended.
Bookkeeper = Callable[[EndedSession], None]


def outcome_of(last: Union[FinishedReport, BaseException, None]) -> SessionOutcome:
    """Returns how a session ended by its last word; None: its client did not wait for it."""
    if last is None or isinstance(last, (CancelledError, GeneratorExit)):
        return SessionOutcome.CANCELLED
    if isinstance(last, FinishedReport):
        if last.summary.troubles:
            return SessionOutcome.CUT_SHORT
        return SessionOutcome.PASSED if last.summary.passed else SessionOutcome.FAILED
    if isinstance(last, PaDiffError) and type(last) is not PaDiffError:
        return SessionOutcome.REFUSED
    return SessionOutcome.BROKEN
