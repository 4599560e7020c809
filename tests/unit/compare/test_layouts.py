from __future__ import annotations

import numpy as np
import pytest

from padiff_compare.alignment.layouts import Layout, layouts
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import Reason
from padiff_rpc.v1.words import Cause, DType


def laid_out(layout: Layout, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return layout.rule(array.shape, shape).apply(HostTensor(array=array, dtype=DType.FLOAT32)).array


def numbers(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def axes_in(*order: int) -> Reason:
    return Reason(cause=Cause.AXES, numbers=order)


RESHAPED = Reason(cause=Cause.RESHAPED)
CASES = {
    "time first": (numbers(2, 3, 4), numbers(2, 3, 4).transpose(1, 0, 2), (axes_in(1, 0, 2),)),
    "square": (numbers(3, 3), numbers(3, 3).T, (axes_in(1, 0),)),
    "channels last": (
        numbers(2, 3, 4, 5),
        numbers(2, 3, 4, 5).transpose(0, 2, 3, 1),
        (axes_in(0, 2, 3, 1),),
    ),
    "flattened": (numbers(2, 3, 4), numbers(6, 4), (RESHAPED,)),
    "not flattened": (numbers(6, 4), numbers(2, 3, 4), (RESHAPED,)),
    "heads merged": (
        numbers(2, 3, 4, 5),
        numbers(2, 3, 4, 5).transpose(0, 2, 1, 3).reshape(8, 3, 5),
        (axes_in(0, 2, 1, 3), RESHAPED),
    ),
    "heads split": (
        numbers(8, 3, 5),
        numbers(2, 4, 3, 5).transpose(0, 2, 1, 3),
        (axes_in(0, 2, 1, 3), RESHAPED),
    ),
    "channels last, flattened": (
        numbers(2, 3, 4, 5),
        numbers(2, 3, 4, 5).transpose(0, 2, 3, 1).reshape(2, 60),
        (axes_in(0, 2, 3, 1), RESHAPED),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_layout_that_leads_from_one_to_the_other_is_among_those_that_the_shapes_allow(case: str) -> None:
    reference, candidate, causes = CASES[case]
    fitting = [
        layout
        for layout in layouts(reference.shape, candidate.shape)
        if np.array_equal(laid_out(layout, reference, candidate.shape), candidate)
    ]
    assert fitting[0].reasons(reference.shape, candidate.shape) == causes


@pytest.mark.parametrize("case", CASES)
def test_each_layout_fits_the_shapes_and_keeps_all_elements(case: str) -> None:
    reference, candidate, _ = CASES[case]
    for layout in layouts(reference.shape, candidate.shape):
        assert layout.rule(reference.shape, candidate.shape).shape_or_none(reference.shape) == candidate.shape
        assert sorted(laid_out(layout, reference, candidate.shape).ravel()) == sorted(reference.ravel())


def test_a_layout_holds_for_batches_of_other_sizes() -> None:
    heads = Layout(before=(0, 2, 1, 3))
    for batch, time in ((2, 3), (5, 1), (1, 7)):
        array = numbers(batch, time, 4, 5)
        expected = array.transpose(0, 2, 1, 3).reshape(batch * 4, time, 5)
        assert np.array_equal(laid_out(heads, array, expected.shape), expected)


def test_shapes_of_other_sizes_allow_none() -> None:
    assert list(layouts((2, 3), (2, 4))) == []
    assert list(layouts((0, 3), (3, 0))) == []
    assert list(layouts((3, 4), (3, 4))) == []


def test_axes_in_another_order_are_preferred_to_a_reshape_that_only_a_batch_of_one_allows() -> None:
    first, *others = layouts((1, 4, 8), (4, 1, 8))
    assert first == Layout(before=(1, 0, 2))
    assert Layout() not in others, "it moves the same elements"
    assert np.array_equal(laid_out(first, numbers(2, 4, 8), (4, 2, 8)), numbers(2, 4, 8).transpose(1, 0, 2))


@pytest.mark.parametrize(
    ("reference", "candidate", "count"),
    [
        ((1, 1, 1, 1, 8), (1, 1, 1, 1, 8), 0),
        ((2, 1, 1, 8), (2, 8), 1),
        ((2, 8), (1, 2, 1, 8), 1),
        ((3, 1, 3), (3, 1, 3), 1),
        ((2, 3), (3, 2), 2),
        ((2, 2, 3), (2, 2, 3), 1),
    ],
)
def test_orders_that_move_the_same_elements_are_tried_once(
    reference: tuple[int, ...], candidate: tuple[int, ...], count: int
) -> None:
    found = [laid_out(layout, numbers(*reference), candidate) for layout in layouts(reference, candidate)]
    assert len(found) == len({array.tobytes() for array in found}) == count
