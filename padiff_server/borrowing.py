"""A session's job that first gets its workers, waiting for them if another comparison has them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Optional, Protocol

from padiff_rpc.errors import CancelledError
from padiff_rpc.v1.records import Party
from padiff_rpc.v1.words import Phase, Side
from padiff_server.report import FinishedReport, ReportBuilder
from padiff_server.worker_directory import WorkerDirectory


class Job(Protocol):
    """What a session does."""

    def run(self) -> FinishedReport: ...

    def cancel(self) -> None: ...


class BorrowingJob:
    """Holds its workers for as long as the job made with them runs."""

    def __init__(
        self,
        directory: WorkerDirectory,
        candidate: Party,
        reference: Party,
        make_job: Callable[[Party, Party], Job],
        report: ReportBuilder,
    ) -> None:
        """`make_job` is called with both parties, whose workers are addresses then.

        Raises InvalidRequestError and NotFoundError as `WorkerDirectory.wish`.
        """
        self._directory = directory
        self._wish = directory.wish(candidate, reference)
        self._candidate = candidate
        self._reference = reference
        self._make_job = make_job
        self._report = report
        self._lock = threading.Lock()
        self._job: Optional[Job] = None
        self._is_cancelled = False

    def run(self) -> FinishedReport:
        """Runs the job. Raises what is wrong with the request, and BusyError where a worker stays in use."""
        with self._directory.lent(self._wish, self._say) as workers:
            job = self._make_job(
                replace(self._candidate, worker=workers[Side.CANDIDATE]),
                replace(self._reference, worker=workers[Side.REFERENCE]),
            )
            with self._lock:
                if self._is_cancelled:
                    raise CancelledError("the comparison was cancelled before it began")
                self._job = job
            return job.run()

    def cancel(self) -> None:
        """Ends the waiting or the job, from another thread."""
        with self._lock:
            self._is_cancelled = True
        self._directory.cancel(self._wish)
        if self._job is not None:
            self._job.cancel()

    def _say(self, text: str) -> None:
        self._report.progress(Phase.CONNECT, text=text)
