"""Effects of a user's function on each weight, found by index numbers that it is fed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from padiff_compare.capture.source import RuleFailed
from padiff_compare.weights import index_numbers
from padiff_compare.weights.special_carry import carried, left_out
from padiff_compare.weights.weight_pair import OwnedWeight, SpecialInit
from padiff_rpc.tensors import HostTensor, widen
from padiff_rpc.v1.records import ModelFailure, Note, Reason, TensorSpec, Weight
from padiff_rpc.v1.words import Cause, DType, NoteKind, Phase, Side, WeightKind

RNG = np.random.default_rng(0)


def values(*shape):
    return RNG.normal(size=shape).astype(np.float32)


GIVEN = {"w": values(6, 4), "v": values(6, 4), "cube": values(2, 4, 3), "bias": np.zeros(6, np.float32)}


def owned(name, array, kind=WeightKind.PARAMETER, dtype=None):
    spec = TensorSpec(dtype=dtype or DType(array.dtype.name), shape=array.shape)
    return OwnedWeight(path="a", weight=Weight(name=name, kind=kind, spec=spec))


class Found:
    """What `function` was found to do, by the names of the candidate's weights."""

    def __init__(self, function, given=GIVEN, kinds=None, dtypes=None):
        self.given = given
        dtypes = dtypes or {}
        tensors = {name: HostTensor.from_array(array, dtypes.get(name)) for name, array in given.items()}
        made = function(dict(given))
        special = SpecialInit(
            reference_path="a",
            candidate_path="a",
            function="m:f",
            references={
                name: owned(name, tensor.array, (kinds or {}).get(name, WeightKind.PARAMETER), tensor.dtype)
                for name, tensor in tensors.items()
            },
            candidates={name: owned(name, np.asarray(array)) for name, array in made.items()},
            computed={},
        )
        self.calls = 0

        def call(arrays):
            self.calls += 1
            seen = {
                name: widen(one.array, one.dtype).astype(np.float32)
                if one.dtype is DType.BFLOAT16
                else one.array.copy()
                for name, one in arrays
            }
            try:
                results = function(seen)
            except Exception as error:
                failure = ModelFailure(
                    side=Side.CANDIDATE,
                    phase=Phase.INITIAL_WEIGHTS,
                    exception=type(error).__name__,
                    text=str(error),
                )
                raise RuleFailed(failure) from error
            return {name: HostTensor.from_array(array) for name, array in results.items()}

        self.all = carried(special, call, tensors)
        self.pairs = {pair.candidate.weight.name: pair for pair in self.all.pairs}
        self.one_to_one = {name for name, pair in self.pairs.items() if pair.one_to_one}
        self.made = {one.candidate.weight.name: one for one in self.all.made}

    def applied(self, name):
        """Returns what the rule of a weight makes of the given arrays."""
        pair = self.pairs[name]
        parts = [HostTensor.from_array(self.given[one.weight.name]) for one in pair.references]
        return pair.rule.apply(*parts).array


MOVING = {
    "renamed": lambda a: a["w"],
    "transposed": lambda a: a["w"].T,
    "axes in another order": lambda a: a["cube"].transpose(2, 0, 1),
    "flattened": lambda a: a["cube"].reshape(2, 12),
    "with an axis of one": lambda a: a["w"][:, None],
    "flipped": lambda a: a["w"][::-1],
    "every other row": lambda a: a["w"][::2],
    "rows dropped": lambda a: a["w"][:4],
    "a single row": lambda a: a["w"][3],
    "gates in another order": lambda a: np.concatenate([a["w"][2:4], a["w"][:2], a["w"][4:]]),
    "heads permuted": lambda a: a["w"].reshape(2, 3, 4)[:, [2, 0, 1]].reshape(6, 4),
    "a part": lambda a: np.split(a["w"], 3)[1].T,
    "stacked with another": lambda a: np.concatenate([a["w"], a["v"]]),
    "side by side with another": lambda a: np.concatenate([a["w"], a["v"][:, 1:]], axis=1),
    "interleaved with another": lambda a: np.stack([a["w"], a["v"]], axis=1).reshape(12, 4),
    "zeros": lambda a: a["bias"],
    "zeros in another order": lambda a: a["bias"][[1, 0, 3, 2, 5, 4]],
}


@pytest.mark.parametrize("rule", MOVING.values(), ids=list(MOVING))
def test_what_only_moves_elements_is_found_and_applies_to_anything(rule):
    found = Found(lambda arrays: {"x": rule(arrays)})
    assert found.one_to_one == {"x"}
    assert (found.all.made, found.all.computed) == ((), {})
    assert str(found.pairs["x"].rule.told) == "m:f"
    for _ in range(2):
        # Values first, then what might be their gradients.
        assert found.applied("x").tolist() == np.asarray(rule(found.given)).tolist()
        found.given = {name: values(*array.shape) for name, array in found.given.items()}


def test_what_makes_a_weight_of_several_takes_those_in_their_own_order():
    found = Found(lambda arrays: {"x": np.concatenate([arrays["v"], arrays["w"]])})
    assert found.pairs["x"].reference_names == ("a.w", "a.v")
    assert found.applied("x").tolist() == np.concatenate([GIVEN["v"], GIVEN["w"]]).tolist()


COUNTER = itertools.count()
COMPUTING = {
    "scaled": lambda a: a["w"] * 2,
    "negated": lambda a: -a["w"],
    "summed": lambda a: a["w"] + a["v"],
    "zeros summed": lambda a: a["bias"] + a["bias"][::-1],
    "the mean": lambda a: (a["w"] + a["v"]) / 2,
    "magnitudes": lambda a: np.abs(a["w"]),
    "sorted": lambda a: np.sort(a["w"], axis=None),
    "rounded": lambda a: np.round(a["w"]),
    "cut off": lambda a: np.maximum(a["w"], 0),
    "a constant": lambda a: np.ones((2, 2), np.float32) + 0 * a["w"][:2, :2],
    "padded with zeros": lambda a: np.concatenate([a["w"], np.zeros((2, 4), np.float32)]),
    "products": lambda a: a["w"] @ a["v"].T,
    "rows by chance": lambda a: a["w"][np.random.default_rng(next(COUNTER)).permutation(6)],
    "another with each call": lambda a: a["w"] if next(COUNTER) % 2 else a["v"],
    "turned where values are large": lambda a: a["w"] if np.abs(a["w"]).max() < 100 else a["w"][::-1],
    "index numbers of its own": lambda a: np.arange(1, 7, dtype=np.float32) + 0 * a["w"][0, 0],
}


@pytest.mark.parametrize("rule", COMPUTING.values(), ids=list(COMPUTING))
def test_what_computes_is_left_to_the_function(rule):
    found = Found(lambda arrays: {"x": rule(arrays)})
    assert found.pairs == {}
    assert set(found.all.computed) == {"x"}


def test_a_function_that_raises_on_numbers_computes():
    def picky(arrays):
        if np.abs(arrays["w"]).max() > 100:
            raise ValueError("weights are small")
        return {"x": arrays["w"]}

    found = Found(picky)
    assert found.pairs == {}
    # It may be made of any of them.
    assert found.made["x"].reference_names == ("a.w", "a.v", "a.cube", "a.bias")


def test_a_computed_weight_knows_what_it_is_made_of():
    found = Found(lambda arrays: {"x": arrays["w"] * 2, "y": arrays["v"].T, "z": arrays["cube"].sum(0)})
    assert {name: one.reference_names for name, one in found.made.items()} == {
        "x": ("a.w",),
        "z": ("a.cube",),
    }
    assert found.one_to_one == {"y"}
    assert found.all.unused == ("bias",)
    [note] = left_out(found.all.made)
    why = Reason(cause=Cause.FUNCTION_COMPUTES, names=("m:f",))
    assert note == Note(kind=NoteKind.GRADIENTS_PRESENT, names=("a.x", "a.z"), reasons=(why,))


@pytest.mark.parametrize(
    "function",
    [
        lambda a: {"x": np.repeat(a["w"], 2, axis=0)},
        lambda a: {"x": np.broadcast_to(a["bias"][:, None], (6, 4)).copy()},
        lambda a: {"x": a["w"], "y": a["w"]},
        lambda a: {"x": a["w"][:4], "y": a["w"][2:]},
        lambda a: {"x": a["w"], "y": a["w"] * 2},
    ],
    ids=["repeated rows", "broadcast", "twice", "overlapping", "moved here and computed there"],
)
def test_elements_that_go_to_several_places_have_no_gradient_to_be_held_against(function):
    found = Found(function)
    assert "x" in found.pairs
    assert found.one_to_one == set()
    assert set(found.made) == {one for one in ("x", "y") if one in function(GIVEN)}
    assert found.applied("x").tolist() == function(GIVEN)["x"].tolist()


def test_halves_of_a_weight_in_two_weights_are_one_to_one():
    assert Found(lambda a: {"x": a["w"][:2], "y": a["w"][2:]}).one_to_one == {"x", "y"}


def test_elements_that_go_nowhere_are_named():
    notes = Found(lambda a: {"x": a["w"][:4], "y": a["v"]}).all.notes
    assert notes == (Note(kind=NoteKind.PARTLY_TAKEN, names=("m:f", "a.w"), numbers=(16, 24)),)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64])
def test_numbers_are_exact_in_the_dtype_however_many_elements_there_are(dtype):
    large = {"w": RNG.normal(size=(70, 50)).astype(dtype)}
    found = Found(lambda a: {"x": a["w"].T}, large)
    assert found.one_to_one == {"x"}
    # The weights, then as many digits as there are, twice.
    assert found.calls == (1 + 2 * 2 if dtype is np.float16 else 3)


def test_bfloat16_is_seen_as_float32_and_found_all_the_same():
    bits = (RNG.normal(size=(20, 10)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)

    def function(arrays):
        return {"x": arrays["w"].astype(np.float32).T}

    assert "x" not in Found(lambda a: {"x": a["w"] * 2}, {"w": bits}, dtypes={"w": DType.BFLOAT16}).pairs
    found = Found(function, {"w": bits}, dtypes={"w": DType.BFLOAT16})
    assert found.one_to_one == {"x"}


def test_a_conjugate_is_computed():
    assert Found(lambda a: {"x": a["w"].conj()}, {"w": np.array([1 + 2j, 3 - 1j], np.complex64)}).pairs == {}


def test_a_cast_is_no_computation():
    assert Found(lambda a: {"x": a["w"].astype(np.float16).T}).one_to_one == {"x"}


def test_buffers_are_moved_as_buffers_and_whole_numbers_stay_with_the_function():
    given = {"w": values(3), "mean": values(3), "index": np.arange(3)}
    found = Found(lambda a: dict(a), given, {"mean": WeightKind.BUFFER, "index": WeightKind.BUFFER})
    assert found.one_to_one == {"w"} | {"mean"}
    assert found.pairs["w"].kind is WeightKind.PARAMETER
    assert found.all.unused == ()
    assert set(found.all.computed) == {"index"}


def test_what_many_weights_are_read_for_takes_few_calls():
    many = {f"w{n}": values(2) for n in range(100)}
    function = lambda a: {**a, "w7": a["w7"] * 2, "w8": a["w8"] + a["w90"]}  # noqa: E731
    found = Found(function, many)
    assert {name: one.reference_names for name, one in found.made.items()} == {
        "w7": ("a.w7",),
        "w8": ("a.w8", "a.w90"),
        "w90": ("a.w90",),
    }
    assert found.calls < 50
    assert len(found.one_to_one) == 97


@pytest.mark.parametrize(
    ("calls", "read"),
    [(0, set(range(8))), (4, {0, 1, 2, 3}), (6, {2, 3}), (8, {2})],
    ids=["none", "one half", "one quarter", "all"],
)
def test_what_is_sent_is_bounded_and_what_may_be_read_is_not_held_against_anything(monkeypatch, calls, read):
    many = {f"w{n}": values(2) for n in range(8)}
    size = sum(array.nbytes for array in many.values())
    monkeypatch.setattr(index_numbers, "_MOST_BYTES", calls * size + 1)
    found = Found(lambda a: {**a, "w2": a["w2"] * 2}, many)
    # The weights, the numbers, the second numbers.
    assert found.calls == 3 + calls
    names = {f"w{n}" for n in read}
    assert {one.weight.name for one in found.made["w2"].references} == names
    assert found.one_to_one == many.keys() - names - {"w2"}
