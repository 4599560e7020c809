"""Orders of axes of several weights: which are tried, how many, and which is taken."""

from __future__ import annotations

import operator

import pytest

from padiff_compare.layout_rules import IDENTITY, TRANSPOSE, fitting_axes
from padiff_compare.weights.order_search import MOST_TRIALS, distance, search
from padiff_rpc.v1.words import DType

BOTH = (IDENTITY, TRANSPOSE)
RIGHT, NEAR = 1e-8, 1e-5


def found(alternatives, error):
    """Returns the search, in which a pass under some orders is off by `error(orders)`."""
    measured = []

    def measure(orders):
        measured.append(orders)
        return distance(error(orders), DType.FLOAT32)

    result = search(alternatives, tuple(one[0] for one in alternatives), measure)
    assert list(result.tried) == measured
    assert len(set(measured)) == len(measured) <= MOST_TRIALS
    return result


def wrong_at(*right, each=0.1):
    """Returns the error of orders, which grows with those that are not right."""
    return lambda orders: RIGHT + each * sum(map(operator.ne, orders, right))


@pytest.mark.parametrize("each", [0.1, NEAR, RIGHT], ids=["large", "within a tolerance", "within rounding"])
@pytest.mark.parametrize("right", [(one, other) for one in BOTH for other in BOTH])
def test_the_nearest_is_taken_however_small_the_difference(right, each):
    result = found([BOTH, BOTH], wrong_at(*right, each=each))
    assert result.nearest == right
    assert set(result.of_one(0)) == set(BOTH)
    assert result.of_one(1)[right[1]].relative_l2 == RIGHT
    assert not result.is_open


def test_what_is_found_by_two_changes_alone():
    right = (TRANSPOSE, IDENTITY, TRANSPOSE)
    result = found([BOTH] * 3, lambda orders: RIGHT if orders == right else 0.5)
    assert result.nearest == right


def test_what_is_right_at_once_is_held_against_one_change_each():
    result = found([BOTH] * 10, wrong_at(*[IDENTITY] * 10))
    assert (len(result.tried), result.total, result.is_open) == (11, 1024, False)


def test_one_budget_of_passes_for_all():
    kernel = fitting_axes((2,) * 5, (2,) * 5)
    result = found([kernel], wrong_at(kernel[70]))
    assert (len(result.tried), result.total, result.is_open) == (MOST_TRIALS, 120, True)
    # The first is right, and some others are tried for the sake of a sentence.
    result = found([kernel], wrong_at(kernel[0]))
    assert (len(result.tried), result.is_open, len(result.of_one(0))) == (MOST_TRIALS, False, MOST_TRIALS)


def test_more_orders_than_could_be_listed():
    result = found([BOTH] * 50, wrong_at(*[TRANSPOSE] * 50))
    assert (len(result.tried), result.total, result.is_open) == (MOST_TRIALS, 2**50, True)


def test_what_nothing_tells_stays_as_it_was():
    result = found([BOTH, BOTH], lambda orders: 0.3)
    assert result.nearest == (IDENTITY, IDENTITY)
    assert len(result.tried) == result.total
