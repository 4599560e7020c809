"""One model under comparison: built, described, traced, stepped. Everything here runs on its thread."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Optional

import numpy as np

from padiff_rpc import trees
from padiff_rpc.errors import InvalidRequestError, NotFoundError, StateError
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.types import Layer, Model, OptimizerEntry, Tree
from padiff_rpc.words import Phase, Randomness, WeightKind
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.batch_feed import BatchFeed, takes_target
from padiff_worker.batches import Arguments, HostBatch, arguments
from padiff_worker.failures import NOT_THE_USERS, ModelRaised, failure_from
from padiff_worker.kept_state import KeptState
from padiff_worker.loader import Loader
from padiff_worker.optimizers import OptimizerView
from padiff_worker.recorder import Recorder
from padiff_worker.tracing import Traced, trace
from padiff_worker.watched_call import call_until_backward


@record
class ServedModel:
    """A model that the worker's own script made, with what it brought along."""

    model: Any
    loss: Optional[Callable[..., Any]] = None
    optimizer: Optional[Any] = None


@contextmanager
def raising_as_failure(phase: Phase) -> Iterator[None]:
    """Turns what the user's code raises inside into ModelRaised; our own errors pass through."""
    try:
        yield
    except NOT_THE_USERS:
        raise
    except BaseException as error:
        raise ModelRaised(failure_from(error, phase)) from error


class ModelSession:
    """A loaded model with its loss and optimizer.

    Attributes:
        model, loss, optimizer: the user's objects; loss is None for the default one.
        train_step: the user's function for the whole step; None for the built-in one.
        device: where inputs go.
        flags: what the framework was set to, for the report.
    """

    def __init__(
        self,
        adapter: FrameworkAdapter,
        loader: Loader,
        spec: Model,
        *,
        deterministic: bool = True,
        threads: int = 0,
        served: Optional[ServedModel] = None,
    ) -> None:
        """Builds or takes over the model. Raises ModelRaised when the user's code raises."""
        if spec.framework and spec.framework != adapter.name:
            raise InvalidRequestError(
                f"framework: the spec says {spec.framework!r} and this worker runs {adapter.name!r}"
            )
        self._adapter = adapter
        self._modes: Optional[Any] = None
        self._kept: Optional[KeptState] = None
        self._feed: Optional[BatchFeed] = None
        self._keeps_gradients = False
        self.loss: Optional[Callable[..., Any]] = None
        self.train_step: Optional[Callable[..., Any]] = None
        if spec.loss:
            with raising_as_failure(Phase.LOAD):
                self.loss = loader.resolve(spec.loss, field="loss")
        if served is None:
            self._build(loader, spec, deterministic, threads)
        else:
            try:
                self._take_over(loader, spec, served, deterministic, threads)
            except BaseException:
                self.close()
                raise
        self._prepare_training(loader, spec)

    def _prepare_training(self, loader: Loader, spec: Model) -> None:
        self._autocast = spec.autocast
        self.autocast()  # whether this device can at all is better known now
        with raising_as_failure(Phase.LOAD):
            if spec.train_step:
                self.train_step = loader.resolve(spec.train_step, field="train_step")
            if spec.loader:
                self._feed = BatchFeed(
                    self._adapter,
                    loader.resolve(spec.loader, field="loader"),
                    spec.loader,
                    has_target=self.loss is not None and takes_target(self.loss),
                )

    def _build(self, loader: Loader, spec: Model, deterministic: bool, threads: int) -> None:
        adapter = self._adapter
        if not spec.model:
            raise InvalidRequestError("model: no factory is named, and this worker serves no model")
        self.device = spec.device
        self.flags = adapter.configure(
            device=spec.device, seed=spec.seed, deterministic=deterministic, threads=threads
        )
        random.seed(spec.seed)
        np.random.seed(spec.seed % 2**32)
        kwargs = trees.unpack_map(spec.kwargs)
        with raising_as_failure(Phase.LOAD):
            factory = loader.resolve(spec.model, field="model")
            self.model = factory(**kwargs)
        self._check_model(f"{spec.model!r} returned")
        with raising_as_failure(Phase.LOAD):
            adapter.prepare(self.model, device=spec.device, dtype=spec.dtype, train=spec.train)
            if spec.weights:
                adapter.load_weights(self.model, spec.weights)
            self.optimizer = self._make_optimizer(loader, spec.optimizer)

    def _take_over(
        self, loader: Loader, spec: Model, served: ServedModel, deterministic: bool, threads: int
    ) -> None:
        if spec.model or spec.weights or spec.dtype is not None:
            raise InvalidRequestError(
                "model: this worker serves the model of its own script; leave model, weights and dtype out"
            )
        adapter = self._adapter
        self.model = served.model
        self._check_model("serve() was given")
        self.device = adapter.device_of(self.model)
        self.flags = adapter.configure(
            device=self.device, seed=spec.seed, deterministic=deterministic, threads=threads
        )
        self._modes = adapter.modes(self.model)
        adapter.prepare(self.model, device=self.device, dtype=None, train=spec.train)
        self.loss = self.loss or served.loss
        with raising_as_failure(Phase.LOAD):
            self.optimizer = self._make_optimizer(loader, spec.optimizer) or served.optimizer

    def _check_model(self, subject: str) -> None:
        if not self._adapter.is_model(self.model):
            found = type(self.model)
            raise InvalidRequestError(
                f"model: {subject} a {found.__module__}.{found.__qualname__}, "
                f"not a {self._adapter.name} model"
            )

    def _make_optimizer(self, loader: Loader, reference: str) -> Optional[Any]:
        if not reference:
            return None
        optimizer = loader.resolve(reference, field="optimizer")(self.model)
        if not self._adapter.is_optimizer(optimizer) and not callable(optimizer):
            raise InvalidRequestError(
                f"optimizer: {reference!r} returned a {type(optimizer).__name__}; return an optimizer of "
                f"{self._adapter.name}, or a function without arguments that steps and clears"
            )
        return optimizer

    def autocast(self) -> AbstractContextManager[None]:
        """Returns the context in which forward and loss run; one that does nothing where none was asked."""
        if self._autocast is None:
            return nullcontext()
        return self._adapter.autocast(self.device, self._autocast)

    def read_batch(self, index: int) -> Optional[HostBatch]:
        """Returns a batch of the user's loader, or None behind its end; see `BatchFeed.read`."""
        if self._feed is None:
            raise StateError("the model names no loader")
        return self._feed.read(index)

    def settle_gradients(self, *, keep: bool) -> None:
        """Forgets all gradients at the end of a step; or keeps them for the next one."""
        self._keeps_gradients = keep
        if not keep:
            self._adapter.clear_gradients(self.model)

    def close(self) -> None:
        """Lets go of the loader, and gives a served model its modes back; may be called twice."""
        if self._keeps_gradients:
            self.settle_gradients(keep=False)
        if self._feed is not None:
            self._feed.close()
        if self._modes is not None:
            self._adapter.set_modes(self.model, self._modes)
            self._modes = None

    def describe(self) -> tuple[Layer, ...]:
        """Returns the layer tree."""
        return tuple(
            Layer(
                path=handle.paths[0],
                aliases=handle.paths[1:],
                classes=handle.classes,
                hyper_parameters=_pack_plain(handle.hyper_parameters),
                weights=handle.weights,
            )
            for handle in self._adapter.layers(self.model)
        )

    def _call_forward(self, given: Arguments, recorder: Recorder) -> None:
        if self.train_step is not None:
            self.call_until_backward(given, recorder)
            return
        with self.autocast():
            self.model(*given.args, **given.kwargs)

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

        return trace(self._adapter, self.model, forward, randomness, repeat=repeat)

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

    def keep_state(self, *, optimizer: bool) -> None:
        """Remembers the state of the model, and of the `optimizer` if asked, in place of an earlier one.

        Raises InvalidRequestError for an optimizer that is a plain function.
        """
        kept = self.optimizer if optimizer else None
        if kept is not None and not self._adapter.is_optimizer(kept):
            raise InvalidRequestError(
                "optimizer: this one is a function, and local_error has to put back what an optimizer keeps "
                "between steps; return the optimizer itself, or leave local_error out"
            )
        self._kept = KeptState(self._adapter, self.model, kept)

    def restore_state(self) -> None:
        """Puts back what `keep_state` remembered, and forgets it. Raises StateError without any."""
        if self._kept is None:
            raise StateError("no state was kept; call KeepState first")
        kept, self._kept = self._kept, None
        kept.put_back()

    def weights(self) -> Mapping[str, Any]:
        """Returns the parameters and buffers by full name; finding them walks the whole model."""
        return self._adapter.weights(self.model)

    def read_weight(self, weights: Mapping[str, Any], name: str) -> HostTensor:
        """Returns a copy of one of `weights`; NotFoundError where there is none of that name."""
        return self._adapter.host_copy(_named(weights, name))

    def write_weight(self, weights: Mapping[str, Any], name: str, value: HostTensor) -> None:
        """Copies `value` into one of `weights`; InvalidRequestError where shapes differ."""
        weight = _named(weights, name)
        shape = self._adapter.spec(weight).shape
        if shape != value.spec.shape:
            raise InvalidRequestError(f"{name}: shape {list(value.spec.shape)} does not fit {list(shape)}")
        self._adapter.write_weight(weight, value)

    def trainable_parameters(self) -> Iterator[tuple[str, str, Any]]:
        """Yields (layer path, own name, tensor) of every trainable parameter, tied ones once."""
        weights = self._adapter.weights(self.model)
        for handle in self._adapter.layers(self.model):
            path = handle.paths[0]
            for weight in handle.weights:
                if weight.kind is WeightKind.PARAMETER and weight.trainable and not weight.tied_to:
                    yield path, weight.name, weights[f"{path}.{weight.name}" if path else weight.name]


def _named(weights: Mapping[str, Any], name: str) -> Any:
    if name not in weights:
        raise NotFoundError(f"the model has no parameter or buffer {name!r}")
    return weights[name]


def _pack_plain(values: Mapping[str, Any]) -> Tree:
    return trees.pack(dict(values), where="hyper_parameters")
