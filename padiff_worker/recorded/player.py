"""The player of a recording: one lease, and where in the recording it is."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Optional

from padiff_rpc.convert import from_number, to_proto
from padiff_rpc.errors import NotFoundError, StateError
from padiff_rpc.v1 import tensors_pb2
from padiff_rpc.v1 import worker_pb2 as pb
from padiff_rpc.v1.records import ModelFailure, WorkerInfo
from padiff_rpc.v1.words import Phase, Randomness
from padiff_rpc.version import PROTOCOL_VERSION, check_protocol_version
from padiff_worker.leases import Leases
from padiff_worker.recorded.contents import Contents, Entry, RecordedStep
from padiff_worker.recorded.replay import Replay


class Player:
    """Shows a recording to one comparison at a time. Methods may be called on any thread."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self.leases = Leases()
        self.leases.is_ready = True
        # Steps whose end the comparison has seen, and what was to be remembered of that.
        self._moment = 0
        self._remembered = 0

    def info(self) -> WorkerInfo:
        """Returns the worker that was recorded, with what can be done with the recording of it."""
        was = self._contents.begins.worker
        capabilities = [WorkerInfo.KEPT_STATE]
        if any(step.start is not None and step.start.functions for step in self._contents.steps):
            capabilities += [WorkerInfo.FUNCTION_TRACES, WorkerInfo.FUNCTION_GRADIENTS]
        if any(step.floors for step in self._contents.steps):
            capabilities.append(WorkerInfo.KEPT_FLOORS)
        return dataclasses.replace(
            was,
            protocol_version=PROTOCOL_VERSION,
            host=platform.node(),
            pid=os.getpid(),
            executable=sys.executable,
            process_per_lease=False,
            capabilities=tuple(capabilities),
            recording=self._contents.recording(),
        )

    @contextmanager
    def lease(self, protocol_version: int) -> Iterator[str]:
        """Holds the recording for one comparison. Raises BusyError while another holds it."""
        check_protocol_version(protocol_version, peer="the coordinator")
        with self.leases.granted() as lease:
            self._moment = self._remembered = 0
            yield lease

    def contents(self, lease: str) -> Contents:
        """Returns what there is to look up. Raises StateError for another lease."""
        self.leases.check(lease)
        return self._contents

    def recorded(self, lease: str, step: int) -> RecordedStep:
        """Returns a step. Raises NotFoundError for one that was not recorded."""
        steps = self.contents(lease).steps
        if step >= len(steps):
            raise NotFoundError(f"step {step} was not recorded; the recording has {len(steps)}")
        return steps[step]

    def step(self, start: pb.StepStart) -> Iterator[pb.StepEvent]:
        """Yields what a step said. Raises StateError for one that asks for what no recording can do."""
        step = self.recorded(start.lease, start.step)
        if start.overrides or start.in_float64 or start.again:
            raise StateError("a recording shows what was computed, and computes nothing else")
        if start.backward and not (step.start is not None and step.start.backward):
            raise StateError("the step was recorded without backward")
        why = self._why_drawn_otherwise(step, start)
        if why:
            failure = ModelFailure(phase=Phase.FORWARD, exception="RecordedOtherwise", text=why)
            yield pb.StepEvent(failure=to_proto(failure))
            yield pb.StepEvent(summary=pb.StepSummary())
            return
        yield from Replay(start).shown(self._contents.events(step))
        # Behind a step that was left, another lease may have begun.
        self.leases.check(start.lease)
        self._moment = start.step + 1

    def _why_drawn_otherwise(self, step: RecordedStep, start: pb.StepStart) -> str:
        """Returns why the random decisions are not those that are asked for; "" where they are."""
        asked = from_number(start.randomness, Randomness, field="randomness")
        if not step.draws or step.start is None or asked is Randomness.REPORT:
            return ""
        had = from_number(step.start.randomness, Randomness, field="randomness")
        if asked is not had:
            return f"the model draws random numbers, and was recorded with randomness: {had}"
        if asked is Randomness.SHARED:
            numbers, recorded = _numbers(start), _numbers(step.start)
            is_shared = start.random_seed == step.start.random_seed and all(
                _sharing(path, numbers) == _sharing(path, recorded) for path in step.draws
            )
            if not is_shared:
                return (
                    "the recording shares its random decisions layer by layer, which this pair cannot; "
                    "record it with randomness: off"
                )
        return ""

    def weights(self, lease: str, names: Sequence[str]) -> Iterator[tensors_pb2.TensorFrame]:
        """Yields the frames of the weights as they are by now. Raises NotFoundError."""
        contents = self.contents(lease)
        known = contents.weights(self._moment)
        for number, name in enumerate(names, start=1):
            if name not in known:
                raise NotFoundError(f"the recording has no weight {name!r}")
            yield from contents.weight_frames(known[name], number)

    def optimizer(self, lease: str) -> pb.DescribeOptimizerResponse:
        """Returns the optimizer as it is by now; an empty answer where there is none."""
        return self.contents(lease).optimizer(self._moment)

    def optimizer_state(
        self, lease: str, entries: Sequence[Entry]
    ) -> Iterator[pb.ReadOptimizerStateResponse]:
        """Yields the entries of its state as they are by now. Raises NotFoundError."""
        contents = self.contents(lease)
        known = contents.optimizer_state(self._moment)
        for number, entry in enumerate(entries, start=1):
            if entry not in known:
                raise NotFoundError(f"the recording has no {entry[1]} of {entry[0]}")
            yield from contents.state_messages(known[entry], number)

    def keep_state(self, lease: str, before_step: Optional[int] = None) -> None:
        """Remembers where the recording is, and goes back to the state before a step, if one is named."""
        self.leases.check(lease)
        self._remembered = self._moment
        if before_step is not None:
            self._moment = before_step

    def restore_state(self, lease: str) -> None:
        """Goes back there."""
        self.leases.check(lease)
        self._moment = self._remembered


def _numbers(start: pb.StepStart) -> Mapping[str, int]:
    return {one.path: one.pair for one in start.random_pairs}


def _sharing(path: str, numbers: Mapping[str, int]) -> Optional[int]:
    """Returns the number under which the code of a layer draws; None for none."""
    while path not in numbers and path:
        path = path.rpartition(".")[0]
    return numbers.get(path)
