"""State that a run of a model changes, remembered so that it can be put back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

import numpy as np

from padiff_worker.adapter import FrameworkAdapter


class KeptState:
    """A model's state at one moment: weights, buffers, gradients, modes, and every random generator's.

    What the model keeps in plain Python attributes is not part of it. Used on the model's thread.
    """

    def __init__(self, adapter: FrameworkAdapter, model: Any, optimizer: Optional[Any] = None) -> None:
        """Remembers the present state. `optimizer`: the framework's own, whose state is remembered too.

        The bytes lie in the host's memory, whatever the model's device.
        """
        self._adapter = adapter
        self._model = model
        self._random = random.getstate(), np.random.get_state()
        self._restores = [adapter.keep_modes(model), adapter.keep_random()]
        if optimizer is not None:
            self._restores.append(adapter.keep_optimizer(optimizer))
        weights = adapter.weights(model).values()
        self._weights = [(weight, adapter.host_copy(weight)) for weight in weights]
        self._gradients = [
            (weight, adapter.host_copy(gradient))
            for weight, gradient in ((weight, adapter.gradient(weight)) for weight in weights)
            if gradient is not None
        ]

    def put_back(self) -> None:
        """Makes the state what it was. To be called once: what was remembered may be handed on."""
        adapter = self._adapter
        for weight, value in self._weights:
            adapter.write_weight(weight, value)
        adapter.clear_gradients(self._model)
        for weight, gradient in self._gradients:
            adapter.write_gradient(weight, gradient)
        for restore in self._restores:
            restore()
        random.setstate(self._random[0])
        np.random.set_state(self._random[1])


@contextmanager
def restored(adapter: FrameworkAdapter, model: Any) -> Iterator[None]:
    """Puts the model's state back at the end of the block, however that ends."""
    kept = KeptState(adapter, model)
    try:
        yield
    finally:
        kept.put_back()
