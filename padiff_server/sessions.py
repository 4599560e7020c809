"""The comparisons of this coordinator: how many run, how they end, which reports are remembered."""

from __future__ import annotations

import contextlib
import queue
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Protocol, Union

from padiff_rpc.errors import BusyError, CancelledError, NotFoundError
from padiff_rpc.types import AssignWeightsRequest, CompareStart, PlanStart
from padiff_server.comparison import Comparison, WeightAssignment
from padiff_server.judging.store import TensorStore
from padiff_server.messages import BatchWanted, Message
from padiff_server.planning import Planning
from padiff_server.report import FinishedReport, ReportBuilder
from padiff_server.steps.batches import BatchMessage, BatchSource

REMEMBERED_REPORTS = 16
SESSIONS_AT_ONCE = 4

# Registers what to call when the client is gone; returns False when it is gone already.
WhenGone = Callable[[Callable[[], None]], bool]


class Job(Protocol):
    """What a session does."""

    def run(self) -> FinishedReport: ...

    def cancel(self) -> None: ...


class Sessions:
    """Runs jobs, each on a thread of its own, and remembers their reports. Thread-safe."""

    def __init__(self, store: TensorStore) -> None:
        """`store` holds the captures of all sessions together."""
        self._store = store
        self._lock = threading.Lock()
        self._running = 0
        self._finished: OrderedDict[str, FinishedReport] = OrderedDict()

    def compare(
        self, start: CompareStart, batches: Iterator[BatchMessage], when_gone: WhenGone
    ) -> Iterator[Message]:
        """Yields what a comparison says, its summary last; it ends when the client does."""

        def job(report: ReportBuilder) -> Job:
            source = BatchSource(batches, ask=lambda step: report.emit(BatchWanted(step=step)))
            return Comparison(start, source, report, self._store)

        return self._run(job, when_gone)

    def assign_weights(self, asked: AssignWeightsRequest, when_gone: WhenGone) -> Iterator[Message]:
        """Yields what an assignment of weights says, its summary last; it ends when the client does."""
        return self._run(lambda report: WeightAssignment(asked, report), when_gone)

    def plan(
        self, start: PlanStart, batches: Iterator[BatchMessage], when_gone: WhenGone
    ) -> Iterator[Message]:
        """Yields what aligning two models says, its summary last; it ends when the client does."""

        def job(report: ReportBuilder) -> Job:
            return Planning(start, BatchSource(batches, ask=lambda step: None), report)

        return self._run(job, when_gone)

    def report(self, session: str) -> FinishedReport:
        """Returns a finished report that is still remembered. Raises NotFoundError."""
        with self._lock:
            found = self._finished.get(session)
        if found is None:
            raise NotFoundError(
                f"session: {session!r} has no report here; the last {REMEMBERED_REPORTS} are remembered"
            )
        return found

    def _run(self, make_job: Callable[[ReportBuilder], Job], when_gone: WhenGone) -> Iterator[Message]:
        outcome: queue.SimpleQueue[Union[Message, FinishedReport, BaseException]] = queue.SimpleQueue()
        report = ReportBuilder(secrets.token_hex(8), outcome.put)
        with self._place():
            job = make_job(report)

            def work() -> None:
                try:
                    outcome.put(job.run())
                except BaseException as error:
                    outcome.put(error)

            if not when_gone(job.cancel):
                raise CancelledError("the caller is gone")
            thread = threading.Thread(target=work, name=f"session-{report.session}", daemon=True)
            thread.start()
            try:
                yield from self._until_finished(outcome)
            finally:
                job.cancel()
                thread.join()

    def _until_finished(
        self, outcome: queue.SimpleQueue[Union[Message, FinishedReport, BaseException]]
    ) -> Iterator[Message]:
        while True:
            item = outcome.get()
            if isinstance(item, FinishedReport):
                self._remember(item)
                yield item.summary
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        with self._lock:
            if self._running >= SESSIONS_AT_ONCE:
                raise BusyError(
                    f"this coordinator runs {SESSIONS_AT_ONCE} comparisons at once and all are taken; "
                    "wait for one to end, or start another coordinator"
                )
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def _remember(self, finished: FinishedReport) -> None:
        with self._lock:
            self._finished[finished.summary.session] = finished
            while len(self._finished) > REMEMBERED_REPORTS:
                self._finished.popitem(last=False)
