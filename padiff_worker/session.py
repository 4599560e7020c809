"""One model under comparison: described, traced, stepped. Everything here runs on its thread."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Optional

import numpy as np

from padiff_rpc.arena import ArenaRoom, LaidTensor
from padiff_rpc.errors import InvalidRequestError, NotFoundError, StateError
from padiff_rpc.tensors import FLOATING, HostTensor, ReceivedTensor, byte_count, cast, widen
from padiff_rpc.v1.records import Layer, OptimizerEntry, SourceLine, StepNoise
from padiff_rpc.v1.words import DType, Randomness, WeightKind
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.batches import Arguments, HostBatch, arguments
from padiff_worker.failures import NOT_THE_USERS, add_note
from padiff_worker.hints import hint
from padiff_worker.kept_state import KeptState, parameters, restored
from padiff_worker.layer_tree import full_name
from padiff_worker.loading import LoadedModel, autocast
from padiff_worker.optimizers import OptimizerView
from padiff_worker.pulse import Pulse
from padiff_worker.recorder import Recorder
from padiff_worker.spared_parameters import SparedParameters
from padiff_worker.tracing import Traced, trace
from padiff_worker.watched_call import call_until_backward


class ModelSession:
    """What can be done with a loaded model.

    Attributes:
        model, loss, optimizer: the user's objects; loss is None for the default one.
        train_step: the user's function for the whole step; None for the built-in one.
        device: where inputs go.
        pulse: where the model's thread is.
    """

    def __init__(self, adapter: FrameworkAdapter, loaded: LoadedModel, pulse: Optional[Pulse] = None) -> None:
        """Owns `loaded` from now on; `pulse` hears of the calls of its layers."""
        self._adapter = adapter
        self.pulse = pulse or Pulse()
        self._loaded = loaded
        self._kept: Optional[KeptState] = None
        self._keeps_gradients = False
        self._handed_over: list[tuple[Any, HostTensor]] = []
        self._is_in_float64 = False
        self.model = loaded.model
        self.loss = loaded.loss
        self.optimizer = loaded.optimizer
        self.train_step = loaded.train_step
        self.device = loaded.device
        # Of the names under which tensors were marked, those of the trace: the other side knows no others.
        self.marks: frozenset[str] = frozenset()
        # Parameters that changed in a pass although nobody expected it.
        self._found_changing: set[str] = set()
        # What a step may change beside the model.
        self._others = (loaded.loss, loaded.train_step)

    def autocast(self) -> AbstractContextManager[None]:
        """Returns the context in which forward and loss run; one that does nothing where none was asked."""
        if self._is_in_float64:
            return nullcontext()
        return autocast(self._adapter, self.device, self._loaded.autocast)

    def read_batch(self, index: int) -> Optional[HostBatch]:
        """Returns a batch of the user's loader, or None behind its end; see `BatchFeed.read`."""
        if self._loaded.feed is None:
            raise StateError("the model names no loader")
        return self._loaded.feed.read(index)

    def settle_gradients(self, *, keep: bool) -> None:
        """Forgets all gradients at the end of a step; or keeps them for the next one."""
        self._keeps_gradients = keep
        if not keep:
            self._adapter.clear_gradients(self.model)

    def keep_gradients(self, parameters: Iterable[Any]) -> None:
        """Remembers the present gradients of parameters, for `put_gradients` in the next step in lockstep."""
        adapter = self._adapter
        self._handed_over = [(one, adapter.host_copy(adapter.gradient(one))) for one in parameters]

    def put_gradients(self) -> None:
        """Makes what `keep_gradients` remembered the gradients of its parameters, and forgets it."""
        handed_over, self._handed_over = self._handed_over, []
        for parameter, gradient in handed_over:
            self._adapter.write_gradient(parameter, gradient)

    def close(self) -> None:
        """Lets go of the loader, and gives a served model its modes back; may be called twice."""
        if self._keeps_gradients:
            self.settle_gradients(keep=False)
        self._loaded.close()

    def describe(self) -> tuple[Layer, ...]:
        """Returns the layer tree in the common vocabulary."""
        handles, made = self._adapter.layers(self.model), self._loaded.made
        layers = self._adapter.vocabulary.translated(handles)
        return tuple(replace(one, made=made.of(of.layer)) for one, of in zip(layers, handles))

    def _call_forward(self, given: Arguments, recorder: Recorder) -> None:
        if self.train_step is not None:
            self.call_until_backward(given, recorder)
            return
        with self.autocast():
            self.call_model(given)

    def call_model(self, given: Arguments) -> Any:
        """Returns what the model returns; what it raises gets a hint where the batch does not suit it."""
        try:
            return self.model(*given.args, **given.kwargs)
        except NOT_THE_USERS:
            raise
        except Exception as error:
            add_note(error, hint(self._adapter, self.model, given, error))
            raise

    def call_until_backward(self, given: Arguments, recorder: Recorder) -> None:
        """Calls the user's train step up to its first backward."""
        assert self.train_step is not None
        call_until_backward(
            self._adapter,
            self.train_step,
            self.model,
            given.given,
            self.optimizer,
            is_inside=lambda: recorder.is_inside,
        )

    def trace(self, batch: HostBatch, randomness: Randomness, *, repeat: bool) -> Traced:
        """Returns what one forward pass does, or two, after which the state is put back."""

        def forward(recorder: Recorder) -> None:
            self._call_forward(arguments(batch, self._adapter, self.device), recorder)

        traced = trace(
            self._adapter,
            self.model,
            forward,
            randomness,
            repeat=repeat,
            others=self._others,
            pulse=self.pulse,
        )
        self.marks = frozenset(traced.marks)
        return traced

    @property
    def optimizer_made(self) -> Optional[SourceLine]:
        """The line that made the optimizer; None where there is none, or nobody saw that."""
        return self._loaded.made.of(self._adapter.optimizer_reader.stepping(self.optimizer))

    def view_optimizer(self) -> Optional[OptimizerView]:
        """Returns what can be seen of the optimizer; None where there is none, or only a function."""
        if not self._adapter.is_optimizer(self.optimizer):
            return None
        return self._adapter.view_optimizer(self.optimizer, self.weights())

    def write_optimizer_state(
        self, weights: Mapping[str, Any], entry: OptimizerEntry, value: HostTensor
    ) -> bool:
        """Copies `value` into one state of one of `weights`; False where the optimizer keeps no such."""
        return self._adapter.is_optimizer(self.optimizer) and self._adapter.write_optimizer_state(
            self.optimizer, weights, entry, value
        )

    def keep_state(self, *, optimizer: bool, changing: Optional[Collection[str]] = None) -> None:
        """Remembers the state of the model, and of the `optimizer` if asked, in place of an earlier one.

        `changing`: parameters that a pass changes, of the passes before it is put back, in which no optimizer
        steps; other large ones are spared. None: any may change. Raises InvalidRequestError for an optimizer
        that is a plain function.
        """
        kept = (self.optimizer,) if optimizer and self.optimizer is not None else ()
        if not all(map(self._adapter.is_optimizer, kept)):
            raise InvalidRequestError(
                "this one is a function, and what it keeps between steps cannot be put back; keep the state "
                "without it, or return the optimizer itself",
                field="optimizer",
            )
        self._kept = None  # before another copy is made
        spared = None
        if changing is not None:
            changing = {*changing, *self._found_changing}
            named = parameters(self._adapter, self.model).items()
            spared = SparedParameters(
                self._adapter, {name: one for name, one in named if name not in changing}
            )
        self._kept = KeptState(self._adapter, self.model, (*self._others, *kept), spared)

    def restore_state(self) -> tuple[str, ...]:
        """Puts back what `keep_state` remembered, and forgets it; returns the parameters that are lost.

        Those changed though they were spared; later states have them. Raises StateError where nothing was
        kept.
        """
        if self._kept is None:
            raise StateError("no state was kept; call KeepState first")
        kept, self._kept = self._kept, None
        lost = self._lost(kept)
        kept.put_back()
        return lost

    def _lost(self, kept: KeptState) -> tuple[str, ...]:
        lost = kept.lost()
        self._found_changing.update(lost)
        return lost

    @contextmanager
    def again(self, *, in_float64: bool, noise: Optional[StepNoise] = None) -> Iterator[None]:
        """Has the model in the state that `keep_state` remembered, an optimizer's apart, or in float64 too.

        `noise`: of the weights. Behind the block all is as it was before, what is remembered too. Raises
        StateError where nothing was, or where a parameter that was spared has changed, before or behind it.
        """
        if self._kept is None:
            raise StateError("no state was kept; call KeepState first")
        self._check_not_lost(self._kept, "before it")
        # Noise is written into parameters themselves, but where these are wide for a while.
        spared = self._kept.spared if noise is None or in_float64 else None
        with restored(self._adapter, self.model, self._others, spared) as now:
            earlier, self._kept = self._kept, None
            earlier.put_back()
            spared = earlier.spared
            del earlier  # before another copy is made; one is put back once
            self._kept = KeptState(self._adapter, self.model, self._others, spared)
            self._is_in_float64, keeps_gradients = in_float64, self._keeps_gradients
            try:
                with self._adapter.in_float64(self._kept.tensors) if in_float64 else nullcontext():
                    if noise is not None:
                        self._add_noise(noise)
                    yield
            finally:
                self._is_in_float64, self._keeps_gradients = False, keeps_gradients
        self._check_not_lost(now, "in it")

    def _check_not_lost(self, kept: KeptState, when: str) -> None:
        lost = self._lost(kept)
        if lost:
            raise StateError(
                f"{lost[0]} changed {when} though no optimizer stepped and the trace had not changed it, so "
                "that the step cannot be run again as it was"
            )

    def _add_noise(self, noise: StepNoise) -> None:
        weights, draws = self.weights(), np.random.default_rng(noise.draw)
        added = {one.name: one.rms for one in noise.weights}
        for name in weights:
            value = self.read_weight(weights, name).tensor
            if value.dtype in FLOATING:
                array = widen(value.array, value.dtype).astype(np.float64, copy=False)
                size = noise.relative * abs(array) + added.get(name, 0.0)
                moved = np.asarray(array + size * draws.standard_normal(array.shape))
                self._adapter.write_weight(
                    weights[name], cast(HostTensor(array=moved, dtype=DType.FLOAT64), value.dtype)
                )

    def weights(self) -> Mapping[str, Any]:
        """Returns the parameters and buffers by full name; finding them walks the whole model."""
        return self._adapter.weights(self.model)

    def byte_count(self, weights: Mapping[str, Any], name: str) -> int:
        """Returns how large one of `weights` is; NotFoundError where there is none of that name."""
        return byte_count(self._adapter.spec(_named(weights, name)))

    def read_weight(
        self, weights: Mapping[str, Any], name: str, room: Optional[ArenaRoom] = None
    ) -> LaidTensor:
        """Returns a copy of one of `weights`, in the `room` for it if there is any."""
        return self._adapter.laid_copy(_named(weights, name), room)

    def read_weights(
        self, weights: Mapping[str, Any], rooms: Iterable[tuple[str, Optional[ArenaRoom]]]
    ) -> list[tuple[str, LaidTensor]]:
        """Returns copies of some of `weights` with their names, which are given with the room for each."""
        return [(name, self.read_weight(weights, name, room)) for name, room in rooms]

    def write_weights(self, weights: Mapping[str, Any], received: Iterable[ReceivedTensor]) -> None:
        """Copies what was received into those of `weights` that it names; see `write_weight`."""
        for one in received:
            self.write_weight(weights, one.name, one.tensor)

    def write_weight(self, weights: Mapping[str, Any], name: str, value: HostTensor) -> None:
        """Copies `value` into one of `weights`; InvalidRequestError where shapes differ."""
        weight = _named(weights, name)
        if self._kept is not None and not self._adapter.holds(weight, value):
            self._kept.remember(name)
        try:
            self._adapter.write_weight(weight, value)
        except InvalidRequestError as error:
            raise InvalidRequestError(f"{name}: {error}") from None

    def trainable_parameters(self) -> Iterator[tuple[str, str, Any]]:
        """Yields (layer path, own name, tensor) of every trainable parameter, tied ones once."""
        weights = self._adapter.weights(self.model)
        for handle in self._adapter.layers(self.model):
            path = handle.paths[0]
            for weight in handle.weights:
                if weight.kind is WeightKind.PARAMETER and weight.trainable and not weight.tied_to:
                    yield path, weight.name, weights[full_name(path, weight.name)]


def _named(weights: Mapping[str, Any], name: str) -> Any:
    if name not in weights:
        raise NotFoundError(f"the model has no parameter or buffer {name!r}")
    return weights[name]
