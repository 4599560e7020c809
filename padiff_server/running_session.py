"""One job on a thread of its own, and how it ends: by itself, with its client, or when it is told to."""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, Union

from padiff_compare.capture.recorded import Recorded, RecordedItem, RecordedState, RecordedWeight
from padiff_compare.capture.source import CaptureChunk
from padiff_compare.report.builder import KeptTensor, Message, ReportBuilder
from padiff_compare.report.finished import FinishedReport, finished
from padiff_rpc.v1.records import Trouble
from padiff_server.clients import Principal
from padiff_server.ended_session import EndedSession, outcome_of
from padiff_server.job import Job

# What a job tells, but for its report; and all of it.
Told = Union[Message, Recorded]
Said = Union[Told, FinishedReport]
_Outcome = Union[Said, BaseException]
# A cancelled job ends at its next message; one that waits for its client ends with that.
_LAST_SECONDS = 1.0
# Of tensors that a client keeps, on their way to it.
_UNSENT_BYTES = 32 << 20


class _Outcomes:
    """What a job says, in order. It waits where the client has yet to take too many bytes of tensors."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._bytes = 0
        self._is_released = False

    def put(self, outcome: _Outcome) -> None:
        """Adds an outcome; blocks for a tensor until there is room for it, or until `release`."""
        size = _tensor_bytes(outcome)
        if size:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._is_released or not self._bytes or self._bytes + size <= _UNSENT_BYTES
                )
                self._bytes += size
        self._queue.put(outcome)

    def get(self) -> _Outcome:
        """Returns the next outcome; blocks until there is one."""
        outcome = self._queue.get()
        size = _tensor_bytes(outcome)
        if size:
            with self._changed:
                self._bytes -= size
                self._changed.notify_all()
        return outcome

    def release(self) -> None:
        """Lets nobody wait any more: the session ends."""
        with self._changed:
            self._is_released = True
            self._changed.notify_all()


def _tensor_bytes(outcome: _Outcome) -> int:
    if isinstance(outcome, (KeptTensor, RecordedWeight, RecordedState)):
        return outcome.tensor.byte_count
    if isinstance(outcome, RecordedItem) and isinstance(outcome.item, CaptureChunk):
        return len(outcome.item.chunk.content)
    return 0


class RunningSession:
    """A job, from its making to its last word."""

    def __init__(self, make_job: Callable[[ReportBuilder], Job[Any]]) -> None:
        """Raises what is wrong with the request. Nothing runs yet."""
        self._outcomes = _Outcomes()
        self._report = ReportBuilder(secrets.token_hex(8), self._outcomes.put)
        self._job = make_job(self._report)
        self._thread = threading.Thread(
            target=self._work, name=f"session-{self._report.session}", daemon=True
        )
        self._ended_because = ""
        self._began_at, self._began = time.time(), time.monotonic()

    @property
    def name(self) -> str:
        """What clients call the session by."""
        return self._report.session

    def ended(self, caller: Principal, last: Union[FinishedReport, BaseException, None]) -> EndedSession:
        """Returns the session as the books have it, its last word known."""
        return EndedSession(
            session=self.name,
            caller=caller,
            asked=self._job.asked,
            began_at=self._began_at,
            seconds=time.monotonic() - self._began,
            outcome=outcome_of(last),
            because=self._ended_because,
            rows=len(self._report.rows),
            tensor_bytes=self._report.tensor_bytes,
        )

    def cancel(self) -> None:
        """Ends the job, whose client is gone; from any thread."""
        self._outcomes.release()
        self._job.cancel()

    def end(self, reason: str) -> None:
        """Ends the job; its report holds what was compared so far, and `reason` as a trouble.

        Told once more it does nothing: the first reason counts.
        """
        if self._ended_because:
            return
        self._ended_because = reason
        self._outcomes.release()
        self._job.cancel()
        if self._thread.ident is None:  # it will be cancelled when it starts
            return
        self._thread.join(_LAST_SECONDS)
        if self._thread.is_alive():
            self._outcomes.put(self._cut_short())

    def messages(self) -> Generator[Said, None, None]:
        """Runs the job; yields what it says, its report last. Raises what it raised."""
        self._thread.start()
        try:
            while True:
                outcome = self._outcomes.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
                if isinstance(outcome, FinishedReport):
                    return
        finally:
            self._outcomes.release()
            self._job.cancel()
            if not self._ended_because:  # else it may wait for its client, who waits for us
                self._thread.join()

    def _work(self) -> None:
        outcome: Union[FinishedReport, BaseException]
        try:
            outcome = self._job.run()
        except BaseException as error:
            outcome = error
        if self._ended_because and not _is_undisturbed(outcome):
            outcome = self._cut_short()
        self._outcomes.put(outcome)

    def _cut_short(self) -> FinishedReport:
        report = self._report
        report.add_trouble(Trouble(phase=report.phase, step=report.step, text=self._ended_because))
        return finished(report)


def _is_undisturbed(outcome: Union[FinishedReport, BaseException]) -> bool:
    """Whether a job was done before it could be ended."""
    return isinstance(outcome, FinishedReport) and not outcome.summary.troubles
