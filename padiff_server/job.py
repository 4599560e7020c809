"""A job of the coordinator: workers are borrowed, and what a task does with them makes a report."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, Optional, Protocol, TypeVar

from padiff_compare.report.builder import ReportBuilder
from padiff_compare.report.finished import FinishedReport, finished
from padiff_compare.source_pair import ComparisonStopped, SourcePair
from padiff_rpc.errors import CancelledError
from padiff_rpc.v1.records import (
    AssignWeightsRequest,
    CheckInputsRequest,
    CompareStart,
    Options,
    PlanStart,
    RecordStart,
)
from padiff_rpc.v1.words import Phase, Transport
from padiff_server.asked import parties_of
from padiff_server.links.arena_probe import MemoryRule
from padiff_server.links.silence import Patience
from padiff_server.links.worker_link import WorkerLink
from padiff_server.worker_directory import WorkerDirectory

A = TypeVar("A", CompareStart, PlanStart, AssignWeightsRequest, CheckInputsRequest, RecordStart)


class Task(Protocol):
    """What is done with the workers; whoever makes one hears what is wrong with the request.

    Attributes:
        wants_outputs: the report passes only if outputs were compared.
    """

    wants_outputs: bool

    def run(self) -> None:
        """Puts what it finds into the report. Raises ComparisonStopped when nothing more can be found."""


class Job(Generic[A]):
    """One request, from its parties, two or the one to be recorded, to its report.

    Attributes:
        asked: the request; its workers are those that were lent, once they are.
    """

    def __init__(
        self,
        asked: A,
        make_task: Callable[[A, SourcePair, ReportBuilder], Task],
        directory: WorkerDirectory,
        report: ReportBuilder,
    ) -> None:
        """`make_task` gets the request with workers that are addresses, and these workers, not yet connected.

        Raises InvalidRequestError and NotFoundError as `WorkerDirectory.wish`.
        """
        self.asked: A = asked
        self._make_task: Callable[[A, SourcePair, ReportBuilder], Task] = make_task
        self._directory = directory
        self._report = report
        self._parties = parties_of(asked)
        self._wish = directory.wish(self._parties)
        self._lock = threading.Lock()
        self._sources: Optional[SourcePair] = None
        self._is_cancelled = False

    def run(self) -> FinishedReport:
        """Runs the task, and returns the report, also when a model or a worker broke on the way.

        Raises what is wrong with the request, BusyError where a worker stays in use, and CancelledError
        after `cancel`.
        """
        with self._directory.lent(self._wish, self._say) as lent:
            parties = {side: replace(party, worker=lent[side]) for side, party in self._parties.items()}
            named: Any = {str(side): party for side, party in parties.items()}
            asked = self.asked = replace(self.asked, **named)
            patience = Patience(asked=(asked.options or Options()).timeout)
            rule = self._memory_rule()
            links = {
                side: WorkerLink(side, party, self._say, patience, rule) for side, party in parties.items()
            }
            sources = SourcePair(links, self._report)
            task = self._make_task(asked, sources, self._report)
            with self._lock:
                if self._is_cancelled:
                    raise CancelledError("the comparison was cancelled before it began")
                self._sources = sources
            with sources, contextlib.suppress(ComparisonStopped):
                task.run()
            return finished(self._report, wants_outputs=task.wants_outputs)

    def _memory_rule(self) -> MemoryRule:
        # A recording takes tensors in pieces, as they come over a connection.
        is_recorded = isinstance(self.asked, RecordStart)
        asked = Transport.GRPC if is_recorded else (self.asked.options or Options()).transport
        return MemoryRule(transport=asked, folder=self._directory.shared_memory)

    def cancel(self) -> None:
        """Ends the waiting or the task, from another thread; its workers are free at once."""
        with self._lock:
            self._is_cancelled = True
        self._directory.cancel(self._wish)
        if self._sources is not None:
            self._sources.close()

    def _say(self, text: str) -> None:
        self._report.progress(Phase.CONNECT, text=text)
