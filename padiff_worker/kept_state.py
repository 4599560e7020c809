"""State that a run of a model changes, remembered so that it can be put back."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Optional

import numpy as np

from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import WeightKind
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.kept_objects import KeptObjects
from padiff_worker.layer_tree import full_name
from padiff_worker.spared_parameters import SparedParameters


class KeptState:
    """A model's state at one moment: weights, gradients, modes, attributes, and every random generator's.

    Buffers are among the weights; of attributes `KeptObjects` says what belongs to them. Used on the model's
    thread.
    """

    def __init__(
        self,
        adapter: FrameworkAdapter,
        model: Any,
        others: Iterable[Any] = (),
        spared: Optional[SparedParameters] = None,
    ) -> None:
        """Remembers the present state, but for the values of `spared` parameters, which have to stay.

        `others`: what is remembered beside the model, of which all that lies in attributes is: an optimizer,
        with its learning-rate scheduler; a loss. The bytes lie in the host's memory, whatever the model's
        device.
        """
        self._adapter = adapter
        self._model = model
        self._spared = spared
        self._random = random.getstate(), np.random.get_state()
        self._restores = [adapter.keep_modes(model), adapter.keep_random()]
        self._named = adapter.weights(model)
        self._objects = KeptObjects(adapter, (*adapter.reader.all_layers(model), *others))
        self._weights = {
            name: (weight, adapter.host_copy(weight))
            for name, weight in self._named.items()
            if spared is None or name not in spared
        }
        known = set(map(id, self._named.values()))
        self._others = [
            (tensor, adapter.host_copy(tensor)) for tensor in self._objects.tensors if id(tensor) not in known
        ]
        self._gradients = [
            (weight, adapter.host_copy(gradient))
            for weight in self._named.values()
            if (gradient := adapter.gradient(weight)) is not None
        ]

    @property
    def tensors(self) -> list[Any]:
        """The tensors of the state, each once; those of spared parameters too."""
        return [*self._named.values(), *(tensor for tensor, _ in self._others)]

    @property
    def byte_count(self) -> int:
        """How much memory holds the values of tensors."""
        values = (*self._weights.values(), *self._others, *self._gradients)
        return sum(value.byte_count for _, value in values)

    @property
    def spared(self) -> Optional[SparedParameters]:
        """The parameters whose values are not remembered; None where all are."""
        return self._spared

    def lost(self) -> tuple[str, ...]:
        """Returns the full names of spared parameters that have changed, and cannot be put back."""
        return self._spared.changed() if self._spared is not None else ()

    def changed(self) -> tuple[str, ...]:
        """Returns the full names of the weights that are not as they are remembered."""
        holds = self._adapter.holds
        return tuple(name for name, (weight, value) in self._weights.items() if not holds(weight, value))

    def remember(self, name: str) -> None:
        """Remembers the value that a weight has now too, since it is about to be written."""
        if self._spared is not None and name in self._spared:
            weight = self._named[name]
            self._weights[name] = weight, self._adapter.host_copy(weight)
            self._spared.leave(name)

    def put_back(self) -> None:
        """Makes the state what it was, lost parameters apart.

        To be called once: what was remembered may be handed on.
        """
        adapter = self._adapter
        self._objects.put_back()
        # One that is part of a graph is touched only where it has changed.
        for tensor, value in (*self._others, *self._weights.values()):
            if not adapter.holds(tensor, value):
                self._write(tensor, value)
        adapter.clear_gradients(self._model)
        for weight, gradient in self._gradients:
            adapter.write_gradient(weight, gradient)
        for restore in self._restores:
            restore()
        random.setstate(self._random[0])
        np.random.set_state(self._random[1])

    def _write(self, tensor: Any, value: HostTensor) -> None:
        if self._adapter.spec(tensor) == value.spec:
            self._adapter.write_weight(tensor, value)
        else:
            self._adapter.replace(tensor, value)


@contextmanager
def restored(
    adapter: FrameworkAdapter,
    model: Any,
    others: Iterable[Any] = (),
    spared: Optional[SparedParameters] = None,
) -> Iterator[KeptState]:
    """Puts the state back at the end of the block, however that ends; arguments as `KeptState` takes them."""
    kept = KeptState(adapter, model, others, spared)
    try:
        yield kept
    finally:
        kept.put_back()


def parameters(adapter: FrameworkAdapter, model: Any) -> dict[str, Any]:
    """Returns the parameters by full name, without buffers; tied ones once."""
    weights = adapter.weights(model)
    names = (
        full_name(handle.paths[0], weight.name)
        for handle in adapter.layers(model)
        for weight in handle.weights
        if weight.kind is WeightKind.PARAMETER and not weight.tied_to
    )
    return {name: weights[name] for name in names if name in weights}
