"""One step of a watched script, from its first forward to the optimizer's step, seen from outside."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Optional

from padiff_rpc.arena import NOT_SHARED, SharedArenas
from padiff_rpc.errors import InvalidRequestError, StateError
from padiff_rpc.v1.records import CallEvent, ModelFailure, StepStart, StepSummary
from padiff_rpc.v1.words import Phase
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.captures import Capture
from padiff_worker.failures import failure_from
from padiff_worker.outbox import Outbox, StepCancelled
from padiff_worker.session import ModelSession
from padiff_worker.step import RunningStep, StepItem, StepParts
from padiff_worker.user_step import UserStep


class ScriptWork(UserStep):
    """The user's own step, whose loss is what its first backward begins with."""

    _has_loss = False

    @contextmanager
    def around_backward(self, roots: tuple[Any, ...]) -> Iterator[None]:
        if not (self._recorder.is_inside or self._has_loss) and len(roots) == 1:
            self._has_loss = True
            self._recorder.record_loss(roots[0])
        with super().around_backward(roots):
            yield


class ScriptStep(RunningStep):
    """A step that the script itself makes; the script's thread calls what it has come to.

    What the stream does, a cancelled step among it, never raises into the script.
    """

    def __init__(
        self,
        adapter: FrameworkAdapter,
        session: ModelSession,
        start: StepStart,
        outbox: Outbox[StepItem],
        shared: SharedArenas = NOT_SHARED,
    ) -> None:
        """Raises InvalidRequestError for what a script's own step cannot do."""
        for field in ("overrides", "again", "in_float64", "functions", "batch_from_loader"):
            if getattr(start, field):
                raise InvalidRequestError(
                    "a watched script makes its own steps, and each once; leave this out", field=field
                )
        super().__init__(adapter, session, start, outbox, shared)
        self._may_go_forward_again = True
        self._parts: Optional[StepParts[ScriptWork]] = None
        self._exits = ExitStack()
        # Has a result when the stream has all of the step, or why there is none.
        self.told: Future[None] = Future()

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody listens any more."""
        return self._phases.is_cancelled

    @property
    def has_gone_backward(self) -> bool:
        return self._parts is not None and self._parts.work.has_gradients

    @property
    def is_inside(self) -> bool:
        """Whether a layer's call is running, or a backward."""
        return self._parts is not None and self._parts.recorder.is_inside

    def call(self, event: CallEvent) -> None:
        with suppress(StepCancelled):
            super().call(event)

    def capture(self, capture: Capture) -> None:
        with suppress(StepCancelled):
            super().capture(capture)

    def begin(self) -> None:
        """Attaches to the model, which is about to be called."""
        parts = self._parts = self._made(ScriptWork)
        self._exits.enter_context(parts.recorder)
        self._exits.enter_context(self._adapter.random_operations(parts.decisions))
        with suppress(StepCancelled):
            self._phases.begin(Phase.FORWARD)

    @contextmanager
    def around_backward(self, roots: tuple[Any, ...]) -> Iterator[None]:
        """Runs a backward of the script's."""
        with ExitStack() as exits:
            if self._parts is not None:
                with suppress(StepCancelled):
                    exits.enter_context(self._parts.work.around_backward(roots))
            yield

    def before_step(self) -> None:
        """The optimizer is about to step."""
        if self._parts is not None:
            with suppress(StepCancelled):
                self._parts.work.before_step()

    def end(self) -> None:
        """The script has come to the end of the step."""
        with suppress(StepCancelled):
            if self._parts is not None:
                self._parts.work.finish()
                self._phases.end()
        self._close(None)

    def fail(self, error: BaseException) -> None:
        """The script raised, in the step or before it."""
        path = self._parts.recorder.innermost_path if self._parts is not None else ""
        self._close(
            failure_from(
                error,
                self._phases.current,
                step=self._start.step,
                path=path,
                library_folders=self._adapter.library_folders,
            )
        )

    def lack(self, reason: str) -> None:
        """The step does not come."""
        self._exits.close()
        self._outbox.finish()
        self.told.set_exception(StateError(reason))

    def _close(self, failure: Optional[ModelFailure]) -> None:
        self._exits.close()
        try:
            with suppress(StepCancelled):
                if self._parts is not None:
                    self._tell_end(self._parts, failure)
                elif failure is not None:
                    self._outbox.put(failure)
                    self._outbox.put(StepSummary())
        finally:
            self._outbox.finish()
            self.told.set_result(None)
