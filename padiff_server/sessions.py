"""The comparisons of this coordinator: how many run, how they end, which reports are remembered."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Union, cast

from padiff_compare.capture.batches import BatchMessage, BatchSource
from padiff_compare.capture.recorded import Recorded
from padiff_compare.comparison import AssignWeightsTask, CompareTask
from padiff_compare.loader_check import CheckInputsTask
from padiff_compare.planning import PlanTask
from padiff_compare.recording.record_task import RecordingClient, RecordTask
from padiff_compare.report.builder import ReportBuilder, pages
from padiff_compare.report.finished import FinishedReport
from padiff_compare.run import Storage
from padiff_compare.source_pair import SourcePair
from padiff_rpc.errors import (
    BusyError,
    CancelledError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    StateError,
)
from padiff_rpc.names import shown
from padiff_rpc.tensors import Array
from padiff_rpc.v1.records import (
    AssignWeightsRequest,
    AttachRequest,
    BatchFailure,
    BatchWanted,
    CheckInputsRequest,
    CompareStart,
    PlanStart,
    RecordStart,
    TensorSpec,
)
from padiff_rpc.v1.words import KeptTensors
from padiff_server.clients import ClientCall, Principal
from padiff_server.ended_session import Bookkeeper
from padiff_server.job import Job
from padiff_server.rights import Right
from padiff_server.running_session import RunningSession, Said, Told
from padiff_server.transcript import Transcript
from padiff_server.worker_directory import WorkerDirectory

REMEMBERED_REPORTS = 16
# Of all of these together, some 150 MiB; the last report is remembered whatever its size.
REMEMBERED_ROWS = 100_000
SESSIONS_AT_ONCE = 4


class Sessions:
    """Runs jobs, each on a thread of its own, and remembers their reports. Thread-safe."""

    def __init__(
        self,
        storage: Storage,
        directory: WorkerDirectory,
        at_once: int = SESSIONS_AT_ONCE,
        bookkeepers: Sequence[Bookkeeper] = (),
    ) -> None:
        """`storage` is that of all sessions together; `at_once` of them may run.

        `bookkeepers` hear of each session that has ended, on its thread.
        """
        self._bookkeepers = bookkeepers
        self._storage = storage
        self._directory = directory
        self._at_once = at_once
        self._lock = threading.Lock()
        self._running = 0
        self._sessions: dict[str, RunningSession] = {}
        self._is_closed = False
        self._end_reason = ""
        self._finished: OrderedDict[str, FinishedReport] = OrderedDict()
        # Of detached sessions, the oldest first.
        self._transcripts: dict[str, Transcript] = {}
        # Whose the sessions are that run or are remembered: names of clients.
        self._owners: dict[str, str] = {}

    def compare(
        self, call: ClientCall, start: CompareStart, batches: Iterator[BatchMessage]
    ) -> Iterator[Told]:
        """Yields what a comparison says, its summary last; it ends when the client does."""

        def task(asked: CompareStart, sources: SourcePair, report: ReportBuilder) -> CompareTask:
            return CompareTask(asked, sources, report, _asking(report, batches), self._storage)

        if start.detached:
            batches = _lasting(batches)
            # Nobody may come for tensors, and reports alone are remembered.
            start = replace(start, keep=KeptTensors.NONE)
            return self._run_detached(call, partial(Job, start, task, self._directory))
        return self._run(call, partial(Job, start, task, self._directory))

    def attach(self, call: ClientCall, asked: AttachRequest) -> Iterator[Told]:
        """Yields what a detached comparison has said and says, or a report that is still remembered.

        Raises NotFoundError and PermissionDeniedError.
        """
        with self._lock:
            transcript = self._transcripts.get(asked.session)
            running = self._sessions.get(asked.session)
        if transcript is None:
            finished = self.report(call, asked.session)
            yield from pages(finished.rows)
            yield finished.summary
            return
        self._check_own(call.caller, asked.session, else_needs=Right.READ)
        if asked.end and running is not None:
            self._check_own(call.caller, asked.session, else_needs=Right.ADMINISTER)
            who = shown(call.caller.name) if call.caller.name else "a client"
            running.end(f"ended by {who} that attached to it")
        yield from map(_as_message, transcript.follow(call.when_gone))

    def assign_weights(self, call: ClientCall, asked: AssignWeightsRequest) -> Iterator[Told]:
        """Yields what an assignment of weights says, its summary last; it ends when the client does."""
        return self._run(call, partial(Job, asked, AssignWeightsTask, self._directory))

    def record(self, call: ClientCall, start: RecordStart, batches: Iterator[BatchMessage]) -> Iterator[Told]:
        """Yields what a model answers that runs alone, and how it went last; it ends when the client does."""

        def task(asked: RecordStart, sources: SourcePair, report: ReportBuilder) -> RecordTask:
            # The session takes both alike.
            tell = cast(Callable[[Recorded], None], report.emit)
            client = RecordingClient(batches=_asking(report, batches), tell=tell)
            return RecordTask(asked, sources, report, client, self._storage)

        return self._run(call, partial(Job, start, task, self._directory))

    def plan(self, call: ClientCall, start: PlanStart, batches: Iterator[BatchMessage]) -> Iterator[Told]:
        """Yields what aligning two models says, its summary last; it ends when the client does."""

        def task(asked: PlanStart, sources: SourcePair, report: ReportBuilder) -> PlanTask:
            return PlanTask(asked, sources, report, BatchSource(batches, ask=lambda step: None))

        return self._run(call, partial(Job, start, task, self._directory))

    def check_inputs(self, call: ClientCall, asked: CheckInputsRequest) -> Iterator[Told]:
        """Yields what comparing two loaders says, its summary last; it ends when the client does."""
        return self._run(call, partial(Job, asked, CheckInputsTask, self._directory))

    def report(self, call: ClientCall, session: str) -> FinishedReport:
        """Returns a finished report that is still remembered.

        Raises NotFoundError and PermissionDeniedError.
        """
        with self._lock:
            found = self._finished.get(session)
        if found is None:
            raise NotFoundError(
                f"session: {session!r} has no report here; the last {REMEMBERED_REPORTS} are remembered, of "
                "long ones fewer"
            )
        self._check_own(call.caller, session, else_needs=Right.READ)
        return found

    def room(self, spec: TensorSpec) -> Array:
        """Returns an array for a tensor that a client sends; it counts as captures do, while it lives."""
        return self._storage.tensors.allocate_for_life(spec)

    def close(self) -> None:
        """Takes no more sessions; those that run go on."""
        with self._lock:
            self._is_closed = True

    @property
    def running(self) -> int:
        """How many sessions run."""
        return self._running

    def is_idle(self) -> bool:
        """Whether no session runs."""
        return self._running == 0

    def end(self, reason: str) -> None:
        """Ends all sessions; their reports hold what was compared, and `reason` as a trouble."""
        with self._lock:
            self._is_closed = True
            self._end_reason = reason
            running = tuple(self._sessions.values())
        for session in running:
            session.end(reason)

    def _check_own(self, caller: Principal, session: str, *, else_needs: Right) -> None:
        """Raises PermissionDeniedError where a session is another client's and the caller lacks a right."""
        if self._owners.get(session) != caller.name and not caller.may(else_needs):
            raise PermissionDeniedError(
                f"session: {session!r} is another client's, which takes the right to {else_needs}; have that "
                "added to the clients of the coordinator's file"
            )

    def end_of_clients(self, is_meant: Callable[[str], bool]) -> None:
        """Ends the sessions of all clients whose names are meant; their reports say why."""
        with self._lock:
            running = [(self._owners[name], session) for name, session in self._sessions.items()]
        for owner, session in running:
            if is_meant(owner):
                session.end(f"the right of {shown(owner)} to compare here was taken away")

    def _run_detached(
        self, call: ClientCall, make_job: Callable[[ReportBuilder], Job[Any]]
    ) -> Iterator[Told]:
        """Runs a job that outlives its client, on a thread of its own; yields what it says."""
        with contextlib.ExitStack() as exits:
            exits.enter_context(self._place())
            session = RunningSession(make_job)
            transcript = Transcript()
            self._keep_transcript(session.name, transcript, call.caller)
            lasting = exits.pop_all()

        def record() -> None:
            with lasting:
                transcript.record(self._said_by(session, call.caller))

        threading.Thread(target=record, name=f"transcript-{session.name}", daemon=True).start()
        yield from map(_as_message, transcript.follow(call.when_gone))

    def _keep_transcript(self, name: str, transcript: Transcript, owner: Principal) -> None:
        """Keeps a transcript, and lets the oldest go that have ended."""
        with self._lock:
            self._transcripts[name] = transcript
            self._owners[name] = owner.name
            ended = [one for one, known in self._transcripts.items() if known.has_ended]
            for one in ended[: max(len(self._transcripts) - REMEMBERED_REPORTS, 0)]:
                del self._transcripts[one]
                self._disown(one)

    def _disown(self, name: str) -> None:
        """Forgets whose a session was that neither runs nor is remembered; under the lock."""
        if not any(name in known for known in (self._sessions, self._finished, self._transcripts)):
            self._owners.pop(name, None)

    def _run(self, call: ClientCall, make_job: Callable[[ReportBuilder], Job[Any]]) -> Iterator[Told]:
        with self._place():
            session = RunningSession(make_job)
            if not call.when_gone(session.cancel):
                raise CancelledError("the caller is gone")
            with contextlib.closing(self._said_by(session, call.caller)) as said:
                for one in said:
                    yield _as_message(one)

    def _said_by(self, session: RunningSession, owner: Principal) -> Generator[Said, None, None]:
        """Runs a session, which is known meanwhile; yields what it says, and remembers its report."""
        with self._lock:
            self._sessions[session.name] = session
            self._owners[session.name] = owner.name
            end_reason = self._end_reason
        if end_reason:
            session.end(end_reason)
        last: Union[FinishedReport, BaseException, None] = None
        try:
            with contextlib.closing(session.messages()) as messages:
                for message in messages:
                    if isinstance(message, FinishedReport):
                        self._remember(message)
                        last = message
                    yield message
        except BaseException as error:
            last = last or error
            raise
        finally:
            with self._lock:
                del self._sessions[session.name]
                self._disown(session.name)
            ended = session.ended(owner, last)
            for keep in self._bookkeepers:
                keep(ended)

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        with self._lock:
            if self._is_closed:
                raise StateError(
                    "this coordinator was told to stop and takes no new comparison; use another, or try "
                    "again when it runs again"
                )
            if self._running >= self._at_once:
                raise BusyError(
                    f"this coordinator runs {self._at_once} comparisons at once and all are taken; "
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
            while len(self._finished) > 1 and (
                len(self._finished) > REMEMBERED_REPORTS or self._remembered_rows() > REMEMBERED_ROWS
            ):
                name, _ = self._finished.popitem(last=False)
                self._disown(name)

    def _remembered_rows(self) -> int:
        return sum(len(one.rows) for one in self._finished.values())


def _asking(report: ReportBuilder, batches: Iterator[BatchMessage]) -> BatchSource:
    """Returns the batches of a client that is asked for each when it is wanted."""
    return BatchSource(batches, ask=lambda step: report.emit(BatchWanted(step=step)))


def _as_message(said: Said) -> Told:
    return said.summary if isinstance(said, FinishedReport) else said


def _lasting(batches: Iterator[BatchMessage]) -> Iterator[BatchMessage]:
    """Yields what the client sends, and when it is gone that there are no more batches."""
    with contextlib.suppress(ProtocolError):
        yield from batches
    yield BatchFailure(text="it is gone")
