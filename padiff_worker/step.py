"""One step as the stream sees it: what it saw goes out, phases, overrides and cancellation come in."""

from __future__ import annotations

import resource
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, Optional, TypeVar, Union

from padiff_rpc.arena import NOT_SHARED, SharedArenas
from padiff_rpc.errors import StateError
from padiff_rpc.records import record
from padiff_rpc.v1.records import (
    CallEvent,
    FunctionTrace,
    ModelFailure,
    NotOverridden,
    OverrideTicket,
    StepStart,
    StepSummary,
)
from padiff_rpc.v1.words import Phase
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.batches import HostBatch, arguments
from padiff_worker.captures import Capture, Wanted
from padiff_worker.failures import NOT_THE_USERS, failure_from
from padiff_worker.functions.recorder import FunctionRecorder
from padiff_worker.layer_tree import LayerHandle
from padiff_worker.lockstep import Lockstep
from padiff_worker.outbox import Outbox, StepCancelled
from padiff_worker.overrides import GrantedCredit, Overrides
from padiff_worker.phases import Phases
from padiff_worker.randomness import Decisions, DrawKeys
from padiff_worker.recorder import Recorder
from padiff_worker.session import ModelSession
from padiff_worker.sketching import Sketcher
from padiff_worker.training import BuiltInStep, StepWork
from padiff_worker.user_step import UserStep

StepItem = Union[
    CallEvent,
    Capture,
    Phase,
    ModelFailure,
    StepSummary,
    OverrideTicket,
    GrantedCredit,
    NotOverridden,
    FunctionTrace,
]


W = TypeVar("W", bound=StepWork)


@record
class StepParts(Generic[W]):
    """What watches one step, and what it runs."""

    recorder: Recorder
    decisions: Decisions
    work: W


class RunningStep:
    """Runs one step on the model's thread and puts what it sees into `outbox`.

    `acknowledge` and `cancel` come from other threads.
    """

    def __init__(
        self,
        adapter: FrameworkAdapter,
        session: ModelSession,
        start: StepStart,
        outbox: Outbox[StepItem],
        shared: SharedArenas = NOT_SHARED,
    ) -> None:
        """`shared`: where the coordinator reads captures; what has no room there goes through the outbox."""
        self._adapter = adapter
        self._shared = shared
        self._session = session
        self._start = start
        self._outbox = outbox
        self._phases = Phases(outbox.put, adapter.synchronize)
        # As a train step may, behind a backward.
        self._may_go_forward_again = session.train_step is not None
        self.overrides = Overrides(
            want=outbox.put_first, credit=lambda size: outbox.put_first(GrantedCredit(bytes=size))
        )

    # The recorder's sink.

    def call(self, event: CallEvent) -> None:
        is_forward = event.replay or self._phases.current is Phase.FORWARD
        if self._may_go_forward_again and not is_forward:
            self._phases.begin(Phase.FORWARD)
        self._session.pulse.saw(event)
        self._outbox.put(event)

    def capture(self, capture: Capture) -> None:
        self._session.pulse.at(capture.id.path, capture.id.call)
        self._outbox.put(capture, capture.tensor.byte_count if capture.place is None else 0)

    # From the stream's threads.

    def acknowledge(self) -> None:
        """The coordinator knows the announced phase."""
        self._phases.acknowledge()

    def cancel(self) -> None:
        """Ends the step at its next hook or phase."""
        self._phases.cancel()
        self._outbox.cancel()
        self.overrides.cancel()

    # On the model's thread.

    def run(self, batch: HostBatch) -> None:
        """Runs the step; ends the outbox in every case."""
        try:
            with self._again() if self._start.again or self._start.in_float64 else nullcontext():
                self._run(batch)
        except StepCancelled:
            pass
        finally:
            self._outbox.finish()

    def _again(self) -> AbstractContextManager[None]:
        return self._session.again(in_float64=self._start.in_float64, noise=self._start.noise)

    def _run(self, batch: HostBatch) -> None:
        parts = self._made(BuiltInStep if self._session.train_step is None else UserStep)
        try:
            with parts.recorder:
                failure = self._attempt(parts, batch)
            self._tell_end(parts, failure)
        finally:
            # A train step's gradients are its own business.
            if self._session.train_step is None:
                self._session.settle_gradients(keep=self._start.keep_gradients_after)

    def _made(self, kind: type[W]) -> StepParts[W]:
        """Returns what watches the step, and the work of that kind."""
        start = self._start
        layers = self._adapter.layers(self._session.model)
        functions = self._functions(layers) if start.functions else None
        recorder = Recorder(
            self._adapter,
            layers,
            self,
            Wanted(
                step=start.step,
                gradients=start.backward,
                skip_paths=start.skip_paths,
                own_gradients=start.own_gradients,
                only_captures=start.only_captures,
                loss_scale=start.loss_scale or 1.0,
                marks=self._session.marks,
                functions=functions,
                room=self._shared.room,
                sketcher=None if start.sketching is None else Sketcher(start.sketching),
            ),
            self._lockstep(),
        )
        decisions = Decisions(
            recorder.log,
            start.randomness,
            DrawKeys(seed=start.random_seed, step=start.step, pairs=start.random_pairs),
        )
        if functions is not None:
            decisions.around = functions.random
        work = kind(self._adapter, self._session, start, self._phases, recorder)
        return StepParts(recorder=recorder, decisions=decisions, work=work)

    def _tell_end(self, parts: StepParts[W], failure: Optional[ModelFailure]) -> None:
        if failure is not None:
            self._outbox.put(failure)
        functions = parts.recorder.functions
        for trace in functions.traces() if functions is not None else ():
            self._outbox.put(trace, sum(len(tensor.fingerprint) for tensor in trace.tensors))
        self._outbox.put(self._summary(parts))

    def _functions(self, layers: Iterable[LayerHandle]) -> FunctionRecorder:
        start = self._start
        scale = 1.0 / (start.loss_scale or 1.0) if start.backward else None
        weights = self._adapter.weights(self._session.model)
        return FunctionRecorder(self._adapter, layers, weights, start.functions, scale)

    def _lockstep(self) -> Optional[Lockstep]:
        start = self._start
        if not start.overrides:
            return None
        return Lockstep(
            self._adapter,
            start,
            self.overrides,
            self._outbox.put,
            weights=self._adapter.weights(self._session.model).values(),
        )

    def _attempt(self, parts: StepParts[W], batch: HostBatch) -> Optional[ModelFailure]:
        recorder = parts.recorder
        try:
            given = arguments(self._batch(batch), self._adapter, self._session.device)
            if self._start.batch_from_loader and given.has_target:
                recorder.record_target(given.target)
            functions = recorder.functions
            with self._adapter.random_operations(parts.decisions):
                with functions.watching() if functions is not None else nullcontext():
                    parts.work.run(given)
            self._phases.end()
        except NOT_THE_USERS:
            raise
        except BaseException as error:
            # An exception thrown inside a gradient hook comes back wrapped by the framework.
            if self._phases.is_cancelled:
                raise StepCancelled from None
            return failure_from(
                error,
                self._phases.current,
                step=self._start.step,
                path=recorder.innermost_path,
                library_folders=self._adapter.library_folders,
            )
        return None

    def _batch(self, sent: HostBatch) -> HostBatch:
        batch = self._read_batch() if self._start.batch_from_loader else sent
        if self._start.in_float64:
            batch = batch.widened()
        return batch if self._start.noise is None else batch.with_noise(self._start.noise)

    def _read_batch(self) -> HostBatch:
        read = self._session.read_batch(self._start.step)
        if read is None:
            raise StateError(f"the loader has no batch {self._start.step}; look with ReadBatch first")
        return read

    def _summary(self, parts: StepParts[W]) -> StepSummary:
        return StepSummary(
            seconds=self._phases.seconds,
            calls=parts.recorder.calls,
            replays=parts.recorder.replays,
            has_gradients=parts.work.has_gradients,
            no_backward=parts.work.no_backward,
            random_operations=parts.decisions.operations,
            lacks_backward=parts.work.lacks_backward,
            peak_bytes=_peak_bytes(),
        )


def _peak_bytes() -> int:
    """Returns the most memory that this process has had in use; Linux counts it in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
