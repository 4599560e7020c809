"""Effects of unshared random decisions: which tensors are not judged, and which are overridden."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from random_events import SPEC, plan_of, seen_in

from padiff_compare.capture.sides import SIDES
from padiff_compare.judge.evidence import Chance
from padiff_compare.layout_rules import IDENTITY
from padiff_compare.lockstep.lockstep_plan import plan_overrides
from padiff_compare.model_index import ModelIndex
from padiff_compare.randomness.random_decisions import RandomEffects
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair
from padiff_rpc.v1.records import Layer, Weight
from padiff_rpc.v1.words import CallMoment, Phase, WeightKind

PATHS = ("", "fc", "drop", "head")
PLAN = plan_of(*PATHS)
CHAIN = ">:1 >fc:1 <fc:2 >drop:2 <drop:3 >head:3 <head:4 <:4"
# `a(x)`, then a dropout of the root's own, then `b`.
OWN_CODE = ">:1 >a:1 <a:2 >b:3 <b:4 <:4"
WEIGHT = Weight(name="weight", kind=WeightKind.PARAMETER, spec=SPEC)


def models(*paths, parameterised=("fc", "head")):
    layers = [Layer(path=path, weights=(WEIGHT,) if path in parameterised else ()) for path in paths]
    return {side: ModelIndex(layers) for side in SIDES}


def effects(unshared, plan=PLAN, trace=CHAIN, candidate=None, index=None):
    seen = seen_in(plan, trace, candidate)
    return RandomEffects(unshared, seen, index or models(*PATHS)), seen


def touched(found, seen):
    """Returns the reference's tensors whose values, and whose gradients, the candidate gets."""
    slots = [one for pair in seen.pairs for one in pair.slots.pairs]
    return tuple(
        sorted({one.reference.tensor for one in slots if not found.keeps(one)[which]}) for which in (0, 1)
    )


def test_chance_decides_what_a_dropout_returns_and_the_gradient_of_what_it_takes():
    assert touched(*effects({("drop", 0): ("dropout",)})) == ([3], [2])


def test_in_a_layers_own_code_it_decides_what_that_code_made_and_the_gradients_of_all_it_had():
    plan = plan_of("", "a", "b")
    found = effects({("", 0): ("dropout",)}, plan, OWN_CODE, index=models("", "a", "b"))
    # 2 and 4 are what layers returned: these are judged.
    assert touched(*found) == ([3], [1, 2, 3, 4])


def test_a_layer_without_partner_is_its_parents_own_code():
    trace = ">:1 >fc:1 <fc:2 >lone:2 <lone:3 >head:3 <head:4 <:4"
    plan = plan_of("", "fc", "head")
    assert touched(*effects({("", 0): ("dropout",)}, plan, trace)) == ([3], [1, 2, 3, 4])


def test_gradients_that_its_own_code_may_have_had_a_part_in_are_judged_with_a_word_of_doubt():
    plan = plan_of("", "a", "b")
    found, seen = effects({("", 0): ("dropout",)}, plan, OWN_CODE, index=models("", "a", "b"))
    decides = {
        slots.reference.tensor: chance.decides
        for pair in seen.pairs
        for slots in pair.slots.pairs
        for chance in [found.of_tensors(pair, slots, Phase.BACKWARD)]
        if chance is not None
    }
    # The layer a took 1, and b took 3; 4 is what the model returns. Nothing but its own code took 2.
    assert decides == {1: False, 2: True, 3: False, 4: False}


def test_other_calls_of_the_layer_are_judged():
    trace = ">:1 >drop:1 <drop:2 >drop:2 <drop:3 <:3"
    assert touched(*effects({("drop", 1): ("dropout",)}, plan_of("", "drop"), trace)) == ([3], [2])


def test_the_other_sides_decision_is_enough():
    """The candidate's own code makes a new tensor where the reference hands one on."""
    plan = plan_of("", "fc", "head")
    reference = ">:1 >fc:1 <fc:2 >head:2 <head:4 <:4"
    candidate = ">:1 >fc:1 <fc:2 >head:3 <head:4 <:4"
    found, seen = effects({("", 0): ("dropout",)}, plan, reference, candidate)
    first, second = (
        next(one for pair in seen.pairs for one in pair.slots.pairs if one.candidate.tensor == number)
        for number in (2, 3)
    )
    assert found.keeps(first)[0]
    assert not found.keeps(second)[0]


@pytest.mark.parametrize(
    ("path", "is_missed"), [("drop", False), ("fc", True), ("", True)], ids=["dropout", "parameters", "root"]
)
def test_what_a_layer_with_weights_or_the_model_returns_is_missed(path, is_missed):
    found, seen = effects({(path, 0): ("dropout",)}, trace=">:1 >fc:1 <fc:2 >drop:2 <drop:3 <:4")
    pair = next(
        pair for pair in seen.pairs if pair.layer.reference == path and pair.moment is CallMoment.EXIT
    )
    chance = found.of_tensors(pair, pair.slots.pairs[0], Phase.FORWARD)
    assert chance == Chance(names=("dropout",), is_missed=is_missed)


def test_a_unit_holds_the_weights_of_all_that_is_in_it():
    plan = plan_of("", "attn", units=("attn",))
    index = models("", "attn", "attn.q", parameterised=("attn.q",))
    found, seen = effects({("attn", 0): ("dropout",)}, plan, ">:1 >attn:1 <attn:2 <:2", index=index)
    pair = next(
        pair for pair in seen.pairs if pair.layer.reference == "attn" and pair.moment is CallMoment.EXIT
    )
    chance = found.of_tensors(pair, pair.slots.pairs[0], Phase.FORWARD)
    assert chance == Chance(names=("dropout",), is_missed=True)


def weight_pair(path):
    owned = OwnedWeight(path=path, weight=WEIGHT)
    return WeightPair(kind=WeightKind.PARAMETER, references=(owned,), candidate=owned, rule=IDENTITY)


def test_the_gradient_of_a_weight_is_random_where_its_layer_decides():
    plan = plan_of("", "fc", "attn", units=("attn",))
    index = models("", "fc", "attn", "attn.q", parameterised=("fc", "attn.q"))
    found, _ = effects({("attn", 0): ("dropout",)}, plan, ">:1 >fc:1 <fc:2 >attn:2 <attn:3 <:3", index=index)
    inside, outside = weight_pair("attn.q"), weight_pair("fc")
    assert (found.of_weight(inside), found.of_weight(outside)) == (("dropout",), ())
    assert found.of_parameter(inside) == Chance(names=("dropout",))
    assert found.of_parameter(outside) is None
    assert found.of_weights([inside, outside]) == {"attn.q.weight": ("dropout",)}


def places(**given):
    found, seen = effects({("drop", 0): ("dropout",)})
    planned = plan_overrides(seen, found.keeps, **given)
    return [
        (place.path, str(place.moment), not place.keeps_value, not place.keeps_gradient)
        for place in planned.places
    ]


def test_a_free_pass_overrides_what_chance_decides_and_nothing_else():
    assert places(in_lockstep=False) == [
        ("fc", "exit", False, True),
        ("drop", "entry", False, True),
        ("drop", "exit", True, False),
        ("head", "entry", True, False),
    ]


def test_lockstep_overrides_all_values_and_gradients():
    assert all(value and gradient for _, _, value, gradient in places(in_lockstep=True))


def test_a_free_pass_without_chance_overrides_nothing():
    assert plan_overrides(seen_in(PLAN, CHAIN), None, in_lockstep=False) is None
