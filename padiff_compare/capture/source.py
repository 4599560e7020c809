"""A source of captures: one side of a comparison, as all that compares knows it.

A live worker is the first kind; a pass that is held and shown again is the second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Optional, Protocol, Union

from padiff_rpc.errors import WorkerLostError
from padiff_rpc.records import record
from padiff_rpc.tensors import Array, HostTensor
from padiff_rpc.v1.records import (
    Activity,
    CallEvent,
    CaptureId,
    DescribeOptimizerResponse,
    FunctionTrace,
    Layer,
    LoadResponse,
    Model,
    ModelFailure,
    NotOverridden,
    OptimizerEntry,
    OverrideTicket,
    PackedBatch,
    Sending,
    StepStart,
    StepSummary,
    TensorSpec,
    TensorStatistics,
    TraceResponse,
    WorkerInfo,
)
from padiff_rpc.v1.words import Phase, Randomness, Side, Transport

NumberedTensors = Sequence[tuple[int, HostTensor]]


@record
class Announced:
    """A capture as its header names it.

    `gradient_of`: the number of its tensor, for a gradient; else 0. `spec`: a target's; of what calls show,
    these tell. `sketch_of`: the tensor of which a sketch comes, its axes exchanged where `is_transposed`;
    `statistics`: of it, where they come too.
    """

    id: CaptureId
    number: int
    gradient_of: int = 0
    spec: Optional[TensorSpec] = None
    sketch_of: Optional[TensorSpec] = None
    statistics: Optional[TensorStatistics] = None
    is_transposed: bool = False


@record
class LentBytes:
    """Bytes that the source wants back: uint8, in memory that it shares with us.

    `is_scarce`: it has little more to lend, so that what is kept for long is to be copied.
    """

    array: Array
    is_scarce: bool


@record
class CaptureBegins:
    """A capture's header; `header` is the TensorHeader message, for the assembler.

    `content`: all of its bytes, where no chunks follow.
    """

    capture: Announced
    header: Any
    content: Optional[LentBytes] = None


@record
class CaptureChunk:
    """Bytes of a capture; `chunk` is the TensorChunk message, for the assembler."""

    chunk: Any


@record
class HeldCapture:
    """A capture that has come whole before, with its array and its header's sum of squares."""

    capture: Announced
    tensor: HostTensor
    sum_squares: float


@record
class Credit:
    """Bytes of overrides that the worker is done with."""

    bytes: int


StepItem = Union[
    CallEvent,
    CaptureBegins,
    CaptureChunk,
    Announced,
    HeldCapture,
    Phase,
    ModelFailure,
    StepSummary,
    OverrideTicket,
    Credit,
    NotOverridden,
    FunctionTrace,
]


class SourceHangs(WorkerLostError):
    """A source said nothing for longer than it may.

    Attributes:
        activity: where its model's thread was.
    """

    def __init__(self, text: str, activity: Activity) -> None:
        super().__init__(text)
        self.activity = activity


class RuleFailed(Exception):
    """The user's own rule raised."""

    def __init__(self, failure: ModelFailure) -> None:
        super().__init__(failure.text)
        self.failure = failure


@record
class LoadedBatch:
    """A batch of a source's loader, and its tensors by number."""

    batch: PackedBatch
    tensors: Mapping[int, HostTensor]


@record
class Look:
    """What a look into a loader found; neither: a batch."""

    exhausted: bool = False
    failure: Optional[ModelFailure] = None


class SourceStep(Protocol):
    """A step that runs. One thread reads its items; `close` may come from any."""

    def items(self) -> Iterator[StepItem]:
        """Yields what the source says, in order, until the step ends or breaks."""

    def acknowledge(self, phase: Phase) -> None:
        """Lets the phase begin that was announced."""

    def absent(self, ticket: OverrideTicket) -> None:
        """Says that no override will come for that place."""

    def override(self, ticket: OverrideTicket, tensor: HostTensor, sent: Callable[[], None]) -> None:
        """Sends an override; `sent` is called, on any thread, when its bytes are no longer needed."""

    def close(self) -> None:
        """Ends the step, at its next hook if it still runs. May be called twice."""


class StepSource(Protocol):
    """What can run a step."""

    def open_step(self, start: StepStart, tensors: NumberedTensors) -> SourceStep:
        """Begins a step on a batch's tensors, by number. The caller closes it."""

    def count_traffic(self, byte_counts: Mapping[Phase, int]) -> None:
        """Adds bytes of tensors that crossed; for any thread."""


class WeightsSource(Protocol):
    """The weights of a source's model, by full name."""

    def read(self, names: Sequence[str], phase: Phase) -> Iterator[HostTensor]:
        """Yields the named weights in this order, each when it has come whole."""

    def checksums(self, names: Sequence[str]) -> Sequence[int]:
        """Returns the `checksum` of each of the named weights, in this order; () where it has none to say."""

    def digests(self, names: Sequence[str]) -> Sequence[bytes]:
        """Returns the `digest` of each of the named weights, in this order; () where it has none to say."""

    def write(self, weights: Iterable[tuple[str, HostTensor]], phase: Phase) -> int:
        """Writes (full name, value) pairs; returns how many. `weights` is iterated on another thread."""

    def save(self, path: str) -> str:
        """Saves the model's state in the source's file system; returns the path there."""


class OptimizerSource(Protocol):
    """A source's optimizer: its settings, and its state by parameter and name."""

    def describe(self) -> DescribeOptimizerResponse:
        """Returns the optimizer as it is now; without a class where there is nothing to look into."""

    def read(self, entries: Sequence[OptimizerEntry], phase: Phase) -> Iterator[HostTensor]:
        """Yields the values of `entries` in this order, each when it has come whole."""

    def write(self, values: Iterable[tuple[OptimizerEntry, HostTensor]], phase: Phase) -> int:
        """Writes the values that the optimizer has a place for; returns how many."""


class LoaderSource(Protocol):
    """The loader that a source's model names."""

    def look(self, index: int) -> Look:
        """Has the loader read batch `index`, counted from 0, which stays there for the step."""

    def read(self, index: int) -> Union[Look, LoadedBatch]:
        """Returns batch `index` of the loader, counted from 0, or why there is none."""


class Source(StepSource, Protocol):
    """One side, from its connection to its end. Errors it raises carry the side in their context.

    Attributes:
        peer: names it in texts.
        model: the one to load.
        worker: what it says of itself, once it is open.
        traffic: bytes of tensors that crossed, by phase.
        transport: how tensors travel, once it is open.
        sending: what was sent to it over a connection; None where that cannot be slow.
        weights, optimizer, loader: what comes with the model.
    """

    peer: str
    model: Model
    worker: WorkerInfo
    traffic: Counter[Phase]

    @property
    def transport(self) -> Transport: ...

    @property
    def sending(self) -> Optional[Sending]: ...

    @property
    def weights(self) -> WeightsSource: ...

    @property
    def optimizer(self) -> OptimizerSource: ...

    @property
    def loader(self) -> LoaderSource: ...

    def open(self) -> None:
        """Reaches it. Raises the PaDiffError that says why it cannot be had."""

    def close(self) -> None:
        """Gives it back, and ends whatever it does for us; from any thread, also twice."""

    def why_lost(self) -> Optional[WorkerLostError]:
        """Asks whether it still answers, for at most two seconds; returns None where it does."""

    def load(self, *, deterministic: bool, threads: int) -> LoadResponse:
        """Builds the model; what the user's factory raises is a failure in the result."""

    def describe(self) -> tuple[Layer, ...]:
        """Returns the layer tree, definition order."""

    def trace(
        self,
        batch: PackedBatch,
        tensors: NumberedTensors,
        *,
        from_loader: bool = False,
        randomness: Randomness,
        repeat: bool,
    ) -> TraceResponse:
        """Runs one forward pass that leaves nothing behind; what the model raises is in the result.

        `repeat`: twice, to see whether the model agrees with itself.
        """

    def keep_state(
        self,
        *,
        optimizer: bool,
        before_step: Optional[int] = None,
        changing: Optional[Collection[str]] = None,
    ) -> None:
        """Remembers the model's state as it is now, and the `optimizer`'s if asked.

        `before_step`: a recording is, from here on, as it was before that step; a model stays as it is.
        `changing`: the parameters that are expected to change before it is put back; None: any may.
        """

    def restore_state(self) -> Sequence[str]:
        """Puts back what it remembered; returns the parameters that changed against what was expected."""

    def floors(self, step: int) -> bytes:
        """Returns what was recorded of a step's rounding, packed; nothing where a model runs."""

    def apply_rule(
        self, rule: str, arrays: Iterable[tuple[str, HostTensor]], phase: Phase
    ) -> tuple[dict[str, HostTensor], Optional[ModelFailure]]:
        """Runs the user's function on named arrays; returns its arrays, or its failure."""


Sources = Mapping[Side, Source]
