"""Gradients of packed parameters, brought together and missed."""

from __future__ import annotations

import pytest

from padiff_compare.capture.store import TensorStore
from padiff_compare.join.pairs import Half
from padiff_compare.join.parameter_gradients import ParameterGradients
from padiff_compare.layout_rules import STACK
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair, WeightPlan
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import TensorSpec, Weight
from padiff_rpc.v1.words import DType, Side, WeightKind

SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(2, 2))
WEIGHT = Weight(name="weight", kind=WeightKind.PARAMETER, spec=SPEC)
PACKED = "q.weight + k.weight + v.weight"


def owned(path):
    return OwnedWeight(path=path, weight=WEIGHT)


@pytest.fixture
def store():
    with TensorStore(1 << 20) as store:
        yield store


@pytest.fixture
def gradients(store):
    pair = WeightPair(
        kind=WeightKind.PARAMETER,
        references=tuple(map(owned, "qkv")),
        candidate=owned("packed"),
        rule=STACK,
    )
    return ParameterGradients(WeightPlan(pairs=(pair,)), store, lambda *_: None)


def send(gradients, store, name):
    array = store.allocate(SPEC)
    array[...] = 1.0
    half = Half(tensors=(HostTensor(array=array, dtype=DType.FLOAT32),), sum_squares=4.0)
    gradients.arrive(Side.REFERENCE, name, half)


def test_a_group_names_what_it_waits_for_once_it_has_begun(gradients, store):
    assert gradients.missing(PACKED) == ()
    send(gradients, store, "q.weight")
    send(gradients, store, "v.weight")
    assert gradients.missing(PACKED) == ("k.weight",)
    assert not gradients.table.arrived(Side.REFERENCE, PACKED)
    send(gradients, store, "k.weight")
    assert gradients.missing(PACKED) == ()
    half = gradients.table.half(Side.REFERENCE, PACKED)
    assert half is not None
    assert (len(half.tensors), half.sum_squares) == (3, 12.0)


def test_a_parameter_on_its_own_is_no_group(gradients):
    assert gradients.missing("fc.weight") == ()


def test_what_waited_in_vain_is_given_back(gradients, store):
    send(gradients, store, "q.weight")
    gradients.close()
    assert store.in_memory_bytes == 0
