"""Weights on their way, between links that only remember what is asked of them."""

from __future__ import annotations

import numpy as np
import pytest

from padiff_client.sentences import reason
from padiff_compare.layout_rules import IDENTITY, STACK, TRANSPOSE, part_of
from padiff_compare.model_index import ModelIndex
from padiff_compare.weights import held_weights
from padiff_compare.weights.weight_flow import WeightFlow
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair, WeightPlan
from padiff_rpc.tensors import HostTensor, cast, checksum, digest
from padiff_rpc.v1.records import Layer, Options, Reason, TensorSpec, Weight
from padiff_rpc.v1.words import Cause, DType, Phase, Side, Transport, Verdict, WeightKind


class Unasked:
    """A link that nothing may be read from."""

    transport = Transport.SHM

    @property
    def weights(self):
        return self

    def read(self, names, phase):
        assert list(names) == []
        return iter(())


def owned(path, *shape, dtype=DType.FLOAT32):
    spec = TensorSpec(dtype=dtype, shape=shape)
    return OwnedWeight(path=path, weight=Weight(name="weight", kind=WeightKind.PARAMETER, spec=spec))


@pytest.mark.parametrize(
    ("references", "rule", "verdict"),
    [
        ((owned("q", 4, 4), owned("k", 4, 3)), STACK, Verdict.SHAPE_MISMATCH),
        ((owned("q", 4, 4), owned("k", 4, 4, dtype=DType.FLOAT16)), STACK, Verdict.DTYPE_MISMATCH),
        ((owned("q", 4, 4),), part_of(0, 3), Verdict.SHAPE_MISMATCH),
    ],
)
def test_what_does_not_fit_is_a_row_from_the_specs_alone(references, rule, verdict):
    pair = WeightPair(
        kind=WeightKind.PARAMETER,
        references=references,
        candidate=owned("packed", 8, 4),
        rule=rule,
        placed=False,
        reason=Reason(cause=Cause.MESSAGE, names=("it does not fit",)),
    )
    layers = [Layer(path=path, classes=("m.Any",)) for path in ("q", "k", "packed")]
    models = dict.fromkeys(Side, ModelIndex(layers))
    links = dict.fromkeys(Side, Unasked())
    flow = WeightFlow(links, WeightPlan(pairs=(pair,)), models, Options())
    [row] = flow.rows(Phase.INITIAL_WEIGHTS)
    assert (row.verdict, reason(row), row.counts) == (verdict, "it does not fit", True)
    assert row.candidate.spec.shape == (8, 4)
    assert flow.copy() == 0


class Holding:
    """A link to a model of one weight, which notes what is read; `spoiled` is what becomes of one written."""

    def __init__(self, name, value, *, spoiled=0.0, says_checksums=True):
        self.name = name
        self.value = HostTensor.from_array(value)
        self.reads = self.digests_asked = 0
        self.transport = Transport.SHM
        self._spoiled = spoiled
        self._says_checksums = says_checksums

    @property
    def weights(self):
        return self

    def read(self, names, phase):
        self.reads += len(names)
        return iter([self.value] * len(names))

    def checksums(self, names):
        return [checksum(self.value)] * len(names) if self._says_checksums else ()

    def digests(self, names):
        self.digests_asked += len(names)
        return [digest(self.value)] * len(names)

    def write(self, weights, phase):
        (named,) = weights
        written = named[1].array.astype(self.value.array.dtype)
        written.flat[0] += self._spoiled
        self.value = HostTensor.from_array(written)
        return 1


@pytest.mark.parametrize(
    ("candidate", "reads", "differs"),
    [
        ({}, (1, 0), False),
        ({"spoiled": 1e-3}, (2, 1), True),
        ({"says_checksums": False}, (2, 1), False),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_was_written_is_read_back_only_where_its_checksum_is_another(candidate, reads, differs, dtype):
    value = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    pair = WeightPair(
        kind=WeightKind.PARAMETER,
        references=(owned("ours", 4, 3),),
        candidate=owned("theirs", 4, 3, dtype=DType(dtype)),
        rule=IDENTITY,
    )
    links = {
        Side.REFERENCE: Holding("ours.weight", value),
        Side.CANDIDATE: Holding("theirs.weight", np.zeros((4, 3), dtype), **candidate),
    }
    models = dict.fromkeys(
        Side, ModelIndex([Layer(path=path, classes=("m.Any",)) for path in ("ours", "theirs")])
    )
    flow = WeightFlow(links, WeightPlan(pairs=(pair,)), models, Options(check_dtype=False))
    assert flow.copy(to_be_verified=True) == 1
    [row] = flow.rows(Phase.INITIAL_WEIGHTS, just_copied=True)
    assert (links[Side.REFERENCE].reads, links[Side.CANDIDATE].reads) == reads
    assert (row.verdict is Verdict.MISMATCH, row.figures.bitwise_equal) == (differs, not differs)
    assert row.figures.rms_reference == pytest.approx(np.sqrt(np.mean(value.astype(dtype) ** 2.0)), rel=1e-3)


class Many:
    """A link to a model of several weights, which notes whose digests are asked for."""

    def __init__(self, values, transport=Transport.GRPC):
        self.values = values
        self.transport = transport
        self.asked = []
        self.weights = self

    def read(self, names, phase):
        return (self.values[name] for name in names)

    def digests(self, names):
        self.asked += names
        return [digest(self.values[name]) for name in names]

    def write(self, weights, phase):
        written = list(weights)
        self.values.update(written)
        return len(written)


def copied(monkeypatch, differing, *, dtype=DType.FLOAT32, transport=Transport.GRPC, asked_bytes=1):
    """Copies ten weights, of which the candidate has others where they are `differing`.

    Returns the link to it, how many were written, and whether all are right now.
    """
    monkeypatch.setattr(held_weights, "_ASKED_BYTES", asked_bytes)
    draws = np.random.default_rng(0)
    values = [HostTensor.from_array(draws.normal(size=(3, 4)).astype(np.float32)) for _ in range(10)]
    right = [cast(HostTensor.from_array(value.array.T), dtype) for value in values]
    reference = Many({f"ours{n}.weight": value for n, value in enumerate(values)})
    own = {
        f"theirs{n}.weight": cast(HostTensor.from_array(np.zeros((4, 3), np.float32)), dtype)
        if n in differing
        else value
        for n, value in enumerate(right)
    }
    candidate = Many(own, transport)
    pairs = tuple(
        WeightPair(
            kind=WeightKind.PARAMETER,
            references=(owned(f"ours{n}", 3, 4),),
            candidate=owned(f"theirs{n}", 4, 3, dtype=dtype),
            rule=TRANSPOSE,
        )
        for n in range(10)
    )
    links = {Side.REFERENCE: reference, Side.CANDIDATE: candidate}
    models = dict.fromkeys(Side, ModelIndex([]))
    written = WeightFlow(links, WeightPlan(pairs=pairs), models, Options()).copy()
    present = [cast(candidate.values[f"theirs{n}.weight"], dtype) for n in range(10)]
    return candidate, written, [digest(one) for one in present] == [digest(one) for one in right]


@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16])
def test_over_a_connection_only_weights_that_differ_in_the_candidates_layout_and_dtype_are_written(
    monkeypatch, dtype
):
    candidate, written, is_right = copied(monkeypatch, {4, 7}, dtype=dtype)
    assert (written, is_right) == (2, True)
    assert len(candidate.asked) == 10


def test_no_more_digests_are_asked_for_once_most_weights_differ(monkeypatch):
    candidate, written, is_right = copied(monkeypatch, set(range(1, 10)))
    assert (written, is_right) == (9, True)
    assert candidate.asked == [f"theirs{n}.weight" for n in range(3)]


def test_digests_are_asked_for_in_rounds(monkeypatch):
    candidate, written, is_right = copied(monkeypatch, set(), asked_bytes=1 << 20)
    assert (len(candidate.asked), written, is_right) == (10, 0, True)


def test_through_shared_memory_weights_are_written_unasked(monkeypatch):
    candidate, written, is_right = copied(monkeypatch, set(), transport=Transport.SHM)
    assert (candidate.asked, written, is_right) == ([], 10, True)
