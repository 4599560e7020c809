"""Paddle's optimizers in the vocabulary of `padiff_worker.optimizers`.

That the formulas are Torch's but for the conventions named here was found by running both for 20 steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, Optional

import paddle
from paddle.base.layer_helper import LayerHelper

from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import OptimizerEntry
from padiff_worker.optimizers import (
    ADDED,
    DECOUPLED,
    EXACT,
    PRECISION,
    OptimizerView,
    check_shape,
    qualified_name,
    step_count,
    steps_in_power,
)
from padiff_worker_paddle import tensors
from padiff_worker_paddle.optimizer_settings import Group, settings_of

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


_POWERS = (
    _Power(accumulator="beta1_pow_acc", beta="beta1"),
    _Power(accumulator="beta2_pow_acc", beta="beta2"),
)
_PLAIN_POWERS = (_Power(accumulator="beta2_pow", beta="beta2", ahead=0),)


@record
class _Kind:
    """What is known of a class.

    Attributes:
        algorithm: the word that both frameworks have for it.
        states: the common word for each accumulator that means something outside Paddle.
        needed: states that are used only where the setting of that name is not 0 or False.
        conventions: where Torch's class of that algorithm computes otherwise.
        powers: what tells the number of steps, best first.
        is_whole: whether `states` and `powers` are all that there is, so that they can be written.
        is_exact: whether its settings step float64 parameters as float64; most are rounded to float32.
    """

    algorithm: str
    states: Mapping[str, str]
    needed: Mapping[str, str] = field(default_factory=dict)
    conventions: Mapping[str, str] = field(default_factory=dict)
    powers: tuple[_Power, ...] = ()
    is_whole: bool = True
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
# Older Paddles lack them.
for _name, _states, _powers in (
    ("NAdam", _ADAM_STATES, _PLAIN_POWERS),
    ("RAdam", _ADAM_STATES, _PLAIN_POWERS),
    ("Rprop", {"prevs": "last_gradient", "learning_rates": "step_size"}, ()),
):
    if hasattr(paddle.optimizer, _name):
        _KINDS[getattr(paddle.optimizer, _name)] = _Kind(
            algorithm=_name.lower(), states=_states, powers=_powers, is_whole=False
        )


def view(optimizer: Any, weights: Mapping[str, Any]) -> OptimizerView:
    """See `FrameworkAdapter.view_optimizer`."""
    kind = _kind(optimizer)
    settings = {
        name: settings_of(optimizer, parameter, group)
        for name, parameter, group in _parameters(optimizer, weights)
    }
    state = {}
    for name, parameter, _ in _parameters(optimizer, weights):
        for word, read in _readers(optimizer, kind, parameter, settings[name]):
            state[OptimizerEntry(parameter=name, state=word)] = read
    parameters = [parameter for _, parameter, _ in _parameters(optimizer, weights)]
    return OptimizerView(
        class_name=qualified_name(optimizer),
        settings=settings,
        conventions={} if kind is None else _conventions(kind, parameters),
        state=state,
    )


def write_state(optimizer: Any, weights: Mapping[str, Any], entry: OptimizerEntry, value: HostTensor) -> bool:
    """See `FrameworkAdapter.write_optimizer_state`."""
    kind = _kind(optimizer)
    found = (one for one in _parameters(optimizer, weights) if one[0] == entry.parameter)
    _, parameter, group = next(found, ("", None, {}))
    if kind is None or not kind.is_whole or parameter is None:
        return False
    _make_state(optimizer, parameter, group)
    if entry.state == "step":
        return _write_steps(optimizer, kind, parameter, group, int(value.array))
    for key, held in _accumulators(optimizer, parameter).items():
        if kind.states.get(key) == entry.state:
            check_shape(entry, tuple(held.shape), value)
            tensors.write(held, value)
            return True
    return False


def _conventions(kind: _Kind, parameters: Sequence[Any]) -> dict[str, str]:
    rounds = not kind.is_exact and any(one.dtype == paddle.float64 for one in parameters)
    return {
        "algorithm": kind.algorithm,
        "weight_decay": ADDED,
        **kind.conventions,
        **({PRECISION: "rounded to float32"} if rounds else EXACT),
    }


def _kind(optimizer: Any) -> Optional[_Kind]:
    return next((_KINDS[base] for base in type(optimizer).__mro__ if base in _KINDS), None)


def _parameters(optimizer: Any, weights: Mapping[str, Any]) -> Iterator[tuple[str, Any, Group]]:
    """Yields name, parameter and the user's group (empty where there are none)."""
    names = {id(weight): name for name, weight in weights.items()}
    for one in optimizer._param_groups:
        group = one if isinstance(one, dict) else {}
        for parameter in one["params"] if isinstance(one, dict) else (one,):
            if id(parameter) in names:
                yield names[id(parameter)], parameter, group


def _accumulators(optimizer: Any, parameter: Any) -> dict[str, Any]:
    """Returns what the optimizer keeps of a parameter, by Paddle's names."""
    # In half precision, accumulators go by the name of the float32 master copy.
    master = getattr(optimizer, "_master_weights", {}).get(parameter.name)
    name = parameter.name if master is None else master.name
    prefix = "" if optimizer._name is None else f"{optimizer._name}_"
    return {key[len(prefix) :]: held[name] for key, held in optimizer._accumulators.items() if name in held}


def _readers(
    optimizer: Any, kind: Optional[_Kind], parameter: Any, settings: Mapping[str, Any]
) -> Iterator[tuple[str, Callable[[], HostTensor]]]:
    held = _accumulators(optimizer, parameter)
    for key, accumulator in held.items():
        word = key if kind is None else kind.states.get(key)
        if word is None or accumulator.shape != parameter.shape:
            continue
        if kind is None or word not in kind.needed or settings.get(kind.needed[word]):
            yield word, lambda accumulator=accumulator: tensors.host_copy(accumulator)  # type: ignore[misc]
    steps = _steps(kind, held, settings)
    if steps is not None:
        yield "step", lambda: step_count(steps)


def _steps(kind: Optional[_Kind], held: Mapping[str, Any], settings: Mapping[str, Any]) -> Optional[int]:
    for power in () if kind is None else kind.powers:
        if power.accumulator in held:
            value = float(held[power.accumulator].reshape([-1])[0].item())
            steps = steps_in_power(value, settings[power.beta])
            if steps is not None:
                return steps - power.ahead
    return None


def _write_steps(optimizer: Any, kind: _Kind, parameter: Any, group: Group, steps: int) -> bool:
    settings, held = settings_of(optimizer, parameter, group), _accumulators(optimizer, parameter)
    written = False
    for power in kind.powers:
        if power.accumulator in held:
            accumulator = held[power.accumulator]
            value = float(settings[power.beta]) ** (steps + power.ahead)
            with paddle.no_grad():
                accumulator.set_value(paddle.full(accumulator.shape, value, accumulator.dtype))
            written = True
    return written


def _make_state(optimizer: Any, parameter: Any, group: Group) -> None:
    """Makes the state that the first step would make, where there is none."""
    if not _accumulators(optimizer, parameter):
        if optimizer.helper is None:
            # Before 3.0 only a step makes it.
            optimizer.helper = LayerHelper(type(optimizer).__name__)
        block = paddle.static.default_main_program().global_block()
        optimizer._create_accumulators(block, {**group, "params": [parameter]} if group else [parameter])
