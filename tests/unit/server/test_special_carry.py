"""What a user's function is seen to pass on."""

from __future__ import annotations

import numpy as np

from padiff_rpc.tensors import HostTensor
from padiff_rpc.types import TensorSpec, Weight
from padiff_rpc.words import DType, WeightKind
from padiff_server.weights.owned_weight import OwnedWeight
from padiff_server.weights.special_carry import carried, left_out
from padiff_server.weights.special_init import SpecialInit

MATRIX = np.arange(6, dtype=np.float32).reshape(2, 3)
ZEROS = np.zeros(3, np.float32)


def rules(given, made):
    """Returns the rules by name, and the notes."""
    weights = {name: owned(name, array) for name, array in made.items()}
    special = SpecialInit(
        reference_path="a",
        candidate_path="a",
        function="m:f",
        references={name: owned(name, array) for name, array in given.items()},
        candidates=weights,
    )
    pairs = carried(special, tensors(given), tensors(made))
    return {pair.candidate.weight.name: pair.rule.name for pair in pairs}, list(left_out(special, pairs))


def owned(name, array):
    spec = TensorSpec(dtype=DType.FLOAT32, shape=array.shape)
    return OwnedWeight(path="a", weight=Weight(name=name, kind=WeightKind.PARAMETER, spec=spec))


def tensors(arrays):
    return {name: HostTensor.from_array(np.ascontiguousarray(array)) for name, array in arrays.items()}


def test_values_tell_whether_a_weight_is_as_it_was_or_turned():
    given = {"weight": MATRIX, "other": MATRIX, "bias": ZEROS}
    found, notes = rules(given, {"weight": MATRIX, "other": MATRIX.T, "bias": ZEROS})
    assert found == {"weight": "identity", "other": "transpose", "bias": "identity"}
    assert notes == []


def test_zeros_tell_nothing_where_another_weight_was_changed():
    found, notes = rules({"weight": MATRIX, "bias": ZEROS}, {"weight": MATRIX[::-1], "bias": ZEROS})
    assert found == {}
    assert notes[0].startswith("the gradients of a.weight, a.bias are not compared, since m:f")


def test_a_weight_of_another_name_is_another_weight():
    assert rules({"packed": MATRIX}, {"weight": MATRIX})[0] == {}
