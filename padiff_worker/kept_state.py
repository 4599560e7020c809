"""State that a run of a model changes, remembered so that it can be put back."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from padiff_rpc.tensors import HostTensor
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.kept_objects import KeptObjects


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
    ) -> None:
        """Remembers the present state.

        `others`: what is remembered beside the model, of which all that lies in attributes is: an optimizer,
        with its learning-rate scheduler; a loss. The bytes lie in the host's memory, whatever the model's
        device.
        """
        self._adapter = adapter
        self._model = model
        self._random = random.getstate(), np.random.get_state()
        self._restores = [adapter.keep_modes(model), adapter.keep_random()]
        weights = list(adapter.weights(model).values())
        self._objects = KeptObjects(adapter, (*adapter.reader.all_layers(model), *others))
        self._weights = [(weight, adapter.host_copy(weight)) for weight in weights]
        known = set(map(id, weights))
        self._others = [
            (tensor, adapter.host_copy(tensor)) for tensor in self._objects.tensors if id(tensor) not in known
        ]
        self._gradients = [
            (weight, adapter.host_copy(gradient))
            for weight, gradient in ((weight, adapter.gradient(weight)) for weight in weights)
            if gradient is not None
        ]

    def put_back(self) -> None:
        """Makes the state what it was. To be called once: what was remembered may be handed on."""
        adapter = self._adapter
        self._objects.put_back()
        for tensor, value in self._others:
            # One that is part of a graph is touched only where it has changed.
            if adapter.host_copy(tensor).flat_bytes() != value.flat_bytes():
                self._write(tensor, value)
        for weight, value in self._weights:
            self._write(weight, value)
        adapter.clear_gradients(self._model)
        for weight, gradient in self._gradients:
            adapter.write_gradient(weight, gradient)
        for restore in self._restores:
            restore()
        random.setstate(self._random[0])
        np.random.set_state(self._random[1])

    @property
    def tensors(self) -> list[Any]:
        """The tensors of which values are remembered, each once."""
        return [tensor for tensor, _ in (*self._weights, *self._others)]

    def _write(self, tensor: Any, value: HostTensor) -> None:
        if self._adapter.spec(tensor) == value.spec:
            self._adapter.write_weight(tensor, value)
        else:
            self._adapter.replace(tensor, value)


@contextmanager
def restored(adapter: FrameworkAdapter, model: Any, others: Iterable[Any] = ()) -> Iterator[None]:
    """Puts the state back at the end of the block, however that ends; `others` as `KeptState` takes them."""
    kept = KeptState(adapter, model, others)
    try:
        yield
    finally:
        kept.put_back()
