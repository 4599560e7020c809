"""Context of one comparison: what all its parts have at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional, Protocol

from padiff_compare.capture.store import TensorStore
from padiff_compare.judge.measured import Probe
from padiff_compare.report.builder import ReportBuilder
from padiff_compare.steps.own_errors import OwnErrors, StepErrors
from padiff_rpc.records import record
from padiff_rpc.v1.records import Note, Options, PackedBatch, StepStart, TraceResponse
from padiff_rpc.v1.words import DefaultLoss, Pass, Randomness


@record
class Settings:
    """How many steps there are, how far each goes, what was forced.

    `optimize`: an optimizer steps, once in `accumulate` steps. `passes`: of each step, in their order.
    `of_scripts`: the steps are those that users' scripts make; nothing is run before them, and nothing of
    theirs is replaced.
    """

    steps: int
    backward: bool
    optimize: bool
    accumulate: int = 1
    notes: tuple[Note, ...] = ()
    passes: tuple[Pass, ...] = (Pass.FREE,)
    of_scripts: bool = False

    def randomness(self, asked: Randomness) -> Randomness:
        """Returns what becomes of random decisions: a script's own are not replaced by shared ones."""
        return Randomness.REPORT if self.of_scripts and asked is Randomness.SHARED else asked

    def optimizes(self, step: int) -> bool:
        """Whether the optimizer steps at the end of this step."""
        return self.optimize and (step + 1) % self.accumulate == 0

    def adds_gradients(self, step: int) -> bool:
        """Whether this step's gradients are added to those of the step before."""
        return self.optimize and step % self.accumulate != 0


class KeptFloors(Protocol):
    """Keeps own errors that were measured, for comparisons to come."""

    def get(self, key: str) -> Optional[OwnErrors]:
        """Returns what was kept under `key`; None for nothing."""

    def put(self, key: str, errors: OwnErrors) -> None:
        """Keeps these under `key`."""


class KeptTraces(Protocol):
    """Keeps traces for comparisons to come."""

    def get(self, key: str) -> Optional[TraceResponse]:
        """Returns what was kept under `key`; None for nothing."""

    def put(self, key: str, trace: TraceResponse) -> None:
        """Keeps it under `key`."""

    def drop(self, key: str) -> None:
        """Forgets what was kept under `key`."""


class ErrorPacking(Protocol):
    """Packs own errors for a recording, and takes them out again."""

    def pack(self, errors: StepErrors) -> bytes:
        """Returns them as a recording holds them."""

    def unpack(self, packed: bytes) -> Optional[StepErrors]:
        """Returns them; None where they are damaged, or of a version that measured otherwise."""


@record
class Storage:
    """Where a comparison puts things.

    Attributes:
        floors, traces: None where they are not kept.
        packing: of floors in recordings.
    """

    tensors: TensorStore
    floors: Optional[KeptFloors] = None
    traces: Optional[KeptTraces] = None
    packing: Optional[ErrorPacking] = None


@record
class Run:
    """One comparison in its course.

    Attributes:
        options, settings: what was asked for, and what was settled of it.
        report: takes what is found, and tells the client how far the comparison is.
        store: holds the tensors that wait for their partners.
        floors: keeps what rounding was measured to do; None: nothing does.
        probe: is shown each pair of the steps; says what one that differs may be.
        recorded_errors: returns what was recorded of a step's own errors; of a recorded reference alone.
    """

    options: Options
    settings: Settings
    report: ReportBuilder
    store: TensorStore
    floors: Optional[KeptFloors] = None
    probe: Optional[Probe] = None
    recorded_errors: Optional[Callable[[int], Optional[StepErrors]]] = None

    def step_start(self, step: int, batch: PackedBatch, *, from_loader: bool) -> StepStart:
        """Returns what a step of any side begins with, by the settings; its lease is filled in later."""
        settings, options = self.settings, self.options
        return StepStart(
            lease="",
            step=step,
            batch=batch,
            batch_from_loader=from_loader,
            backward=settings.backward,
            optimize=settings.optimizes(step),
            loss_divisor=settings.accumulate,
            keep_gradients_before=settings.adds_gradients(step),
            keep_gradients_after=settings.adds_gradients(step + 1),
            loss_scale=options.loss_scale,
            clip_norm=options.clip_norm or 0.0,
            mean_loss=options.loss is DefaultLoss.MEAN,
        )
