"""The layer map: changed by its methods, and checked as it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from padiff_client import InvalidRequestError, LayerMap
from padiff_rpc.v1.records import IgnoredLayers, LayerPair


def test_every_method_changes_the_map_and_returns_it() -> None:
    first = LayerMap({"a": "b"})
    copy = LayerMap(first)
    first.ignore(reference=["x"])  # on a line of its own, as the older tool has it
    second = (
        first.ignore(reference="y", candidate=("z",))
        .ignore_recursively(candidate=["deep"])
        .ignore_class(reference=["Dropout"])
        .special_init(("rnn", "lstm"), "rules:lstm")
    )
    assert second is first
    assert copy == LayerMap({"a": "b"})
    record = second.to_record()
    assert record.pairs == (
        LayerPair(reference="a", candidate="b"),
        LayerPair(reference="rnn", candidate="lstm", special_init="rules:lstm"),
    )
    assert record.ignored == IgnoredLayers(reference=("x", "y"), candidate=("z",))
    assert record.ignored_recursively == IgnoredLayers(candidate=("deep",))
    assert record.ignored_classes == IgnoredLayers(reference=("Dropout",))


def test_a_special_initialiser_of_a_pinned_pair_takes_its_place() -> None:
    pairs = LayerMap({"a": "b"}).special_init(("a", "b"), "m:f").to_record().pairs
    assert pairs == (LayerPair(reference="a", candidate="b", special_init="m:f"),)


def test_names_may_come_from_anything_that_can_be_iterated() -> None:
    made = LayerMap().ignore(reference=(f"l{i}" for i in range(3)), candidate={"m0": None, "m1": None}.keys())
    assert made.to_record().ignored == IgnoredLayers(reference=("l0", "l1", "l2"), candidate=("m0", "m1"))
    made = LayerMap().ignore_class(reference=map(str.title, ["dropout"]), candidate=frozenset(["Dropout"]))
    assert made.to_record().ignored_classes == IgnoredLayers(reference=("Dropout",), candidate=("Dropout",))


class Sequential(list[str]):
    """A layer that can be iterated, as the frameworks have it."""

    __module__ = "torch.nn.modules.container"


def test_a_plan_that_is_not_there_is_told_without_pythons_number(tmp_path: Path) -> None:
    missing = tmp_path / "plan.yaml"
    with pytest.raises(InvalidRequestError) as caught:
        LayerMap.load(missing)
    assert str(caught.value) == f"{missing}: cannot be read: no such file or directory"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LayerMap().ignore(reference=Sequential()), r"reference: a Sequential is not allowed"),
        (lambda: LayerMap().ignore(reference=Sequential), r"reference: the class Sequential is not"),
        (lambda: LayerMap().ignore(reference=3), r"reference: 3 is not allowed"),  # type: ignore[arg-type]
        (lambda: LayerMap().ignore(reference=(i for i in [3])), r"reference: 3 is"),  # type: ignore[misc]
        (lambda: LayerMap(["a"]), "layer_map: .* allowed: {reference path: candidate path}"),  # type: ignore[arg-type]
        (lambda: LayerMap({"a": 3}), "layer_map: 3 is not allowed"),  # type: ignore[dict-item]
        (lambda: LayerMap().ignore(candidate=[None]), r"layer_map\.ignore\.candidate: None"),  # type: ignore[list-item]
        (lambda: LayerMap().special_init("ab", "m:f"), "allowed: a pair"),  # type: ignore[arg-type]
        (lambda: LayerMap().special_init(("a", "b"), "m.f"), "special_init: 'm.f' is not allowed"),
    ],
)
def test_a_wrong_map_is_one_clear_line(make: Any, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        make()
