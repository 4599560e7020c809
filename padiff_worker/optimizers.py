"""Optimizers in one vocabulary, as far as no framework is needed to look into them.

docs/training.md lists the vocabulary: settings, conventions and states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Optional

import numpy as np

from padiff_rpc import trees
from padiff_rpc.errors import InvalidRequestError, NotFoundError
from padiff_rpc.records import Tree, record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import DescribeOptimizerResponse, OptimizerEntry, OptimizerGroup

# Conventions of what weight decay does.
ADDED, DECOUPLED = "added to the gradient", "taken off the parameter itself"
# The convention of how settings enter the arithmetic.
PRECISION = "precision of settings"
EXACT = {PRECISION: "that of the parameters"}

# A power of beta below it has lost digits, or all of them.
_SMALLEST_POWER = 1e-36


@record
class OptimizerView:
    """An optimizer as it is now.

    Attributes:
        class_name: qualified.
        settings: by the full name of each parameter that the optimizer steps and the model names. Values are
            None, bools, numbers and strings; `learning_rate` is that of the next step.
        conventions: how the class computes, where classes of that name differ between frameworks.
        state: how to read each entry's present value. A step count is an int64 scalar.
    """

    class_name: str
    settings: Mapping[str, Mapping[str, Any]]
    conventions: Mapping[str, str]
    state: Mapping[OptimizerEntry, Callable[[], HostTensor]]

    def described(self) -> DescribeOptimizerResponse:
        """Returns all but the values, as it travels."""
        return DescribeOptimizerResponse(
            class_name=self.class_name,
            groups=grouped(self.settings),
            conventions=trees.pack(dict(self.conventions), where="conventions"),
            state=tuple(self.state),
        )

    def read(self, entry: OptimizerEntry) -> HostTensor:
        """Returns a copy of one entry; NotFoundError where there is none."""
        if entry not in self.state:
            raise NotFoundError(f"the optimizer has no {entry.state!r} of {entry.parameter!r}")
        return self.state[entry]()


def grouped(settings: Mapping[str, Mapping[str, Any]]) -> tuple[OptimizerGroup, ...]:
    """Returns the parameters in groups of equal settings, each in order."""
    groups: dict[bytes, list[str]] = {}
    for name, values in settings.items():
        groups.setdefault(trees.pack(dict(sorted(values.items())), where=name), []).append(name)
    return tuple(
        OptimizerGroup(parameters=tuple(names), settings=Tree(packed)) for packed, names in groups.items()
    )


def qualified_name(optimizer: Any) -> str:
    """Returns the module and name of an optimizer's class."""
    return f"{type(optimizer).__module__}.{type(optimizer).__qualname__}"


def plain(value: Any) -> Any:
    """Returns a setting as a number, string, bool or None; a tensor of one element as its number."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    item = getattr(value, "item", None)
    try:
        return item() if callable(item) else str(value)
    except (TypeError, ValueError, RuntimeError):
        return str(value)


def check_shape(entry: OptimizerEntry, shape: tuple[int, ...], value: HostTensor) -> None:
    """Raises InvalidRequestError where `value` does not have the shape of the state that it is for."""
    if shape != value.spec.shape:
        raise InvalidRequestError(
            f"{entry.state} of {entry.parameter}: shape {list(value.spec.shape)} does not fit {list(shape)}"
        )


def step_count(count: float) -> HostTensor:
    """Returns a number of steps as it travels."""
    return HostTensor.from_array(np.array(round(count), np.int64))


def steps_in_power(power: float, beta: float) -> Optional[int]:
    """Returns n where `power` is beta ** n, multiplied up in float32; None where that cannot be told."""
    rounded = float(np.float32(beta))
    if not 0.0 < rounded < 1.0 or not _SMALLEST_POWER < power <= 1.0:
        return None
    return round(math.log(power) / math.log(rounded))
