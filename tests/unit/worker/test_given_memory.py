"""Memory of values put in place is known by its elements and by its life, not by its address."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

import fake
from fake_adapter import FakeAdapter

from padiff_worker.footprints import footprint, overlap
from padiff_worker.given_memory import GivenMemory

ADAPTER = FakeAdapter()


def tensor(*shape: int) -> fake.Tensor:
    return fake.Tensor(np.zeros(shape, np.float32))


def test_a_tensor_lies_in_what_was_given_to_a_view_of_it_and_not_beside_it() -> None:
    given, base = GivenMemory(ADAPTER, ()), tensor(4, 6)
    left, right = fake.Tensor(base.array[:, :3]), fake.Tensor(base.array[:, 3:])
    given.add(left)
    assert given.overlaps(base)
    assert given.overlaps(left.view(-1)) is False, "NumPy copies here"
    assert not given.overlaps(right)


def test_what_was_given_to_a_dead_tensor_is_no_other_tensors() -> None:
    given = GivenMemory(ADAPTER, ())
    for _ in range(100):
        # Were the memory let go, the allocator would hand it out again.
        fresh = tensor(50)
        assert not given.overlaps(fresh)
        given.add(fresh)
        del fresh


def test_what_the_model_changed_in_place_may_be_given_anew() -> None:
    given, changed = GivenMemory(ADAPTER, ()), tensor(3)
    given.add(changed)
    assert given.overlaps(changed)
    fake.relu_(changed)
    assert not given.overlaps(changed)


def test_a_weight_is_never_given_a_value_whatever_changes_it() -> None:
    weight = tensor(3)
    given = GivenMemory(ADAPTER, [weight])
    fake.relu_(weight)
    assert given.overlaps(weight)
    given.clear()
    assert given.overlaps(weight)


def test_footprints_are_of_memory_that_nobody_reads() -> None:
    queries, keys = (footprint((1 << 44) + 256 * n, (2, 5, 64), (960, 192, 1), 4) for n in (0, 1))
    assert not overlap(queries, keys)
    assert overlap(queries, footprint(1 << 44, (2, 5, 192), (960, 192, 1), 4))
    assert not overlap(footprint(0, (0, 3), (3, 1), 4), queries)
