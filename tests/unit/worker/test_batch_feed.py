"""Batches of a user's loader, as the arguments of a model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

import fake
from fake_adapter import FakeAdapter

from padiff_rpc import trees
from padiff_rpc.errors import InvalidRequestError, StateError
from padiff_rpc.v1.records import PackedBatch
from padiff_worker.batch_feed import BatchFeed, takes_target
from padiff_worker.batches import Arguments, arguments, host_batch, packed_batch

X, Y = np.ones((2, 3), np.float32), np.zeros(2, np.int64)


def feed(batches: Any, *, has_target: bool = False) -> BatchFeed:
    return BatchFeed(FakeAdapter(), lambda: batches, "data:loader", has_target=has_target)


def first(batch: Any, *, has_target: bool = False) -> Arguments:
    """Returns the arguments of a loader's only batch."""
    read = feed([batch], has_target=has_target).read(0)
    assert read is not None
    return arguments(read, FakeAdapter(), "cpu")


def test_the_last_of_several_items_is_the_target_of_a_loss_that_takes_one() -> None:
    for batch in ((X, Y), [fake.Tensor(X), Y]):
        given = first(batch, has_target=True)
        assert [one.array.tolist() for one in given.args] == [X.tolist()]
        assert (given.has_target, given.target.array.tolist()) == (True, Y.tolist())
        assert len(first(batch).args) == 2


def test_one_item_is_no_target() -> None:
    given = first([X], has_target=True)
    assert (len(given.args), given.has_target) == (1, False)


def test_a_mapping_is_keyword_arguments() -> None:
    given = first({"x": X, "options": {"scale": 2.0, "names": ["a"]}}, has_target=True)
    assert given.args == ()
    assert given.kwargs["x"].array.tolist() == X.tolist()
    assert given.kwargs["options"] == {"scale": 2.0, "names": ["a"]}
    assert not given.has_target


def test_a_spelled_out_batch_says_of_each_part_what_it_is() -> None:
    given = first({"args": [X], "kwargs": {"scale": 2}, "target": Y})
    assert (len(given.args), given.kwargs, given.has_target) == (1, {"scale": 2}, True)


def test_a_keyword_called_target_alone_is_a_keyword() -> None:
    assert list(first({"target": Y}).kwargs) == ["target"]


@pytest.mark.parametrize("batch", [X, fake.Tensor(X), 3, 2.5, np.float64(2.5)])
def test_a_lone_tensor_or_number_is_one_argument(batch: Any) -> None:
    assert len(first(batch).args) == 1


def test_a_train_step_gets_the_batch_in_its_own_shape_and_shares_its_tensors() -> None:
    given = first([X, {"y": Y}], has_target=True)
    assert isinstance(given.given, list)
    assert given.given[0] is given.args[0]
    assert given.given[1]["y"] is given.target["y"]
    assert first(X).given is not None
    assert isinstance(first(X).given, fake.Tensor)


@pytest.mark.parametrize(
    ("args", "kwargs", "target", "given"),
    [
        ([1, 2], {}, trees.ABSENT, (1, 2)),
        ([1], {}, trees.pack(5), (1, 5)),
        ([], {"x": 1}, trees.ABSENT, {"x": 1}),
        ([1], {"x": 1}, trees.ABSENT, {"args": (1,), "kwargs": {"x": 1}}),
        ([], {"x": 1}, trees.pack(5), {"args": (), "kwargs": {"x": 1}, "target": 5}),
    ],
)
def test_a_batch_of_the_client_comes_as_a_loader_would_have_given_it(
    args: Any, kwargs: Any, target: Any, given: Any
) -> None:
    batch = host_batch(PackedBatch(args=trees.pack(args), kwargs=trees.pack(kwargs), target=target), {})
    assert arguments(batch, FakeAdapter(), "cpu").given == given


def test_one_tensor_in_two_places_stays_one() -> None:
    x = fake.Tensor(X)
    given = first((x, {"again": x}))
    assert given.args[0] is given.args[1]["again"]


def test_each_reading_makes_fresh_tensors_of_the_same_values() -> None:
    one = feed([X])
    read = [arguments(batch, FakeAdapter(), "cpu") for batch in (one.read(0), one.read(0)) if batch]
    assert read[0].args[0] is not read[1].args[0]
    read[0].args[0].array[...] = 9
    assert read[1].args[0].array.tolist() == X.tolist()


def test_batches_are_read_in_order_and_the_last_again() -> None:
    one = feed(iter([1, 2]))
    assert [one.read(0), one.read(0)] == [one.read(0)] * 2
    with pytest.raises(StateError, match="batch 2 was asked for, and 1 of the loader were read"):
        one.read(2)
    assert one.read(1) is not None
    assert one.read(2) is None
    assert one.read(2) is None


def test_the_loader_is_called_when_a_batch_is_wanted() -> None:
    called = []
    one = BatchFeed(FakeAdapter(), lambda: called.append(1) or [X], "data:loader", has_target=False)
    assert called == []
    one.read(0)
    one.read(0)
    assert called == [1]


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ("text", "the loader 'data:loader' gave a str as batch 0; give a dict"),
        (None, "gave a NoneType as batch 0"),
        (SimpleNamespace(x=1), "gave a SimpleNamespace as batch 0"),
        ({1: X}, "gave a dict with the keys 1 as batch 0"),
        ({"args": X}, "gave a dict with the keys 'args' as batch 0"),
    ],
)
def test_what_is_no_batch_is_said_with_the_loaders_name(batch: Any, said: str) -> None:
    with pytest.raises(TypeError) as caught:
        feed([batch]).read(0)
    assert said in str(caught.value)


def test_a_leaf_that_cannot_travel_is_the_models_business_until_it_has_to() -> None:
    thing = SimpleNamespace()
    assert first([X, thing]).args[1] is thing
    read = feed([[X, thing]]).read(0)
    assert read is not None
    with pytest.raises(InvalidRequestError, match=r"batch 0\.args\[1\]: a SimpleNamespace cannot travel"):
        packed_batch(read, "batch 0")


def test_closing_ends_a_generator() -> None:
    ended = []

    def batches() -> Iterator[Any]:
        try:
            yield X
            yield X
        finally:
            ended.append(1)

    one = feed(batches())
    one.read(0)
    one.close()
    one.close()
    assert ended == [1]


@pytest.mark.parametrize(
    ("loss", "takes"),
    [
        (lambda output: output, False),
        (lambda output, target: output, True),
        (lambda output, *rest: output, True),
        (lambda output, *, target: output, False),
        (max, True),
    ],
)
def test_a_loss_takes_a_target_if_it_can_be_called_with_one(loss: Callable[..., Any], takes: bool) -> None:
    assert takes_target(loss) is takes
