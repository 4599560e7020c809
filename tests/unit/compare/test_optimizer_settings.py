"""In what two optimizers differ before their first step."""

from __future__ import annotations

import dataclasses

import pytest

from padiff_compare.layout_rules import IDENTITY, STACK
from padiff_compare.weights.optimizer_settings import differences, notes
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair
from padiff_rpc import trees
from padiff_rpc.v1.records import (
    DescribeOptimizerResponse,
    Note,
    OptimizerDifference,
    OptimizerGroup,
    TensorSpec,
    Weight,
)
from padiff_rpc.v1.words import DType, NoteKind, Side, WeightKind


def owned(path, trainable=True):
    spec = TensorSpec(dtype=DType.FLOAT32, shape=(2, 2))
    weight = Weight(name="w", kind=WeightKind.PARAMETER, spec=spec, trainable=trainable)
    return OwnedWeight(path=path, weight=weight)


def pairs(*names, trainable=True):
    return [
        WeightPair(
            kind=WeightKind.PARAMETER,
            references=(owned(name, trainable),),
            candidate=owned(name, trainable),
            rule=IDENTITY,
        )
        for name in names
    ]


def described(groups, conventions=None):
    return DescribeOptimizerResponse(
        class_name="m.Any",
        groups=tuple(
            OptimizerGroup(
                parameters=tuple(f"{name}.w" for name in names.split()), settings=trees.pack(settings)
            )
            for names, settings in groups.items()
        ),
        conventions=trees.pack(conventions or {}),
    )


def found(parameters, reference, candidate):
    return tuple(differences(parameters, {Side.REFERENCE: reference, Side.CANDIDATE: candidate}))


def test_equal_settings_differ_in_nothing():
    settings = {"learning_rate": 0.1, "nesterov": False, "clipping": "none"}
    assert (
        found(pairs("a", "b"), described({"a b": settings}), described({"b": settings, "a": settings})) == ()
    )


def test_what_arithmetic_loses_is_no_difference():
    one, other = described({"a": {"learning_rate": 0.1 * 3}}), described({"a": {"learning_rate": 0.3}})
    assert found(pairs("a"), one, other) == ()


def test_a_setting_that_all_parameters_share_is_told_of_the_whole_optimizer():
    one, other = described({"a b": {"epsilon": 1e-8}}), described({"a b": {"epsilon": 1e-6}})
    assert found(pairs("a", "b"), one, other) == (
        OptimizerDifference(name="epsilon", reference="1e-08", candidate="1e-06"),
    )


def test_parameters_in_another_group_are_told_together():
    one = described({"a b c": {"weight_decay": 0.1}})
    other = described({"a": {"weight_decay": 0.1}, "b c": {"weight_decay": 0.0}})
    assert found(pairs("a", "b", "c"), one, other) == (
        OptimizerDifference(name="weight_decay", reference="0.1", candidate="0.0", parameters=("b.w", "c.w")),
    )


def test_a_setting_that_one_side_does_not_state_is_not_compared():
    assert found(pairs("a"), described({"a": {"dampening": 0.5}}), described({"a": {}})) == ()


@pytest.mark.parametrize("trainable", [True, False])
def test_a_trained_parameter_that_one_optimizer_was_not_given_is_told(trainable):
    one, other = described({"a b": {"momentum": 0.9}}), described({"a": {"momentum": 0.9}})
    difference = OptimizerDifference(
        name="parameter",
        reference="given to the optimizer",
        candidate="not given to it",
        parameters=("b.w",),
    )
    assert found(pairs("a", "b", trainable=trainable), one, other) == ((difference,) if trainable else ())


def test_parts_of_a_packed_parameter_are_each_held_against_it():
    packed = WeightPair(
        kind=WeightKind.PARAMETER, references=(owned("q"), owned("k")), candidate=owned("qk"), rule=STACK
    )
    one = described({"q": {"learning_rate": 0.1}, "k": {"learning_rate": 0.2}})
    [difference] = found([packed], one, described({"qk": {"learning_rate": 0.1}}))
    assert difference.parameters == ("k.w",)


@pytest.mark.parametrize(("decays", "told"), [((0.0, 0.0), False), ((0.0, 0.1), True), ((0.1, 0.1), True)])
def test_a_convention_is_told_where_its_setting_is_in_use(decays, told):
    one, other = (
        described({"a": {"weight_decay": decay}}, {"weight_decay": convention})
        for decay, convention in zip(decays, ("added", "decoupled"))
    )
    conventions = [each for each in found(pairs("a"), one, other) if each.convention]
    expected = OptimizerDifference(
        name="weight_decay", reference="added", candidate="decoupled", convention=True
    )
    assert conventions == ([expected] if told else [])


def test_an_optimizer_that_cannot_be_looked_into_has_no_differences_but_a_note():
    seen, hidden = described({"a": {"learning_rate": 0.1}}), DescribeOptimizerResponse()
    assert found(pairs("a"), seen, hidden) == ()
    [note] = notes({Side.REFERENCE: seen, Side.CANDIDATE: hidden})
    assert note == Note(kind=NoteKind.OPTIMIZER_UNSEEN, side=Side.CANDIDATE)
    [note] = notes({Side.REFERENCE: hidden, Side.CANDIDATE: hidden})
    assert note == Note(kind=NoteKind.OPTIMIZERS_UNSEEN)
    assert list(notes(dict.fromkeys(Side, dataclasses.replace(seen)))) == []
