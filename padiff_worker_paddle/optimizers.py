"""Paddle's optimizers in the vocabulary of `padiff_worker.optimizers`.

That the formulas are Torch's but for the conventions named here was found by running both for 20 steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, Optional

import paddle
from paddle.base.layer_helper import LayerHelper

from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_worker.optimizers import (
    ADDED,
    DECOUPLED,
    EXACT,
    PRECISION,
    Group,
    OptimizerReader,
    OptimizerState,
    step_count,
    steps_in_power,
    tensor_state,
    warmed_momentum,
)
from padiff_worker_paddle.optimizer_settings import settings_of
from padiff_worker_paddle.tensors import TENSORS

_ADAM_STATES = {
    "moment1": "first_moment",
    "moment2": "second_moment",
    "moment2_max": "largest_second_moment",
}


@record
class _Power:
    """An accumulator that holds beta ** (steps + ahead), which is how Paddle counts steps."""

    accumulator: str
    beta: str
    ahead: int = 1

    def behind(self, steps: int, settings: Mapping[str, Any]) -> float:
        """Returns what it holds behind so many steps."""
        return float(settings[self.beta]) ** (steps + self.ahead)


_POWERS = (
    _Power(accumulator="beta1_pow_acc", beta="beta1"),
    _Power(accumulator="beta2_pow_acc", beta="beta2"),
)
_PLAIN_POWERS = (
    _Power(accumulator="beta1_pow", beta="beta1", ahead=0),
    _Power(accumulator="beta2_pow", beta="beta2", ahead=0),
)


def _mean_length(steps: int, settings: Mapping[str, Any]) -> float:
    """Returns t b^t / (1 - b^t), of which RAdam makes its averages' length."""
    power = float(settings["beta2"]) ** steps
    return steps * power / (1.0 - power) if steps else 1.0


# Numbers that follow from how many steps were made, and from which that is not told.
_COUNTED: Mapping[str, Callable[[int, Mapping[str, Any]], float]] = {
    "momentum_decay_pow": lambda steps, settings: 0.96**steps,
    "mu_product": warmed_momentum,
    "rho": _mean_length,
}


@record
class _Kind:
    """What is known of a class.

    Attributes:
        algorithm: the word that both frameworks have for it.
        states: the common word for each accumulator that means something outside Paddle.
        needed: states that are used only where the setting of that name is not 0 or False.
        conventions: where Torch's class of that algorithm computes otherwise.
        powers: what tells the number of steps, best first.
        is_exact: whether its settings step float64 parameters as float64; most are rounded to float32.
    """

    algorithm: str
    states: Mapping[str, str]
    needed: Mapping[str, str] = field(default_factory=dict)
    conventions: Mapping[str, str] = field(default_factory=dict)
    powers: tuple[_Power, ...] = ()
    is_exact: bool = False


_ADAM = _Kind(algorithm="adam", states=_ADAM_STATES, powers=_POWERS, is_exact=True)
_KINDS: dict[type, _Kind] = {
    paddle.optimizer.SGD: _Kind(algorithm="sgd", states={}, is_exact=True),
    paddle.optimizer.Momentum: _Kind(
        algorithm="sgd", states={"velocity": "momentum"}, needed={"momentum": "momentum"}
    ),
    paddle.optimizer.Adam: _ADAM,
    paddle.optimizer.AdamW: _Kind(
        algorithm="adam", states=_ADAM_STATES, powers=_POWERS, conventions={"weight_decay": DECOUPLED}
    ),
    paddle.optimizer.RMSProp: _Kind(
        algorithm="rmsprop",
        states={
            "mean_square": "mean_square",
            "mean_grad": "mean_gradient",
            "momentum": "momentum_times_learning_rate",
        },
        needed={"mean_gradient": "centered", "momentum_times_learning_rate": "momentum"},
        conventions={
            "epsilon": "added under the root",
            "momentum": "of steps, with the learning rate of their time",
        },
    ),
    paddle.optimizer.Adagrad: _Kind(algorithm="adagrad", states={"moment": "sum_of_squares"}),
    paddle.optimizer.Adadelta: _Kind(
        algorithm="adadelta",
        states={"_avg_squared_grad": "mean_square", "_avg_squared_update": "mean_square_update"},
    ),
    paddle.optimizer.Lamb: _Kind(
        algorithm="lamb",
        states=_ADAM_STATES,
        powers=_POWERS,
        conventions={"weight_decay": "added to the step, before its length is set"},
    ),
    paddle.optimizer.Adamax: _Kind(
        algorithm="adamax",
        states={"moment": "first_moment", "inf_norm": "infinity_norm"},
        powers=_POWERS[:1],
        conventions={"epsilon": "added to the norm as it decays"},
    ),
}
if hasattr(paddle.optimizer, "ASGD"):
    # Torch's is another algorithm, and what this one keeps has no counterpart.
    _KINDS[paddle.optimizer.ASGD] = _Kind(algorithm="averaged gradients", states={})
# Older Paddles lack them.
for _name, _words, _powers in (
    ("NAdam", _ADAM_STATES, _PLAIN_POWERS),
    ("RAdam", _ADAM_STATES, _PLAIN_POWERS),
    ("Rprop", {"prevs": "last_gradient", "learning_rates": "step_size"}, ()),
):
    if hasattr(paddle.optimizer, _name):
        _KINDS[getattr(paddle.optimizer, _name)] = _Kind(
            algorithm=_name.lower(), states=_words, powers=_powers
        )


def _conventions(optimizer: Any, kind: _Kind, parameters: Sequence[Any]) -> dict[str, str]:
    rounds = not kind.is_exact and any(one.dtype == paddle.float64 for one in parameters)
    return {
        "algorithm": kind.algorithm,
        "weight_decay": ADDED,
        **kind.conventions,
        **({PRECISION: "rounded to float32"} if rounds else EXACT),
    }


def _groups(optimizer: Any) -> Iterator[Group]:
    return (one if isinstance(one, dict) else {"params": (one,)} for one in optimizer._param_groups or ())


def _accumulators(optimizer: Any, parameter: Any) -> dict[str, Any]:
    """Returns what the optimizer keeps of a parameter, by Paddle's names."""
    # In half precision, accumulators go by the name of the float32 master copy.
    master = getattr(optimizer, "_master_weights", {}).get(parameter.name)
    name = parameter.name if master is None else master.name
    prefix = "" if optimizer._name is None else f"{optimizer._name}_"
    return {key[len(prefix) :]: held[name] for key, held in optimizer._accumulators.items() if name in held}


def _states(
    optimizer: Any, kind: Optional[_Kind], parameter: Any, settings: Mapping[str, Any]
) -> Iterator[OptimizerState]:
    held = _accumulators(optimizer, parameter)
    for key, accumulator in held.items():
        word = key if kind is None else kind.states.get(key)
        if word is not None and accumulator.shape == parameter.shape:
            is_used = kind is None or word not in kind.needed or bool(settings.get(kind.needed[word]))
            yield tensor_state(TENSORS, word, accumulator, is_read=is_used, is_written=kind is not None)
    powers = [] if kind is None else [one for one in kind.powers if one.accumulator in held]
    if kind is not None and powers:
        yield _step_count(kind, powers, held, settings)


def _step_count(
    kind: _Kind, powers: Sequence[_Power], held: Mapping[str, Any], settings: Mapping[str, Any]
) -> OptimizerState:
    steps = _steps(powers, held, settings)

    def write(value: HostTensor) -> None:
        counted: dict[str, Callable[[int, Mapping[str, Any]], float]]
        counted = {power.accumulator: power.behind for power in powers}
        counted.update((name, behind) for name, behind in _COUNTED.items() if name in held)
        for name, behind in counted.items():
            accumulator, number = held[name], behind(int(value.array), settings)
            with paddle.no_grad():
                accumulator.set_value(paddle.full(accumulator.shape, number, accumulator.dtype))

    return OptimizerState(
        word="step",
        read=None if steps is None else lambda: step_count(steps),
        write=write,
    )


def _steps(powers: Iterable[_Power], held: Mapping[str, Any], settings: Mapping[str, Any]) -> Optional[int]:
    for power in powers:
        value = float(held[power.accumulator].reshape([-1])[0].item())
        steps = steps_in_power(value, settings[power.beta])
        if steps is not None:
            return steps - power.ahead
    return None


def _make_state(optimizer: Any, kind: Optional[_Kind], parameter: Any, group: Group) -> None:
    if kind is None or _accumulators(optimizer, parameter):
        return
    if optimizer.helper is None:
        # Before 3.0 only a step makes it.
        optimizer.helper = LayerHelper(type(optimizer).__name__)
    block = paddle.static.default_main_program().global_block()
    # A group without settings stands for a parameter that lies in none.
    only = [parameter] if group.keys() == {"params"} else {**group, "params": [parameter]}
    optimizer._create_accumulators(block, only)


READER = OptimizerReader(
    classes=(paddle.optimizer.Optimizer,),
    schedulers=(paddle.optimizer.lr.LRScheduler,),
    kinds=_KINDS,
    groups=_groups,
    settings=settings_of,
    conventions=_conventions,
    states=_states,
    make_state=_make_state,
)
