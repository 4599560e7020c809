from __future__ import annotations

import pytest

from padiff_client import InvalidRequestError, LayerMap
from padiff_client.plan_file import layer_map_of, plan_yaml, read_plan
from padiff_client.plan_text import plan_text
from padiff_rpc.v1.records import IgnoredLayers, LayerPair, Place, PlanPair, Reason, TensorSpec
from padiff_rpc.v1.words import Cause, DType, PairedBy

SPEC = TensorSpec(dtype=DType.FLOAT32, shape=(2, 3))
PLAN = (
    PlanPair(how=PairedBy.ROOT, reference=Place(path=""), candidate=Place(path="")),
    PlanPair(
        how=PairedBy.ORDER_AND_TYPE,
        reference=Place(path="conv1", class_name="Conv2d", spec=SPEC),
        candidate=Place(path="stem: 0", class_name="Conv2D", spec=SPEC),
        confidence=0.45,
        reasons=(Reason(cause=Cause.MESSAGE, names=('another "pairing" fits',)),),
    ),
    PlanPair(
        how=PairedBy.CONTENT,
        reference=Place(path="attn"),
        candidate=Place(path="sa"),
        confidence=0.9,
        unit=True,
    ),
    PlanPair(how=PairedBy.INSIDE_UNIT, reference=Place(path="attn.qkv")),
    PlanPair(how=PairedBy.IGNORED, reference=Place(path="drop"), candidate=Place(path="dropout")),
    PlanPair(how=PairedBy.UNMATCHED, reference=Place(path="act", class_name="ReLU")),
    PlanPair(how=PairedBy.UNMATCHED, candidate=Place(path="extra")),
)


def written(tmp_path, text):
    path = tmp_path / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_plan_comes_back_as_the_layer_map_that_asks_for_it(tmp_path):
    read = read_plan(written(tmp_path, plan_yaml(PLAN)))
    assert read == layer_map_of(PLAN)
    assert read.pairs == (
        LayerPair(reference="conv1", candidate="stem: 0", compare_inside=True),
        LayerPair(reference="attn", candidate="sa"),
        LayerPair(reference="drop", candidate="dropout", compare_inside=True),
    )
    assert read.unpaired == IgnoredLayers(reference=("act",), candidate=("extra",))
    assert read.ignored == IgnoredLayers(reference=("drop",), candidate=("dropout",))


def test_an_edited_line_counts_and_a_deleted_one_is_left_to_the_alignment(tmp_path):
    text = "plan:\n- {reference: a, candidate: y}\n- {reference: b, candidate: null}\n"
    loaded = LayerMap.load(written(tmp_path, text)).to_record()
    assert loaded.pairs == (LayerPair(reference="a", candidate="y", compare_inside=True),)
    assert loaded.unpaired.reference == ("b",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plan:\n- {reference: a}\n", r"plan.yaml:2: .*'candidate' is missing; null where"),
        ("plan:\n- {reference: null, candidate: null}\n", "2: .*name at least one"),
        ("plan:\n- {reference: 3, candidate: a}\n", "2: .*3 is not allowed; allowed: a layer path"),
        ("plan:\n- {reference: a, candidate: b, units: 1}\n", "2: .*unknown key"),
        ("pairs: {}\n", "unknown key; allowed: plan"),
        ("{}\n", "the key 'plan' is missing"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, said):
    with pytest.raises(InvalidRequestError, match=said):
        read_plan(written(tmp_path, text))


def test_the_text_has_both_columns_the_doubt_and_the_gaps():
    lines = plan_text(PLAN).splitlines()
    assert lines[0].split() == ["reference", "candidate", "paired", "by"]
    assert lines[2].startswith("conv1  Conv2d float32[2, 3]")
    assert 'order and type 0.45 LOW (another "pairing" fits)' in lines[2]
    assert "content, as one unit 0.90" in lines[3]
    assert lines[6].split() == ["act", "ReLU", "-", "unmatched"]
    assert lines[-1] == (
        "4 pairs, 1 of low confidence; without a counterpart: 1 of the reference's layers, "
        "1 of the candidate's"
    )
