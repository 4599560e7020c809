"""The built-in step: forward, loss, backward, gradients, optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from padiff_rpc.tensors import COMPLEX, FLOATING
from padiff_rpc.v1.records import Reason, StepStart
from padiff_rpc.v1.words import Cause, Pass, Phase
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.batches import Arguments
from padiff_worker.layer_tree import full_name
from padiff_worker.phases import Phases
from padiff_worker.projection import projection
from padiff_worker.recorder import Recorder
from padiff_worker.session import ModelSession
from padiff_worker.structure import flatten_output


class StepWork:
    """What runs in one step. The model's thread.

    Attributes:
        has_gradients: whether there was a backward, or gradients that parameters got otherwise.
        no_backward: why there was no backward.
        lacks_backward: the framework has none for what the loss was computed with.
    """

    def __init__(
        self,
        adapter: FrameworkAdapter,
        session: ModelSession,
        start: StepStart,
        phases: Phases,
        recorder: Recorder,
    ) -> None:
        self._adapter = adapter
        self._session = session
        self._start = start
        self._phases = phases
        self._recorder = recorder
        self.has_gradients = False
        self.no_backward: Optional[Reason] = None
        self.lacks_backward = False
        self._sent: frozenset[str] = frozenset()

    def run(self, given: Arguments) -> None:
        """Runs the step as far as it was asked for."""
        raise NotImplementedError

    def _record_gradients(self) -> list[tuple[str, str, Any]]:
        """Sends the gradients that the parameters have, each once; returns those parameters."""
        sent = []
        for path, name, parameter in self._session.trainable_parameters():
            full = full_name(path, name)
            gradient = None if full in self._sent else self._adapter.gradient(parameter)
            if gradient is not None:
                self._recorder.record_parameter_gradient(path, name, gradient)
                self._sent |= {full}
                sent.append((path, name, parameter))
        return sent


class BuiltInStep(StepWork):
    """What a step does where the user brings no train step of his own."""

    def run(self, given: Arguments) -> None:
        adapter, session, start = self._adapter, self._session, self._start
        if not start.keep_gradients_before:
            adapter.clear_gradients(session.model)
        elif start.pass_kind is Pass.LOCKSTEP:
            session.put_gradients()
        # Forward alone too: models may differentiate inside, and without gradients Torch's transformer
        # layers take a path that calls no children.
        with adapter.gradient_mode(True):
            with session.autocast():
                self._phases.begin(Phase.FORWARD)
                output = session.call_model(given)
                loss = self._loss(output, given) if start.backward else None
            if loss is None:
                return
            lacking = adapter.layers_without_backward(session.model, loss)
            if lacking:
                self.lacks_backward = True
                self.no_backward = without_backward(adapter, session, lacking)
                return
            if not adapter.requires_gradient(loss):
                self.no_backward = Reason(cause=Cause.LOSS_OF_NOTHING_TRAINED)
                return
            self._backward(loss)
        self._phases.begin(Phase.GRADIENTS)
        self._record_gradients()
        if start.optimize and session.optimizer is not None:
            self._phases.begin(Phase.OPTIMIZER)
            self._optimize(session.optimizer)
        elif start.keep_gradients_after and start.pass_kind is Pass.LOCKSTEP:
            self._hand_over()

    def _loss(self, output: Any, given: Arguments) -> Any:
        """Returns the loss, recorded, or None when there is none to be had (and notes why)."""
        self._phases.begin(Phase.LOSS)
        loss = self._session.loss
        if loss is None:
            made = self._default_loss(output)
        else:
            made = loss(output, given.target) if given.has_target else loss(output)
            if not self._adapter.is_tensor(made):
                raise TypeError(
                    f"the loss returned a {type(made).__name__}; return a scalar {self._adapter.name} tensor"
                )
        if made is not None:
            self._recorder.record_loss(made)
        return made

    def _default_loss(self, output: Any) -> Any:
        adapter = self._adapter
        order = {slot: index for index, slot in enumerate(self._start.loss_slots)}
        found = dict(flatten_output(output, adapter.tensor_in))
        named = sorted(found, key=lambda slot: (order.get(slot, len(order)), slot))
        floating = [
            (index, found[slot])
            for index, slot in enumerate(named)
            if adapter.spec(found[slot]).dtype in FLOATING | COMPLEX
        ]
        if not floating:
            self.no_backward = Reason(cause=Cause.NO_FLOATING_OUTPUT)
            return None
        if self._start.mean_loss:
            return adapter.mean_loss([tensor for _, tensor in floating])
        return adapter.projection_loss(
            (tensor, projection(index, adapter.spec(tensor).shape)) for index, tensor in floating
        )

    def _backward(self, loss: Any) -> None:
        self.has_gradients = True
        factor = self._start.loss_scale / max(self._start.loss_divisor, 1)
        scaled = loss if factor == 1.0 else loss * factor
        self._phases.begin(Phase.BACKWARD)
        self._recorder.begin_backward()
        self._adapter.backward(scaled)

    def _hand_over(self) -> None:
        """Remembers the reference's gradients, to which those of the next step in lockstep are added."""
        adapter, start = self._adapter, self._start
        trained = list(self._session.trainable_parameters())
        self._recorder.override_parameter_gradients(trained)
        having = [parameter for _, _, parameter in trained if adapter.gradient(parameter) is not None]
        if start.loss_scale != 1.0:  # they are compared, and come, without it
            adapter.scale_gradients(having, start.loss_scale)
        self._session.keep_gradients(having)

    def _optimize(self, optimizer: Any) -> None:
        adapter, start = self._adapter, self._start
        trained = list(self._session.trainable_parameters())
        having = [parameter for _, _, parameter in trained if adapter.gradient(parameter) is not None]
        if start.loss_scale != 1.0:
            adapter.scale_gradients(having, 1.0 / start.loss_scale)
        self._recorder.override_parameter_gradients(trained)
        if start.clip_norm:
            adapter.clip_gradients(having, start.clip_norm)
        if adapter.is_optimizer(optimizer):
            adapter.step(optimizer)
        else:
            optimizer()


def without_backward(adapter: FrameworkAdapter, session: ModelSession, paths: Sequence[str]) -> Reason:
    """Returns why no backward goes through the layers at `paths`."""
    classes = {handle.paths[0]: handle.classes[0] for handle in adapter.layers(session.model)}
    kind = classes.get(paths[0], "").rpartition(".")[2] or "recurrent layer"
    return Reason(cause=Cause.NO_BACKWARD_IN_EVAL, names=(adapter.name, kind, *paths))
