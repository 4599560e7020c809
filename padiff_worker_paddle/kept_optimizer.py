"""State that a Paddle optimizer keeps between steps, copied and put back."""

from __future__ import annotations

import copy
from typing import Any

import paddle

from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_worker_paddle import tensors

_Values = dict[str, HostTensor]


@record
class KeptOptimizer:
    """Accumulators by their names and their parameters', master weights, and a scheduler's state."""

    accumulators: dict[str, _Values]
    master_weights: _Values
    scheduler: Any


def keep(optimizer: Any) -> KeptOptimizer:
    """Not by `state_dict`, which cannot be put back where there was no state yet."""
    scheduler = _scheduler(optimizer)
    return KeptOptimizer(
        accumulators={name: _copies(of) for name, of in optimizer._accumulators.items()},
        master_weights=_copies(_master_weights(optimizer)),
        scheduler=None if scheduler is None else copy.deepcopy(scheduler.state_dict()),
    )


def restore(optimizer: Any, kept: KeptOptimizer) -> None:
    new = _put_back(_master_weights(optimizer), kept.master_weights)
    for name, of in optimizer._accumulators.items():
        new += _put_back(of, kept.accumulators.get(name, {}))
    # Otherwise the accumulators would not be made again.
    _created(optimizer).difference_update(new)
    scheduler = _scheduler(optimizer)
    if scheduler is not None:
        scheduler.set_state_dict(kept.scheduler)


def _put_back(present: dict[str, Any], kept: _Values) -> list[str]:
    """Writes what was kept, drops what is new, and returns the names of that."""
    new = [name for name in present if name not in kept]
    for name in new:
        del present[name]
    for name, value in kept.items():
        tensors.write(present[name], value)
    return new


def _copies(of: dict[str, Any]) -> _Values:
    return {name: tensors.host_copy(tensor) for name, tensor in of.items()}


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


def _scheduler(optimizer: Any) -> Any:
    rate = optimizer._learning_rate
    return rate if isinstance(rate, paddle.optimizer.lr.LRScheduler) else None
