"""Weights on their way, between links that only remember what is asked of them."""

from __future__ import annotations

import numpy as np
import pytest

from padiff_client.sentences import reason
from padiff_compare.layout_rules import IDENTITY, STACK, part_of
from padiff_compare.model_index import ModelIndex
from padiff_compare.weights.weight_flow import WeightFlow
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair, WeightPlan
from padiff_rpc.tensors import HostTensor, checksum
from padiff_rpc.v1.records import Layer, Options, Reason, TensorSpec, Weight
from padiff_rpc.v1.words import Cause, DType, Phase, Side, Verdict, WeightKind


class Unasked:
    """A link that nothing may be read from."""

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
        self.reads = 0
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
