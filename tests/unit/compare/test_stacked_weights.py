"""One tensor here, there a series of layers: the experts of a mixture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from padiff_compare.alignment.align import align
from padiff_compare.weights.weight_plan import plan_weights
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import StatedPairing

EXPERTS = 3


def series(framework: str, *weights: str, experts: int = EXPERTS) -> str:
    """Returns lines of experts, each with these layers: "up weight(10,6)"."""
    lines = [f"moe.experts: {framework}.ModuleList"]
    for n in range(experts):
        lines.append(f"moe.experts.{n}: m.Expert")
        for weight in weights:
            name, shapes = weight.split(" ", 1)
            lines.append(f"moe.experts.{n}.{name}: {framework}.Linear {shapes}")
    return "\n".join(lines)


@pytest.fixture
def planned(side: Any) -> Any:
    """Returns a function from two texts of what lies below the root to the weight plan."""

    def plan(reference: str, candidate: str) -> Any:
        sides = [
            side(f".: m.Net\n{text}" if text.startswith("moe:") else f".: m.Net\nmoe: m.Moe\n{text}")
            for text in (reference, candidate)
        ]
        stated = StatedPairing()
        return plan_weights(align(*sides, stated), sides[0].layers, sides[1].layers, stated)

    return plan


def filled(plan: Any, **references: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the candidate's weights that the plan makes of the reference's, by name."""
    given = {name.replace("__", "."): value for name, value in references.items()}
    return {
        pair.candidate_name: pair.rule.apply(
            *(HostTensor.from_array(given[name]) for name in pair.reference_names)
        ).array
        for pair in plan.pairs
    }


def numbers(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize("turned", [False, True])
def test_each_expert_gets_its_part_in_its_own_layout(planned: Any, turned: bool) -> None:
    up = numbers(EXPERTS, 6, 10)
    shape = "(3,10,6)" if turned else "(3,6,10)"
    plan = planned(f"moe: m.Moe up{shape} down(3,5,7)", series("p", "up weight(6,10)", "down weight(5,7)"))
    given = {"moe.up": up.transpose(0, 2, 1) if turned else up, "moe.down": numbers(3, 5, 7)}
    made = filled(plan, **given)
    assert not plan.unmatched
    for n in range(EXPERTS):
        np.testing.assert_array_equal(made[f"moe.experts.{n}.up.weight"], up[n])


def test_one_tensor_gets_all_experts(planned: Any) -> None:
    plan = planned(series("t", "up weight(10,6) bias(10)"), "moe: m.Moe up(3,6,10) up_bias(3,10)")
    up, bias = numbers(EXPERTS, 10, 6), numbers(EXPERTS, 10)
    given = {f"moe.experts.{n}.up.weight": up[n] for n in range(EXPERTS)}
    given.update({f"moe.experts.{n}.up.bias": bias[n] for n in range(EXPERTS)})
    made = filled(plan, **given)
    assert not plan.unmatched
    np.testing.assert_array_equal(made["moe.up"], up.transpose(0, 2, 1))
    np.testing.assert_array_equal(made["moe.up_bias"], bias)


@pytest.mark.parametrize("name", ["gate_up", "up_gate"])
def test_a_gate_and_what_it_gates_lie_beside_each_other_as_the_name_has_them(planned: Any, name: str) -> None:
    layers = ("gate weight(10,6)", "up weight(10,6)")
    gate, up = numbers(EXPERTS, 10, 6), -numbers(EXPERTS, 10, 6)
    both = np.concatenate([gate, up] if name == "gate_up" else [up, gate], axis=1)
    apart = planned(f"moe: m.Moe {name}_proj(3,20,6)", series("t", *layers))
    assert not apart.unmatched
    made = filled(apart, **{f"moe.{name}_proj": both})
    for n in range(EXPERTS):
        np.testing.assert_array_equal(made[f"moe.experts.{n}.gate.weight"], gate[n])
        np.testing.assert_array_equal(made[f"moe.experts.{n}.up.weight"], up[n])
    together = planned(series("t", *layers), f"moe: m.Moe {name}_proj(3,6,20)")
    given = {f"moe.experts.{n}.gate.weight": gate[n] for n in range(EXPERTS)}
    given.update({f"moe.experts.{n}.up.weight": up[n] for n in range(EXPERTS)})
    np.testing.assert_array_equal(filled(together, **given)[f"moe.{name}_proj"], both.transpose(0, 2, 1))


def test_of_two_series_that_fit_names_decide(planned: Any) -> None:
    plan = planned("moe: m.Moe w1(3,6,10) w2(3,10,6)", series("p", "w2 weight(10,6)", "w1 weight(6,10)"))
    assert not plan.unmatched
    partners = {pair.candidate_name: pair.reference_name for pair in plan.pairs}
    assert partners["moe.experts.0.w1.weight"] == "moe.w1"
    assert partners["moe.experts.2.w2.weight"] == "moe.w2"


def test_square_ones_keep_both_ways_round_to_be_tried(planned: Any) -> None:
    plan = planned("moe: m.Moe up(3,6,6)", series("p", "up weight(6,6)"))
    assert [len(pair.alternatives) for pair in plan.pairs] == [2] * EXPERTS


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        pytest.param("moe: m.Moe foo(3,6,10) bar(3,6,10)", ("a weight(6,10)", "b weight(6,10)"), id="names"),
        pytest.param("moe: m.Moe up(4,6,10)", ("up weight(6,10)",), id="another number"),
        pytest.param("moe: m.Moe up(3,6,11)", ("up weight(6,10)",), id="another size"),
        pytest.param("moe: m.Moe both(3,6,20)", ("gate weight(6,10)", "up weight(6,10)"), id="an order"),
    ],
)
def test_nothing_is_guessed(planned: Any, reference: str, candidate: tuple[str, ...]) -> None:
    plan = planned(reference, series("p", *candidate))
    assert not plan.pairs
    assert all(one.counts for one in plan.unmatched)
