"""Steps by one formula are what the other formula makes of them; steps by neither are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from padiff_compare.layout_rules import IDENTITY
from padiff_compare.weights.step_conventions import FORMULAS, StepConventions
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair
from padiff_rpc import trees
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import (
    DescribeOptimizerResponse,
    OptimizerGroup,
    TensorSpec,
    Weight,
    WeightNoise,
)
from padiff_rpc.v1.words import Cause, DType, Side, WeightKind

State = dict[str, np.ndarray]
Step = Callable[[np.ndarray, State, np.ndarray, Mapping[str, Any]], tuple[np.ndarray, State]]

SHAPE = (40,)
SETTINGS = {
    "learning_rate": 0.01,
    "epsilon": 1e-3,
    "decay": 0.9,
    "momentum": 0.5,
    "beta1": 0.8,
    "beta2": 0.95,
}
# Gradients of all sizes, those that epsilon drowns among them.
SIZES = 10.0 ** np.random.default_rng(1).uniform(-7, 0, SHAPE)


def _squares(state: State, gradient: np.ndarray, given: Mapping[str, Any]) -> tuple[State, np.ndarray]:
    decay = given["decay"]
    square = decay * state.get("mean_square", 0.0) + (1 - decay) * gradient**2
    mean = decay * state.get("mean_gradient", 0.0) + (1 - decay) * gradient
    return {"mean_square": square, "mean_gradient": mean}, square - mean**2


def rmsprop_first(weight: np.ndarray, state: State, gradient: np.ndarray, given: Mapping[str, Any]) -> Any:
    kept, variance = _squares(state, gradient, given)
    step = gradient / (np.sqrt(variance) + given["epsilon"])
    summed = given["momentum"] * state.get("momentum", 0.0) + step
    return weight - given["learning_rate"] * summed, {**kept, "momentum": summed}


def rmsprop_second(weight: np.ndarray, state: State, gradient: np.ndarray, given: Mapping[str, Any]) -> Any:
    kept, variance = _squares(state, gradient, given)
    step = given["learning_rate"] * gradient / np.sqrt(variance + given["epsilon"])
    summed = given["momentum"] * state.get("momentum_times_learning_rate", 0.0) + step
    return weight - summed, {**kept, "momentum_times_learning_rate": summed}


def _adamax(
    norm: Callable[[np.ndarray, np.ndarray, float], np.ndarray],
) -> Step:
    def step(weight: np.ndarray, state: State, gradient: np.ndarray, given: Mapping[str, Any]) -> Any:
        first = given["beta1"] * state.get("first_moment", 0.0) + (1 - given["beta1"]) * gradient
        decayed = given["beta2"] * state.get("infinity_norm", np.zeros(SHAPE))
        largest = norm(decayed, np.abs(gradient), given["epsilon"])
        return weight - given["learning_rate"] * first / largest, {
            "first_moment": first,
            "infinity_norm": largest,
        }

    return step


STEPS: Mapping[str, tuple[Step, Step]] = {
    "rmsprop": (rmsprop_first, rmsprop_second),
    "adamax": (
        _adamax(lambda decayed, size, epsilon: np.maximum(decayed, size + epsilon)),
        _adamax(lambda decayed, size, epsilon: np.maximum(decayed + epsilon, size)),
    ),
}


def owned(name: str) -> OwnedWeight:
    spec = TensorSpec(dtype=DType.FLOAT64, shape=SHAPE)
    return OwnedWeight(path="fc", weight=Weight(name=name, kind=WeightKind.PARAMETER, spec=spec))


PAIR = WeightPair(
    references=(owned("weight"),), candidate=owned("weight"), kind=WeightKind.PARAMETER, rule=IDENTITY
)


def described(algorithm: str, number: int, rate: float) -> DescribeOptimizerResponse:
    conventions = {word: two[number] for word, two in FORMULAS[algorithm].conventions.items()}
    settings = trees.pack({**SETTINGS, "learning_rate": rate}, where="settings")
    return DescribeOptimizerResponse(
        class_name="Optimizer",
        groups=(OptimizerGroup(parameters=("fc.weight",), settings=settings),),
        conventions=trees.pack({"algorithm": algorithm, **conventions}, where="conventions"),
        state=(),
    )


def tensor(values: np.ndarray, dtype: type = np.float64) -> HostTensor:
    return HostTensor.from_array(values.astype(dtype))


def apart(one: HostTensor, other: HostTensor) -> float:
    return float(np.abs(one.array.astype(float) / other.array.astype(float) - 1).max())


def worst_of_five_steps(
    algorithm: str, first: Side, candidate: Mapping[str, float], dtype: type = np.float64
) -> dict[str, float]:
    """Returns how far (relative, of any element) weights and states are apart once they are converted."""
    conventions = StepConventions()
    numbers = {Side.REFERENCE: 0 if first is Side.REFERENCE else 1}
    numbers[Side.CANDIDATE] = 1 - numbers[Side.REFERENCE]
    random = np.random.default_rng(0)
    weight, state, worst = random.normal(size=SHAPE), {}, dict[str, float]()
    for index in range(5):
        rate = SETTINGS["learning_rate"] * 0.5**index
        conventions.begin({side: described(algorithm, number, rate) for side, number in numbers.items()})
        given = {
            conventions.word(word): conventions.given(PAIR, word, tensor(value)).array
            for word, value in state.items()
        }
        conventions.given_weight(PAIR, tensor(weight))
        gradient = random.normal(size=SHAPE) * SIZES
        settings = {**SETTINGS, "learning_rate": rate}
        ours, kept = STEPS[algorithm][numbers[Side.REFERENCE]](weight, state, gradient, settings)
        theirs, its = STEPS[algorithm][numbers[Side.CANDIDATE]](
            weight, given, gradient, {**settings, **candidate}
        )
        after = kept if conventions.side is Side.REFERENCE else its
        read = {word: tensor(value, dtype) for word, value in after.items() if word in conventions.reads}
        conventions.stepped(PAIR, read)
        for word, value in kept.items():
            values = {
                Side.REFERENCE: tensor(value, dtype),
                Side.CANDIDATE: tensor(its[conventions.word(word)], dtype),
            }
            both, _ = conventions.state(PAIR, word, values, in_lockstep=True)
            worst[word] = max(worst.get(word, 0.0), apart(both[Side.REFERENCE], both[Side.CANDIDATE]))
        both, why = conventions.weight(
            PAIR, {Side.REFERENCE: tensor(ours, dtype), Side.CANDIDATE: tensor(theirs, dtype)}
        )
        assert [one.cause for one in why] == [Cause.STEP_CONVENTION]
        assert set(why[0].names) == set(FORMULAS[algorithm].conventions)
        worst["weight"] = max(worst.get("weight", 0.0), apart(both[Side.REFERENCE], both[Side.CANDIDATE]))
        weight, state = ours, kept
    return worst


@pytest.mark.parametrize("first", list(Side))
@pytest.mark.parametrize("algorithm", list(STEPS))
def test_what_one_formula_makes_the_other_tells_exactly_step_after_step(algorithm: str, first: Side) -> None:
    assert max(worst_of_five_steps(algorithm, first, {}).values()) < 1e-8
    in_float32 = worst_of_five_steps(algorithm, first, {}, np.float32)
    assert in_float32["weight"] < 16 * 2.0**-23


@pytest.mark.parametrize("first", list(Side))
@pytest.mark.parametrize(
    ("algorithm", "setting", "value", "shown"),
    [
        ("rmsprop", "epsilon", 1.01e-3, "weight"),
        ("rmsprop", "momentum", 0.501, "weight"),
        ("rmsprop", "decay", 0.901, "mean_square"),
        ("rmsprop", "learning_rate", 1.01e-2, "weight"),
        ("adamax", "epsilon", 1.01e-3, "infinity_norm"),
        ("adamax", "beta2", 0.951, "infinity_norm"),
        ("adamax", "beta1", 0.801, "first_moment"),
        ("adamax", "learning_rate", 1.01e-2, "weight"),
    ],
)
def test_a_step_off_both_formulas_stays_off(
    algorithm: str, first: Side, setting: str, value: float, shown: str
) -> None:
    assert worst_of_five_steps(algorithm, first, {setting: value})[shown] > 1e-6


def test_nothing_is_converted_of_one_formula_nor_of_two_algorithms() -> None:
    for ours, theirs in ((("rmsprop", 0), ("rmsprop", 0)), (("rmsprop", 0), ("adamax", 1))):
        conventions = StepConventions()
        conventions.begin(
            {Side.REFERENCE: described(*ours, rate=0.1), Side.CANDIDATE: described(*theirs, rate=0.1)}
        )
        assert not conventions.reads
        value = {side: tensor(np.ones(SHAPE)) for side in Side}
        assert conventions.weight(PAIR, value) == (value, ())


def test_weights_that_are_further_apart_than_the_formulas_lead_are_not_explained() -> None:
    conventions, weight = StepConventions(), np.ones(SHAPE)
    conventions.begin(
        {Side.REFERENCE: described("rmsprop", 0, 0.1), Side.CANDIDATE: described("rmsprop", 1, 0.1)}
    )
    conventions.given_weight(PAIR, tensor(weight))
    # sqrt(v) = e: a root of 2e becomes sqrt(e + e^2).
    squares = {"mean_square": tensor(np.full(SHAPE, 1e-6))}
    conventions.stepped(PAIR, squares)
    stepped = tensor(weight - 0.01)
    conventions.weight(PAIR, {Side.REFERENCE: stepped, Side.CANDIDATE: stepped})
    led = 0.01 * (1 - 2e-3 / np.sqrt(1e-6 + 1e-3))
    assert conventions.explain([WeightNoise(name="fc.weight", rms=1.9 * led)])
    assert not conventions.explain([WeightNoise(name="fc.weight", rms=2.1 * led)])
    assert not conventions.explain([])
