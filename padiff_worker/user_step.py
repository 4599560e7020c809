"""A user's own train step: called as (model, batch, optimizer) and watched from outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Reason
from padiff_rpc.v1.words import Cause, Phase
from padiff_worker.batches import Arguments
from padiff_worker.training import StepWork
from padiff_worker.watched_call import StepEnded, watched_call


class UserStep(StepWork):
    """Runs the train step; what it does shows in the layers' hooks, at backward and at the optimizer's step.

    The parameters' gradients are captured when the optimizer steps (each once: those that it has by then),
    and at the end of a train step without one. The model's thread.
    """

    def run(self, given: Arguments) -> None:
        """Calls the train step; only up to its first backward where no backward is asked for.

        A run once more ends where its optimizer would step.

        The user's own backward raises where the framework has none.
        """
        adapter, session = self._adapter, self._session
        self._phases.begin(Phase.FORWARD)
        if not self._start.backward:
            session.call_until_backward(given, self._recorder)
            return
        assert session.train_step is not None
        returned = None
        with suppress(StepEnded):
            returned = watched_call(
                adapter,
                session.train_step,
                session.model,
                given.given,
                session.optimizer,
                around_backward=self.around_backward,
                before_step=self.before_step,
            )
        self.finish()
        if returned is not None:
            self._recorder.record_loss(self._loss(returned))

    def finish(self) -> None:
        """Takes in that nothing more comes: gradients that no optimizer's step has shown are sent."""
        self._record_gradients()
        if not self.has_gradients:
            self.no_backward = Reason(cause=Cause.NO_BACKWARD_CALLED)
            self.has_gradients = bool(self._sent)

    @contextmanager
    def around_backward(self, roots: tuple[Any, ...]) -> Iterator[None]:
        """Holds the phase of a backward that begins with `roots`; not of one inside a layer's call."""
        if self._recorder.is_inside:
            yield
            return
        self.has_gradients = True
        self._phases.begin(Phase.BACKWARD)
        self._recorder.begin_backward()
        try:
            yield
        finally:
            self._recorder.end_backward()

    def before_step(self) -> None:
        """Sends the gradients that the optimizer is about to step with."""
        self._phases.begin(Phase.GRADIENTS)
        self._recorder.override_parameter_gradients(self._record_gradients())
        if self._start.again:
            raise StepEnded
        self._phases.begin(Phase.OPTIMIZER)

    def _loss(self, returned: Any) -> Any:
        """Returns what the train step returned as a tensor."""
        adapter = self._adapter
        if adapter.is_tensor(returned) and len(adapter.spec(returned).shape) <= 1:
            return returned
        if isinstance(returned, (int, float, np.number)) and not isinstance(returned, bool):
            # What `loss.item()` of a float32 loss gives; as float64 it would be held to float64's bounds.
            value = HostTensor.from_array(np.asarray(returned, np.float32))
            return adapter.from_host(value, device="cpu", requires_grad=False)
        raise TypeError(
            f"the train step returned a {type(returned).__name__}; return the loss (a scalar tensor or a "
            "number), or nothing"
        )
