"""State of a model that is recorded: weights, buffers and optimizer, where they have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence

from padiff_compare.capture.recorded import Recorded, RecordedState, RecordedWeight
from padiff_compare.capture.source import Source
from padiff_compare.weights.weight_pair import full_name
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Layer
from padiff_rpc.v1.words import Phase, WeightKind


class StateRecorder:
    """Tells what a model's state has come to; of tensors those that are not as they were told last."""

    def __init__(
        self, source: Source, layers: Sequence[Layer], tell: Callable[[Recorded], None], *, optimizes: bool
    ) -> None:
        """`optimizes`: the steps have an optimizer whose state is part of it."""
        self._source = source
        self._tell = tell
        self._optimizes = optimizes
        self._told: dict[Hashable, bytes] = {}
        self._names = {
            kind: tuple(
                full_name(layer.path, weight.name)
                for layer in layers
                for weight in layer.weights
                if weight.kind is kind and not weight.tied_to
            )
            for kind in (WeightKind.PARAMETER, WeightKind.BUFFER)
        }

    def record(self, phase: Phase, *, optimized: bool = True) -> None:
        """Tells the state as it is now; without an optimizer's step before, parameters are as they were."""
        names = self._names[WeightKind.BUFFER]
        if optimized:
            names = (*self._names[WeightKind.PARAMETER], *names)
        for name, tensor in zip(names, self._source.weights.read(names, phase)):
            if self._has_changed(name, tensor):
                self._tell(RecordedWeight(name=name, tensor=tensor))
        if self._optimizes and optimized:
            described = self._source.optimizer.describe()
            self._tell(described)
            values = self._source.optimizer.read(described.state, Phase.OPTIMIZER)
            for entry, tensor in zip(described.state, values):
                if self._has_changed(entry, tensor):
                    self._tell(RecordedState(entry=entry, tensor=tensor))

    def _has_changed(self, name: Hashable, tensor: HostTensor) -> bool:
        digest = hashlib.blake2b(repr(tensor.spec).encode())
        digest.update(tensor.flat_bytes())
        is_new = self._told.get(name) != digest.digest()
        self._told[name] = digest.digest()
        return is_new
