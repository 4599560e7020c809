"""A spec's model and all that belongs to it: built by its factory, or taken over from the script."""

from __future__ import annotations

import inspect
import os
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Optional

import numpy as np

from padiff_rpc import trees
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.v1.records import Model
from padiff_rpc.v1.words import DType, Phase
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.batch_feed import BatchFeed, takes_target
from padiff_worker.devices import own_name
from padiff_worker.failures import raising_as_failure
from padiff_worker.loader import Loader
from padiff_worker.making_lines import MakingLines
from padiff_worker.served_model import ServedModel

# More than any model computes with; the framework's own library would end the process over far more.
_MOST_THREADS = max(256, os.cpu_count() or 1)
# Of a spec, what a watched script brings itself.
_OF_A_SCRIPT = ("model", "weights", "dtype", "loss", "optimizer", "loader", "train_step", "autocast")


@record
class LoadedModel:
    """The user's objects. The owner calls `close`.

    Attributes:
        model, loss, optimizer: loss is None for the default one.
        device: where inputs go.
        flags: what the framework was set to, for the report.
        train_step: the user's function for the whole step; None for the built-in one.
        feed: the user's loader; None where none is named.
        autocast: what forward and loss run in; None: as the model is.
        exits: what `close` does.
        made: the lines that made its layers and its optimizer.
    """

    model: Any
    device: str
    flags: tuple[str, ...]
    loss: Optional[Callable[..., Any]]
    optimizer: Optional[Any]
    train_step: Optional[Callable[..., Any]]
    feed: Optional[BatchFeed]
    autocast: Optional[DType]
    exits: ExitStack
    made: MakingLines

    def close(self) -> None:
        """Lets go of the loader, and gives a served model its modes back; may be called twice."""
        self.exits.close()


@record
class _Core:
    """The model and what it needs to be on its way."""

    model: Any
    device: str
    flags: tuple[str, ...]
    optimizer: Optional[Any]
    made: MakingLines


def load_model(
    adapter: FrameworkAdapter,
    loader: Loader,
    spec: Model,
    *,
    deterministic: bool = True,
    threads: int = 0,
    served: Optional[ServedModel] = None,
) -> LoadedModel:
    """Returns the model, built or taken over; on its thread.

    Raises ModelRaised when the user's code raises, InvalidRequestError for what the spec cannot mean.
    """
    if spec.framework and spec.framework != adapter.name:
        raise InvalidRequestError(
            f"the spec says {spec.framework!r} and this worker runs {adapter.name!r}", field="framework"
        )
    if threads > _MOST_THREADS:
        raise InvalidRequestError(
            f"{threads} is not allowed here; allowed: 0 to {_MOST_THREADS}", field="options.threads"
        )
    with ExitStack() as exits:
        loss = served.loss if served is not None else None
        if spec.loss:
            with raising_as_failure(Phase.LOAD):
                loss = loader.resolve(spec.loss, field="loss")
        building = _Loading(adapter, loader, spec, deterministic, threads)
        if served is None:
            core = building.built()
        elif served.script is None:
            core = building.taken_over(served, exits)
        else:
            core = building.watched(served)
        autocast(adapter, core.device, spec.autocast)  # whether this device can at all is better known now
        with raising_as_failure(Phase.LOAD):
            train_step = loader.resolve(spec.train_step, field="train_step") if spec.train_step else None
            feed = _feed(adapter, loader, spec, loss)
        if feed is not None:
            exits.callback(feed.close)
        return LoadedModel(
            model=core.model,
            device=core.device,
            flags=core.flags,
            loss=loss,
            optimizer=core.optimizer,
            train_step=train_step,
            feed=feed,
            autocast=spec.autocast,
            exits=exits.pop_all(),
            made=core.made,
        )


def autocast(adapter: FrameworkAdapter, device: str, dtype: Optional[DType]) -> AbstractContextManager[None]:
    """Returns the context in which forward and loss run; one that does nothing where none was asked."""
    return nullcontext() if dtype is None else adapter.autocast(device, dtype)


def _feed(
    adapter: FrameworkAdapter, loader: Loader, spec: Model, loss: Optional[Callable[..., Any]]
) -> Optional[BatchFeed]:
    if not spec.loader:
        return None
    return BatchFeed(
        adapter,
        loader.resolve(spec.loader, field="loader"),
        spec.loader,
        has_target=loss is not None and takes_target(loss),
    )


class _Loading:
    """The two ways to a model."""

    def __init__(
        self, adapter: FrameworkAdapter, loader: Loader, spec: Model, deterministic: bool, threads: int
    ) -> None:
        self._adapter = adapter
        self._loader = loader
        self._spec = spec
        self._deterministic = deterministic
        self._threads = threads

    def built(self) -> _Core:
        """Calls the spec's factory."""
        adapter, spec = self._adapter, self._spec
        if not spec.model:
            raise InvalidRequestError("no factory is named, and this worker serves no model", field="model")
        device = own_name(spec.device, adapter.devices())
        flags = self._configured(device)
        random.seed(spec.seed)
        np.random.seed(spec.seed % 2**32)
        kwargs = trees.unpack(spec.kwargs) if spec.kwargs != trees.ABSENT else {}
        with raising_as_failure(Phase.LOAD):
            factory = self._loader.resolve(spec.model, field="model")
        _check_arguments(factory, kwargs, spec.model)
        with adapter.making_lines() as made:
            with raising_as_failure(Phase.LOAD):
                model = factory(**kwargs)
            self._check_model(model, f"{spec.model!r} returned")
            with raising_as_failure(Phase.LOAD):
                adapter.prepare(model, device=device, dtype=spec.dtype, train=spec.train)
                if spec.weights:
                    adapter.load_weights(model, spec.weights)
                optimizer = self._optimizer(model)
        return _Core(model=model, device=device, flags=flags, optimizer=optimizer, made=made)

    def taken_over(self, served: ServedModel, exits: ExitStack) -> _Core:
        """Borrows the model of the worker's script; `exits` gives it its modes back."""
        adapter, spec, model = self._adapter, self._spec, served.model
        if spec.model or spec.weights or spec.dtype is not None:
            raise InvalidRequestError(
                "this worker serves the model of its own script; leave model, weights and dtype out",
                field="model",
            )
        self._check_model(model, "serve() was given")
        device = adapter.device_of(model)
        flags = self._configured(device)
        exits.callback(adapter.keep_modes(model))
        adapter.prepare(model, device=device, dtype=None, train=spec.train)
        with raising_as_failure(Phase.LOAD):
            optimizer = self._optimizer(model) or served.optimizer
        return _Core(model=model, device=device, flags=flags, optimizer=optimizer, made=MakingLines())

    def watched(self, served: ServedModel) -> _Core:
        """Returns the model of a script that makes its own steps, as the script has it."""
        for field in _OF_A_SCRIPT:
            if getattr(self._spec, field):
                raise InvalidRequestError(
                    "this worker watches a script, which makes its own steps; leave it out", field=field
                )
        model = served.model
        self._check_model(model, "the script calls")
        device = self._adapter.device_of(model)
        return _Core(model=model, device=device, flags=(), optimizer=served.optimizer, made=MakingLines())

    def _configured(self, device: str) -> tuple[str, ...]:
        return self._adapter.configure(
            device=device, seed=self._spec.seed, deterministic=self._deterministic, threads=self._threads
        )

    def _check_model(self, model: Any, subject: str) -> None:
        adapter = self._adapter
        if not adapter.is_model(model):
            raise InvalidRequestError(
                f"{subject} {_kind(model)}, which is no {adapter.name} model; name a function that returns "
                "the model, or its class",
                field="model",
            )
        empty = adapter.empty_weights(model)
        if empty:
            others = f" (and {len(empty) - 1} others)" if empty[1:] else ""
            raise InvalidRequestError(
                f"{subject} a model whose weight {empty[0]!r}{others} has no values yet; give it some in the "
                "factory, as a first call on an example does for lazy layers",
                field="model",
            )

    def _optimizer(self, model: Any) -> Optional[Any]:
        reference = self._spec.optimizer
        if not reference:
            return None
        optimizer = self._loader.resolve(reference, field="optimizer")(model)
        check_optimizer(self._adapter, model, optimizer, subject=f"{reference!r} returned ")
        return optimizer


def check_optimizer(adapter: FrameworkAdapter, model: Any, optimizer: Any, subject: str = "") -> None:
    """Raises InvalidRequestError for what cannot step `model`; `subject` begins the error.

    An optimizer over none of the model's weights changes nothing; where both sides have such a one, the
    weights agree after every step.
    """
    named = subject + _kind(optimizer)
    wanted = (
        f"an optimizer of {adapter.name} over this model's parameters, or a function without arguments that "
        "steps and clears"
    )
    if not adapter.is_optimizer(optimizer):
        if isinstance(optimizer, type) or not callable(optimizer):
            raise InvalidRequestError(f"{named} is not allowed; allowed: {wanted}", field="optimizer")
    elif not adapter.view_optimizer(optimizer, adapter.weights(model)).settings:
        raise InvalidRequestError(
            f"{named} steps none of this model's weights; give {wanted}", field="optimizer"
        )


def _kind(value: Any) -> str:
    """Returns what an object is in an error: "a torch.optim.sgd.SGD", "the class my_model.Net", "None"."""
    if value is None:
        return "None"
    kind = value if isinstance(value, type) else type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    name = f"{module}{kind.__qualname__}"
    article = "an" if name[0] in "aeiou" else "a"
    return f"{'the class' if kind is value else article} {name}"


def _check_arguments(factory: Callable[..., Any], kwargs: dict[str, Any], reference: str) -> None:
    """Raises InvalidRequestError for a factory that cannot be called with `kwargs`."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # some built-in ones have none
        return
    try:
        signature.bind(**kwargs)
    except TypeError as error:
        takes = ", ".join(map(str, signature.parameters.values())) or "nothing"
        raise InvalidRequestError(f"{reference!r} takes: {takes}; {error}", field="kwargs") from None
