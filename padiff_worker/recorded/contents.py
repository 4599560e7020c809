"""Contents of a recording: what lies where in its file."""

from __future__ import annotations

import dataclasses
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from padiff_rpc.convert import from_proto
from padiff_rpc.recording_files import RecordingReader, Span
from padiff_rpc.v1 import tensors_pb2, worker_pb2
from padiff_rpc.v1.records import Recording, RecordingBegins

# Of an optimizer's state: the parameter, and the name of the state.
Entry = tuple[str, str]


@dataclass
class RecordedModelState:
    """A model's state between two steps: where its tensors lie, by name, and its optimizer."""

    weights: dict[str, list[Span]] = field(default_factory=dict)
    optimizer: Optional[worker_pb2.DescribeOptimizerResponse] = None
    optimizer_state: dict[Entry, list[Span]] = field(default_factory=dict)


@dataclass
class RecordedStep:
    """One step: its batch, what it began with, where its events lie, and the state behind it.

    Attributes:
        draws: the layers whose code made random decisions.
        floors: what rounding does in it, packed; empty: nobody measured.
    """

    batch: worker_pb2.PackedBatch
    batch_tensors: list[Span] = field(default_factory=list)
    start: Optional[worker_pb2.StepStart] = None
    events: list[Span] = field(default_factory=list)
    draws: set[str] = field(default_factory=set)
    floors: bytes = b""
    state: RecordedModelState = field(default_factory=RecordedModelState)
    has_ended: bool = False


class Contents:
    """All of a recording but its tensors, which are read when they are wanted. Thread-safe once it is made.

    Attributes:
        begins: the worker and the model that were recorded, and the settings.
        layers, trace: the model's layer tree; the trace of its first batch.
        steps: those that are whole.
        is_whole: all steps are there that were asked for.
    """

    def __init__(self, reader: RecordingReader) -> None:
        """Reads the file once. Raises InvalidRequestError where it is damaged, or holds no step."""
        self._reader = reader
        self.layers = worker_pb2.DescribeResponse()
        self.trace = worker_pb2.TraceResponse()
        self.steps: list[RecordedStep] = []
        self.is_whole = False
        self._initial = RecordedModelState()
        begins: Optional[RecordingBegins] = None
        current: list[Span] = []
        for span, part in reader.parts():
            kind = part.WhichOneof("part")
            if kind == "begins":
                begins = from_proto(part.begins, RecordingBegins)
            elif kind == "layers":
                self.layers = part.layers
            elif kind == "trace":
                self.trace = part.trace
            elif kind == "ends":
                self.is_whole = True
            elif kind == "weight":
                if part.weight.HasField("header"):
                    current = self._state().weights[part.weight.header.name] = []
                current.append(span)
            elif kind == "optimizer":
                self._state().optimizer = part.optimizer
            elif kind == "optimizer_state":
                if part.optimizer_state.HasField("entry"):
                    entry = part.optimizer_state.entry
                    current = self._state().optimizer_state[entry.parameter, entry.state] = []
                current.append(span)
            elif kind == "batch":
                if self.steps and not self.steps[-1].has_ended:
                    raise reader.damaged(span.offset)
                self.steps.append(RecordedStep(batch=part.batch))
            elif kind is not None and self.steps:
                self._take(self.steps[-1], kind, span, part)
        if self.steps and not self.steps[-1].has_ended:
            self.steps.pop()
        if begins is None or not self.steps:
            raise reader.useless()
        self.begins = begins

    def _state(self) -> RecordedModelState:
        return self.steps[-1].state if self.steps else self._initial

    def _take(self, step: RecordedStep, kind: str, span: Span, part: Any) -> None:
        if kind == "batch_tensor":
            step.batch_tensors.append(span)
        elif kind == "step_begins":
            step.start = part.step_begins
        elif kind == "events":
            step.events.append(span)
            for event in part.events.events:
                step.draws.update(one.path for one in event.summary.random_operations)
        elif kind == "floors":
            step.floors += part.floors.content
        elif kind == "step_ends":
            if step.start is None or not part.step_ends == step.start.step == len(self.steps) - 1:
                raise self._reader.damaged(span.offset)
            step.has_ended = True

    def recording(self) -> Recording:
        """Returns what a worker says of the recording that it shows."""
        was, first = self.begins.recording, self.steps[0].start
        slots = tuple(first.loss_slots) if first is not None else ()
        return dataclasses.replace(
            was,
            steps=len(self.steps),
            cut_short=not self.is_whole,
            settings=dataclasses.replace(was.settings, loss_slots=slots),
        )

    def weights(self, moment: int) -> Mapping[str, Sequence[Span]]:
        """Returns where the weights lie as they are behind so many steps."""
        return ChainMap(*(state.weights for state in self._states(moment)))

    def optimizer(self, moment: int) -> worker_pb2.DescribeOptimizerResponse:
        """Returns the optimizer as it is behind so many steps."""
        described = (state.optimizer for state in self._states(moment))
        return next((one for one in described if one is not None), worker_pb2.DescribeOptimizerResponse())

    def optimizer_state(self, moment: int) -> Mapping[Entry, Sequence[Span]]:
        """Returns where its state lies, by parameter and name."""
        return ChainMap(*(state.optimizer_state for state in self._states(moment)))

    def _states(self, moment: int) -> list[RecordedModelState]:
        """Returns the states that count behind so many steps, the latest first."""
        return [*(step.state for step in reversed(self.steps[:moment])), self._initial]

    def weight_frames(self, spans: Sequence[Span], number: int) -> Iterator[tensors_pb2.TensorFrame]:
        """Yields a weight's frames, under the number that it has in a stream of several."""
        return (_numbered(self._reader.at(span).weight, number) for span in spans)

    def batch_frames(self, step: RecordedStep) -> Iterator[tensors_pb2.TensorFrame]:
        """Yields the frames of a batch's tensors."""
        return (self._reader.at(span).batch_tensor for span in step.batch_tensors)

    def state_messages(
        self, spans: Sequence[Span], number: int
    ) -> Iterator[worker_pb2.ReadOptimizerStateResponse]:
        """Yields an entry of the optimizer's state, its tensor under such a number."""
        for span in spans:
            message = self._reader.at(span).optimizer_state
            if message.HasField("frame"):
                _numbered(message.frame, number)
            yield message

    def events(self, step: RecordedStep) -> Iterator[worker_pb2.StepEvent]:
        """Yields what a step said."""
        for span in step.events:
            yield from self._reader.at(span).events.events


def _numbered(frame: tensors_pb2.TensorFrame, number: int) -> tensors_pb2.TensorFrame:
    part = frame.header if frame.HasField("header") else frame.chunk
    part.tensor = number
    return frame
