"""Weights on their way, between links that only remember what is asked of them."""

from __future__ import annotations

import pytest

from padiff_client.sentences import reason
from padiff_compare.layout_rules import STACK, part_of
from padiff_compare.model_index import ModelIndex
from padiff_compare.weights.weight_flow import WeightFlow
from padiff_compare.weights.weight_pair import OwnedWeight, WeightPair, WeightPlan
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
