"""A report while it is being made, and told to the client page by page."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Optional, Union

from padiff_compare.judge.judged_row import fails
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import (
    BatchWanted,
    Coverage,
    Environment,
    FirstDivergence,
    FunctionDetail,
    FunctionFinding,
    HyperParameterDifference,
    KeptPair,
    Measurement,
    ModelFailure,
    Note,
    Omitted,
    OptimizerDifference,
    Options,
    OwnBounds,
    PeakMemory,
    PlanPair,
    Progress,
    RandomOperation,
    Reason,
    ReportSoFar,
    ReportSummary,
    Row,
    RowPage,
    RunToRunNoise,
    Sending,
    SideProgress,
    StepResult,
    StepSummary,
    Timing,
    Traffic,
    Trouble,
    Unmatched,
    WeightFate,
)
from padiff_rpc.v1.words import Cause, NoteKind, Phase, Side

ROWS_PER_PAGE = 256


@record
class KeptTensor:
    """A tensor that the client keeps, on its way there under its number."""

    number: int
    tensor: HostTensor


Message = Union[Progress, BatchWanted, RowPage, ReportSoFar, KeptTensor, KeptPair, ReportSummary]


class Doubts:
    """The pairs of low confidence of a plan, by the paths of both sides."""

    def __init__(self, plan: Iterable[PlanPair] = ()) -> None:
        self._pairs = {pair.paths: pair for pair in plan if pair.is_doubtful}

    def marked(self, row: Row) -> Row:
        """Returns the row, with a reason more where its layers are a pair of low confidence."""
        pair = self._pair(row)
        if pair is None:
            return row
        doubt = Reason(cause=Cause.LOW_CONFIDENCE, numbers=(pair.confidence,), because=pair.reasons)
        return dataclasses.replace(row, reasons=(*row.reasons, doubt))

    def notes(self, rows: Sequence[Row], first: Optional[FirstDivergence]) -> Iterator[Note]:
        """Yields what a reader must know of the verdict; nothing without doubtful pairs."""
        if not self._pairs:
            return
        yield Note(kind=NoteKind.LOW_CONFIDENCE)
        if first is not None and self._pair(first.row) is not None:
            yield Note(kind=NoteKind.LOW_CONFIDENCE_DIVERGENCE)
        failed = [row for row in rows if fails(row)]
        if failed and all(self._pair(row) is not None for row in failed):
            yield Note(kind=NoteKind.LOW_CONFIDENCE_EVERYWHERE)

    def _pair(self, row: Row) -> Optional[PlanPair]:
        if row.reference is None or row.candidate is None:
            return None
        return self._pairs.get((row.reference.path, row.candidate.path))


def pages(rows: tuple[Row, ...]) -> list[RowPage]:
    """Returns `rows` in pages, in order; none for no rows."""
    return [RowPage(rows=rows[i : i + ROWS_PER_PAGE]) for i in range(0, len(rows), ROWS_PER_PAGE)]


class ReportBuilder:
    """Gathers what a comparison finds and tells the client at once. One thread builds it.

    `emit` may be called from any thread.
    """

    def __init__(self, session: str, emit: Callable[[Message], None]) -> None:
        self.session = session
        self.emit = emit
        self._started_at = time.time()
        self._began = time.monotonic()
        self._rows: list[Row] = []
        self._unmatched: dict[tuple[Side, str, str, str, int], Unmatched] = {}
        self._notes: dict[Note, None] = {}
        self._failures: list[ModelFailure] = []
        self._troubles: list[Trouble] = []
        self._environments: list[Environment] = []
        self._timings: list[Timing] = []
        self._traffic: list[Traffic] = []
        self._steps: list[StepResult] = []
        self._plan: tuple[PlanPair, ...] = ()
        self._doubts = Doubts()
        self._hyper_parameters: tuple[HyperParameterDifference, ...] = ()
        self._weights: tuple[WeightFate, ...] = ()
        self._random_operations: tuple[RandomOperation, ...] = ()
        self._noise: list[RunToRunNoise] = []
        self._optimizer: tuple[OptimizerDifference, ...] = ()
        self._omitted: dict[Omitted, None] = {}
        self._peaks: dict[Side, int] = {}
        self._gold_seconds = 0.0
        self._sendings: dict[tuple[Side, bool], Sending] = {}
        self._findings: list[FunctionFinding] = []
        self._function_details: list[FunctionDetail] = []
        self.saved = ""
        self.in_lockstep = False
        # Where the comparison is.
        self.phase = Phase.CONNECT
        self.step = 0
        # Of how many steps; 0: not known yet. Calls that a pass of a side makes.
        self.steps_asked = 0
        self.calls_known: dict[Side, int] = {}
        self.has_local_errors = False
        # The user's own; None: the project's decide.
        self.bounds: Optional[OwnBounds] = None
        # Sees rows that the client has, with the number of the first.
        self.shown: Callable[[int, Sequence[Row]], None] = lambda first, rows: None
        # Settles the hints of rows.
        self.hinted: Callable[[Row], Row] = lambda row: row

    def judge_by(self, options: Options) -> None:
        """Keeps which bounds of the user's own decide, if any."""
        if (options.atol, options.rtol) != (None, None):
            self.bounds = OwnBounds(atol=options.atol, rtol=options.rtol)

    def progress(
        self, phase: Phase, step: int = 0, text: str = "", sides: tuple[SideProgress, ...] = ()
    ) -> None:
        """Tells the client where the comparison is; from any thread."""
        self.phase, self.step = phase, step
        self.emit(
            Progress(
                session=self.session,
                phase=phase,
                step=step,
                text=text,
                steps=self.steps_asked,
                sides=sides,
            )
        )

    def add_rows(self, rows: Iterable[Row]) -> tuple[Row, ...]:
        """Keeps and sends rows that are final; returns them."""
        final = tuple(self.hinted(self._doubts.marked(row)) for row in rows)
        self._rows.extend(final)
        for page in pages(final):
            self.emit(page)
        self.shown(len(self._rows) - len(final), final)
        return final

    def add_unmatched(self, unmatched: Iterable[Unmatched]) -> None:
        """Keeps what has no partner, each once."""
        for lone in unmatched:
            self._unmatched.setdefault((lone.side, lone.what, lone.path, lone.name, lone.call), lone)

    def note(self, *notes: Note) -> None:
        """Keeps what a reader should know, each once."""
        self._notes.update(dict.fromkeys(notes))

    def omit(self, omitted: Omitted) -> None:
        """Keeps what no row tells of, once."""
        self._omitted[omitted] = None

    def add_findings(self, findings: Iterable[FunctionFinding]) -> None:
        """Keeps where functions between layers part; no verdict depends on it."""
        self._findings.extend(findings)

    def add_function_detail(self, detail: FunctionDetail) -> None:
        """Keeps the functions of a whole pass; no verdict depends on it."""
        self._function_details.append(detail)

    def add_failure(self, failure: ModelFailure) -> None:
        self._failures.append(failure)

    def add_trouble(self, trouble: Trouble) -> None:
        self._troubles.append(trouble)

    def add_environment(self, environment: Environment) -> None:
        self._environments.append(environment)

    def add_timing(self, timing: Timing) -> None:
        self._timings.append(timing)

    @property
    def tensor_bytes(self) -> int:
        """Bytes of tensors that have crossed on both sides, once these are closed."""
        return sum(traffic.bytes for traffic in self._traffic)

    def add_traffic(self, side: Side, bytes_of: Mapping[Phase, int]) -> None:
        self._traffic.extend(Traffic(side=side, phase=phase, bytes=size) for phase, size in bytes_of.items())

    def set_plan(self, plan: tuple[PlanPair, ...]) -> None:
        self._plan = plan
        self._doubts = Doubts(plan)

    def set_hyper_parameters(self, differences: Iterable[HyperParameterDifference]) -> None:
        self._hyper_parameters = tuple(differences)

    def set_optimizer(self, differences: Iterable[OptimizerDifference]) -> None:
        self._optimizer = tuple(differences)

    def set_weights(self, fates: Iterable[WeightFate]) -> None:
        self._weights = tuple(fates)

    def set_random_operations(self, operations: Iterable[RandomOperation]) -> None:
        self._random_operations = tuple(operations)

    def add_noise(self, side: Side, noise: Optional[RunToRunNoise]) -> None:
        """Keeps how far two runs of one side differed; None: it ran once."""
        if noise is not None:
            self._noise.append(dataclasses.replace(noise, side=side))

    def add_account(self, side: Side, step: int, summary: StepSummary) -> None:
        """Keeps what a worker says of a step's seconds, and of its memory."""
        self.note_peak(side, summary.peak_bytes)
        self.note_sending(side, summary.sending)
        for spent in summary.seconds:
            self.add_timing(Timing(side=side, step=step, phase=spent.phase, seconds=spent.seconds))

    def note_peak(self, side: Side, size: int) -> None:
        """Keeps the most memory that a worker has had in use; 0: it does not say."""
        if size:
            self._peaks[side] = max(size, self._peaks.get(side, 0))

    def note_sending(self, side: Side, sending: Optional[Sending]) -> None:
        """Keeps what was sent between the coordinator and a side's worker, in place of what was known."""
        if sending is not None and sending.tensor_bytes:
            self._sendings[side, sending.to_worker] = dataclasses.replace(sending, side=side)

    @contextmanager
    def running_again(self) -> Iterator[None]:
        """Adds up how long the reference runs once more, to measure its rounding."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._gold_seconds += time.monotonic() - began

    def end_step(self, result: StepResult) -> None:
        self._steps.append(result)

    @contextmanager
    def timed(self, phase: Phase, step: int = 0) -> Iterator[None]:
        """Reports a phase's beginning, and its length in the coordinator's own time."""
        self.progress(phase, step)
        began = time.monotonic()
        try:
            yield
        finally:
            self.add_timing(Timing(step=step, phase=phase, seconds=time.monotonic() - began))

    @property
    def has_failed(self) -> bool:
        """Whether anything so far makes the report fail."""
        return bool(
            self._failures
            or self._troubles
            or any(fails(row) for row in self._rows)
            or any(lone.counts for lone in self._unmatched.values())
        )

    @property
    def hyper_parameters(self) -> tuple[HyperParameterDifference, ...]:
        """Settings in which paired layers differ."""
        return self._hyper_parameters

    @property
    def optimizer(self) -> tuple[OptimizerDifference, ...]:
        """Settings in which the optimizers differ; empty before the first step."""
        return self._optimizer

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows so far."""
        return tuple(self._rows)

    @property
    def unmatched(self) -> tuple[Unmatched, ...]:
        """What has no partner, so far."""
        return tuple(self._unmatched.values())

    def gathered(self) -> ReportSummary:
        """Returns all but what follows from the rows together."""
        return ReportSummary(
            session=self.session,
            passed=not self.has_failed,
            coverage=Coverage(),
            unmatched=self.unmatched,
            steps=tuple(self._steps),
            plan=self._plan,
            hyper_parameters=self._hyper_parameters,
            optimizer=self._optimizer,
            weights=self._weights,
            notes=tuple(self._notes),
            failures=tuple(self._failures),
            troubles=tuple(self._troubles),
            environments=tuple(self._environments),
            timings=tuple(self._timings),
            traffic=tuple(self._traffic),
            sendings=tuple(self._sendings.values()),
            saved=self.saved,
            in_lockstep=self.in_lockstep,
            random_operations=self._random_operations,
            noise=tuple(self._noise),
            has_local_errors=self.has_local_errors,
            omitted=tuple(self._omitted),
            bounds=self.bounds,
            measurement=Measurement(
                gold_seconds=self._gold_seconds,
                peaks=tuple(PeakMemory(side=side, bytes=size) for side, size in self._peaks.items()),
            ),
            findings=tuple(self._findings),
            function_details=tuple(self._function_details),
            started_at=self._started_at,
            seconds=time.monotonic() - self._began,
        )
