"""State that a Paddle optimizer keeps between steps, copied and put back."""

from __future__ import annotations

import copy
from typing import Any

import paddle

from padiff_rpc.tensors import HostTensor
from padiff_worker.adapter import Restore
from padiff_worker_paddle.tensors import TENSORS

_Values = dict[str, HostTensor]


def keep_optimizer(optimizer: Any) -> Restore:
    """Copies accumulators and master weights, by their names and their parameters', and a scheduler's state.

    Not by `state_dict`, which cannot be put back where there was no state yet.
    """
    accumulators = {name: _copies(of) for name, of in optimizer._accumulators.items()}
    masters = _copies(_master_weights(optimizer))
    rate = optimizer._learning_rate
    scheduler = rate if isinstance(rate, paddle.optimizer.lr.LRScheduler) else None
    schedule = None if scheduler is None else copy.deepcopy(scheduler.state_dict())

    def restore() -> None:
        new = _put_back(_master_weights(optimizer), masters)
        for name, of in optimizer._accumulators.items():
            new += _put_back(of, accumulators.get(name, {}))
        # Otherwise the accumulators would not be made again.
        _created(optimizer).difference_update(new)
        if scheduler is not None:
            scheduler.set_state_dict(schedule)

    return restore


def _put_back(present: dict[str, Any], kept: _Values) -> list[str]:
    """Writes what was kept, drops what is new, and returns the names of that."""
    new = [name for name in present if name not in kept]
    for name in new:
        del present[name]
    for name, value in kept.items():
        TENSORS.write_weight(present[name], value)
    return new


def _copies(of: dict[str, Any]) -> _Values:
    return {name: TENSORS.host_copy(tensor) for name, tensor in of.items()}


def _master_weights(optimizer: Any) -> dict[str, Any]:
    found: dict[str, Any] = getattr(optimizer, "_master_weights", {})
    return found


def _created(optimizer: Any) -> set[str]:
    """Returns the names of the parameters whose accumulators exist, as the optimizer notes them."""
    for name in ("_already_create_accumulator", "_already_create_accumulater"):  # the latter before 3.0
        if hasattr(optimizer, name):
            found: set[str] = getattr(optimizer, name)
            return found
    return set()
