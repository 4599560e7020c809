"""One step: forward, loss, backward, gradients, optimizer, each announced and recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Optional, Union

from padiff_rpc.tensors import COMPLEX, FLOATING
from padiff_rpc.types import (
    CallEvent,
    ModelFailure,
    NotOverridden,
    OverrideTicket,
    PhaseSeconds,
    StepStart,
    StepSummary,
)
from padiff_rpc.words import Pass, Phase
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.batches import Arguments, HostBatch, arguments
from padiff_worker.failures import NOT_THE_USERS, failure_from
from padiff_worker.lockstep import Lockstep
from padiff_worker.outbox import Outbox, StepCancelled
from padiff_worker.overrides import Credit, Overrides
from padiff_worker.projection import projection
from padiff_worker.recorder import Capture, Recorder
from padiff_worker.session import ModelSession
from padiff_worker.structure import flatten_output

StepItem = Union[CallEvent, Capture, Phase, ModelFailure, StepSummary, OverrideTicket, Credit, NotOverridden]


class StepRun:
    """Runs one step on the model's thread and puts what it sees into `outbox`.

    A phase is announced behind all that came before and begins when the coordinator has acknowledged it:
    whatever happens in it, both know where, and nothing of earlier phases is lost. The wait is for what
    the stream has yet to send, which a step that sends faster than it computes does not notice, and one
    that does not would wait for later. `acknowledge` and `cancel` come from other threads.
    """

    def __init__(
        self,
        adapter: FrameworkAdapter,
        session: ModelSession,
        start: StepStart,
        outbox: Outbox[StepItem],
    ) -> None:
        self._adapter = adapter
        self._session = session
        self._start = start
        self._outbox = outbox
        self._phase = Phase.FORWARD
        self._acknowledged = threading.Event()
        self._cancelled = False
        self._seconds: list[PhaseSeconds] = []
        self._no_gradient_reason = ""
        self._has_gradients = False
        self.overrides = Overrides(
            want=outbox.put_first, credit=lambda size: outbox.put_first(Credit(bytes=size))
        )

    # The recorder's sink.

    def call(self, event: CallEvent) -> None:
        self._outbox.put(event)

    def capture(self, capture: Capture) -> None:
        self._outbox.put(capture, capture.tensor.byte_count)

    # From the stream's threads.

    def acknowledge(self) -> None:
        """The coordinator knows the announced phase."""
        self._acknowledged.set()

    def cancel(self) -> None:
        """Ends the step at its next hook or phase."""
        self._cancelled = True
        self._outbox.cancel()
        self.overrides.cancel()
        self._acknowledged.set()

    # On the model's thread.

    def run(self, batch: HostBatch) -> None:
        """Runs the step; ends the outbox in every case."""
        recorder = Recorder(
            self._adapter,
            self._adapter.layers(self._session.model),
            self,
            step=self._start.step,
            gradients=self._start.backward,
            skip_paths=self._start.skip_paths,
            lockstep=self._lockstep(),
        )
        try:
            with recorder:
                failure = self._attempt(recorder, batch)
            if failure is not None:
                self._outbox.put(failure)
            self._outbox.put(self._summary(recorder))
        except StepCancelled:
            pass
        finally:
            self._adapter.clear_gradients(self._session.model)
            self._outbox.finish()

    def _lockstep(self) -> Optional[Lockstep]:
        start = self._start
        if start.pass_kind is not Pass.LOCKSTEP:
            return None
        return Lockstep(
            self._adapter,
            start.overrides,
            self.overrides,
            self._outbox.put,
            weights=self._adapter.weights(self._session.model).values(),
            gradients=start.override_gradients,
            keeps_graph=start.backward,
        )

    def _attempt(self, recorder: Recorder, batch: HostBatch) -> Optional[ModelFailure]:
        try:
            self._phases(recorder, batch)
        except NOT_THE_USERS:
            raise
        except BaseException as error:
            # An exception thrown inside a gradient hook comes back wrapped by the framework.
            if self._cancelled:
                raise StepCancelled from None
            return failure_from(error, self._phase, step=self._start.step, path=recorder.innermost_path)
        return None

    def _phases(self, recorder: Recorder, batch: HostBatch) -> None:
        adapter, session = self._adapter, self._session
        adapter.clear_gradients(session.model)
        # Forward alone too: models may differentiate inside, and without gradients Torch's transformer
        # layers take a path that calls no children.
        with adapter.gradient_mode(True):
            self._announce(Phase.FORWARD)
            given = arguments(batch, adapter, session.device)
            output = self._timed(Phase.FORWARD, lambda: session.model(*given.args, **given.kwargs))
            if not self._start.backward:
                return
            loss = self._begin(Phase.LOSS, lambda: self._loss(output, given))
            if loss is None:
                return
            recorder.record_loss(loss)
            if not adapter.requires_gradient(loss):
                self._no_gradient_reason = "the loss depends on nothing that requires a gradient"
                return
            self._has_gradients = True
            recorder.begin_backward()
            self._begin(Phase.BACKWARD, lambda: adapter.backward(loss))
        self._begin(Phase.GRADIENTS, lambda: self._parameter_gradients(recorder))
        if self._start.optimize and session.optimizer is not None:
            self._begin(Phase.OPTIMIZER, lambda: self._optimize(session.optimizer))

    def _begin(self, phase: Phase, work: Callable[[], Any]) -> Any:
        self._announce(phase)
        return self._timed(phase, work)

    def _timed(self, phase: Phase, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = work()
        self._adapter.synchronize()
        self._seconds.append(PhaseSeconds(phase=phase, seconds=time.perf_counter() - began))
        return result

    def _announce(self, phase: Phase) -> None:
        self._phase = phase
        self._acknowledged.clear()
        self._outbox.put(phase)
        self._acknowledged.wait()
        if self._cancelled:
            raise StepCancelled

    def _loss(self, output: Any, given: Arguments) -> Any:
        """Returns the loss, or None when there is none to be had (and notes why)."""
        if self._session.loss is None:
            return self._default_loss(output)
        arguments = (output, given.target) if given.has_target else (output,)
        loss = self._session.loss(*arguments)
        if not self._adapter.is_tensor(loss):
            raise TypeError(
                f"the loss returned a {type(loss).__name__}; return a scalar {self._adapter.name} tensor"
            )
        return loss

    def _default_loss(self, output: Any) -> Any:
        adapter = self._adapter
        order = {slot: index for index, slot in enumerate(self._start.loss_slots)}
        found = dict(flatten_output(output, adapter.is_tensor))
        named = sorted(found, key=lambda slot: (order.get(slot, len(order)), slot))
        floating = [
            (index, found[slot])
            for index, slot in enumerate(named)
            if adapter.spec(found[slot]).dtype in FLOATING | COMPLEX
        ]
        if not floating:
            self._no_gradient_reason = "the model returns no floating tensor"
            return None
        if self._start.mean_loss:
            return adapter.mean_loss([tensor for _, tensor in floating])
        return adapter.projection_loss(
            (tensor, projection(index, adapter.spec(tensor).shape)) for index, tensor in floating
        )

    def _parameter_gradients(self, recorder: Recorder) -> None:
        for path, name, parameter in self._session.trainable_parameters():
            gradient = self._adapter.gradient(parameter)
            if gradient is not None:
                recorder.record_parameter_gradient(path, name, gradient)

    def _optimize(self, optimizer: Any) -> None:
        if self._adapter.is_optimizer(optimizer):
            self._adapter.step(optimizer)
        else:
            optimizer()

    def _summary(self, recorder: Recorder) -> StepSummary:
        return StepSummary(
            seconds=tuple(self._seconds),
            calls=recorder.calls,
            replays=recorder.replays,
            has_gradients=self._has_gradients,
            no_gradient_reason=self._no_gradient_reason,
        )
