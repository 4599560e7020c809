"""Optimizers in one vocabulary, as far as no framework is needed to look into them.

docs/training.md lists the vocabulary: settings, conventions and states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Optional

import numpy as np

from padiff_rpc import trees
from padiff_rpc.errors import InvalidRequestError, NotFoundError
from padiff_rpc.records import Tree, record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import DescribeOptimizerResponse, OptimizerEntry, OptimizerGroup
from padiff_worker.tensor_verbs import TensorVerbs

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
        writers: how to write those that can be written, whether or not their present value means something.
    """

    class_name: str
    settings: Mapping[str, Mapping[str, Any]]
    conventions: Mapping[str, str]
    state: Mapping[OptimizerEntry, Callable[[], HostTensor]]
    writers: Mapping[OptimizerEntry, Callable[[HostTensor], None]]

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

    def write(self, entry: OptimizerEntry, value: HostTensor) -> bool:
        """Copies `value` into one entry; False where there is none to write to.

        Raises InvalidRequestError where shapes differ.
        """
        if entry not in self.writers:
            return False
        try:
            self.writers[entry](value)
        except InvalidRequestError as error:
            raise InvalidRequestError(f"{entry.state} of {entry.parameter}: {error}") from None
        return True


@record
class OptimizerState:
    """One state of one parameter, by its common word.

    `read` is None where the present value means nothing, `write` where it cannot be written.
    """

    word: str
    read: Optional[Callable[[], HostTensor]] = None
    write: Optional[Callable[[HostTensor], None]] = None


# A group of parameters as the user gave it; `params` among its keys.
Group = Mapping[str, Any]


@record
class OptimizerReader:
    """How to look into one framework's optimizers.

    Attributes:
        classes: what can be given as an optimizer.
        kinds: what the framework's folder knows of a class and of those derived from it.
        groups: an optimizer's groups of parameters.
        settings: (optimizer, parameter, group) -> the settings that it is stepped with, as they are now.
        conventions: (optimizer, its kind, the parameters) -> how it computes.
        states: (optimizer, its kind or None, parameter, settings) -> what it keeps of a parameter.
        make_state: (optimizer, its kind or None, parameter, group); makes the state that the first step
            would make, where there is none.
        stepping: the optimizer that a given object stands for, as a scheduler does.
        schedulers: other classes of what sets learning rates from step to step.
    """

    classes: tuple[type, ...]
    kinds: Mapping[type, Any]
    groups: Callable[[Any], Iterable[Group]]
    settings: Callable[[Any, Any, Group], dict[str, Any]]
    conventions: Callable[[Any, Any, Sequence[Any]], Mapping[str, str]]
    states: Callable[[Any, Any, Any, Mapping[str, Any]], Iterable[OptimizerState]]
    make_state: Callable[[Any, Any, Any, Group], None]
    stepping: Callable[[Any], Any] = lambda optimizer: optimizer
    schedulers: tuple[type, ...] = ()

    def view(self, optimizer: Any, weights: Mapping[str, Any], *, make_state: bool = False) -> OptimizerView:
        """Returns an optimizer as it is now; with `make_state`, after all of `weights` have their state."""
        stepping = self.stepping(optimizer)
        kind = next((self.kinds[base] for base in type(stepping).__mro__ if base in self.kinds), None)
        names = {id(weight): name for name, weight in weights.items()}
        stepped = [
            (names[id(parameter)], parameter, group)
            for group in self.groups(stepping)
            for parameter in group["params"]
            if id(parameter) in names
        ]
        if make_state:
            for _, parameter, group in stepped:
                self.make_state(stepping, kind, parameter, group)
        settings = {name: self.settings(stepping, parameter, group) for name, parameter, group in stepped}
        states = [
            (OptimizerEntry(parameter=name, state=one.word), one)
            for name, parameter, _ in stepped
            for one in self.states(stepping, kind, parameter, settings[name])
        ]
        parameters = [parameter for _, parameter, _ in stepped]
        return OptimizerView(
            class_name=qualified_name(stepping),
            settings=settings,
            conventions={} if kind is None else self.conventions(stepping, kind, parameters),
            state={entry: one.read for entry, one in states if one.read is not None},
            writers={entry: one.write for entry, one in states if one.write is not None},
        )


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


def tensor_state(
    tensors: TensorVerbs, word: str, held: Any, *, is_read: bool = True, is_written: bool = True
) -> OptimizerState:
    """Returns a state that the optimizer holds in the tensor `held`."""
    return OptimizerState(
        word=word,
        read=(lambda: tensors.host_copy(held)) if is_read else None,
        write=(lambda value: tensors.write_weight(held, value)) if is_written else None,
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


def warmed_momentum(steps: int, settings: Mapping[str, Any]) -> float:
    """Returns the product of NAdam's momenta, b (1 - 0.96^(i d) / 2), over so many steps i."""
    beta, decay = float(settings["beta1"]), float(settings["momentum_decay"])
    warmed = (beta * (1.0 - 0.5 * 0.96 ** (step * decay)) for step in range(1, steps + 1))
    return float(math.prod(warmed))
