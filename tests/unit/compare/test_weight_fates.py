from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from padiff_compare.alignment.align import align
from padiff_compare.weights.weight_fates import fates
from padiff_compare.weights.weight_plan import plan_weights
from padiff_rpc.v1.records import IgnoredLayers, LayerPair, StatedPairing
from padiff_rpc.v1.words import Side

PACKED = "t.MultiheadAttention in_proj_weight(12,4)"
LAYERS = {
    "t": (
        "t.Linear weight(4,4) bias(4)",
        "t.Linear weight(4,4)",
        "t.BatchNorm2d weight(4) bias(4) ~running_mean(4) ~running_var(4) ~num_batches_tracked()",
        "m.Own scale(4) matrix(4,4)",
        "t.Embedding weight(9,4)",
        "t.LSTM weight_ih_l0(16,4) weight_hh_l0(16,4)",
        PACKED,
        "t.Linear weight_orig(4,4) ~weight(4,4)",
        "t.ReLU",
        "m.Own matrix(4,5)",
    ),
    "p": (
        "p.Linear weight(4,4) bias(4)",
        "p.BatchNorm2D weight(4) bias(4) ~_mean(4) ~_variance(4)",
        "m.Own scale(4) other(4,4)",
        "p.Embedding weight(9,4)",
        "p.LSTM weight_ih_l0(16,4) weight_hh_l0(16,4) ~_dropout_state()",
        "p.MultiHeadAttention",
        "p.Linear weight_orig(4,4) ~weight(4,4)",
        "m.Own matrix(5,4)",
    ),
}


@st.composite
def model(draw, framework):
    """A tree two levels deep: attention gets its projections below it, some weights are tied."""
    lines = [".: m.Net"]
    owners: dict[str, str] = {}
    for index in range(draw(st.integers(0, 5))):
        path = draw(st.sampled_from(["a", "b", "c.d", "c.e", "f"])) + str(index)
        if "." in path:
            lines.append(f"{path.partition('.')[0]}{index}: m.Block")
            path = f"{path.partition('.')[0]}{index}.{path.partition('.')[2]}"
        text = draw(st.sampled_from(LAYERS[framework]))
        if "Embedding" in text:
            if "table" in owners and draw(st.booleans()):
                text += f"={owners['table']}"
            else:
                owners["table"] = f"{path}.weight"
        lines.append(f"{path}: {text}")
        if "MultiHead" in text:
            lines += [f"{path}.{name}_proj: p.Linear weight(4,4)" for name in "qkv"]
    return "\n".join(lines)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data(), st.sampled_from(["tp", "pt", "tt", "pp"]))
def test_every_weight_of_both_sides_has_exactly_one_fate(side, data, frameworks):
    sides = [side(data.draw(model(framework))) for framework in frameworks]
    paths = [one.layers[-1].path for one in sides]
    layer_map = data.draw(
        st.sampled_from(
            [
                StatedPairing(),
                StatedPairing(ignored=IgnoredLayers(reference=(paths[0],))),
                StatedPairing(pairs=(LayerPair(reference=paths[0], candidate=paths[1]),)),
                StatedPairing(pairs=(LayerPair(reference=paths[0], candidate=paths[1], special_init="m:f"),)),
            ]
        )
    )
    plan = plan_weights(align(*sides, layer_map), sides[0].layers, sides[1].layers, layer_map)
    found = fates(plan, sides[0].layers, sides[1].layers)

    weights = [
        (which, layer.path, weight.name)
        for which, one in zip((Side.REFERENCE, Side.CANDIDATE), sides)
        for layer in one.layers
        for weight in layer.weights
    ]
    assert [(one.side, one.path, one.name) for one in found] == weights
    assert all(one.reasons or one.partner for one in found if one.fate == "only_here")
    assert all(one.partner or one.rule for one in found if one.fate in ("placed", "tied", "ambiguous"))
    lone = Counter((one.side, one.path, one.name) for one in plan.unmatched)
    assert max(lone.values(), default=1) == 1
    assert set(lone) == {
        (one.side, one.path, one.name) for one in found if one.fate == "only_here" and not one.partner
    }
    filled = Counter(pair.candidate_name for pair in plan.pairs if pair.placed)
    assert max(filled.values(), default=1) == 1


@pytest.mark.parametrize(
    ("reference", "candidate", "expected"),
    [
        ("a: t.Linear weight(4,3)", "a: p.Linear weight(3,4)", ["placed", "placed"]),
        ("a: m.Own matrix(4,4)", "a: m.Own matrix(4,4)", ["ambiguous", "ambiguous"]),
        ("a: t.Linear weight(4,3)", "a: p.Linear weight(3,5)", ["only_here", "only_here"]),
        (
            "a: t.Embedding weight(9,4)\nb: t.Linear weight(9,4)=a.weight",
            "a: p.Embedding weight(9,4)",
            ["placed", "tied", "placed"],
        ),
        (
            "a: t.Embedding weight(9,4)\nb: t.Linear weight(9,4)",
            "a: t.Embedding weight(9,4)\nb: t.Linear weight(9,4)=a.weight",
            ["placed", "tied", "placed", "tied"],
        ),
        ("a: t.BatchNorm2d ~num_batches_tracked()", "a: p.BatchNorm2D", ["bookkeeping"]),
    ],
)
def test_fates(side, reference, candidate, expected):
    sides = side(f".: m.Net\n{reference}"), side(f".: m.Net\n{candidate}")
    plan = plan_weights(align(*sides, StatedPairing()), sides[0].layers, sides[1].layers, StatedPairing())
    assert [one.fate for one in fates(plan, sides[0].layers, sides[1].layers)] == expected
