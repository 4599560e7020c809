"""Pairs of which a sketch stands for one tensor, or both."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padiff_compare.judge.measured import Aspect, measure_pair
from padiff_compare.judge.tolerances import Tolerances
from padiff_compare.layout_rules import IDENTITY, STACK, TRANSPOSE, Rule, axes, chain, part_of, reshape_to
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import SKETCH_BUCKETS, HostTensor, cast, sketch, sum_of_squares
from padiff_rpc.v1.records import Options
from padiff_rpc.v1.words import CaptureKind, DType, Phase

ASPECT = Aspect(phase=Phase.GRADIENTS, kind=CaptureKind.PARAMETER_GRADIENT)


def tensor(*shape: int, seed: int = 0) -> HostTensor:
    values = np.random.default_rng(seed).normal(size=shape)
    return HostTensor.from_array(values.astype(np.float32))


def measured(reference, candidate, rule: Rule = IDENTITY, *, sum_squares: float):
    return measure_pair(
        ASPECT, reference, candidate, tolerances=Tolerances(Options()), sum_squares=sum_squares, rule=rule
    )


def squares(*tensors: HostTensor) -> float:
    return sum(sum_of_squares(one) for one in tensors)


def apart(value: HostTensor, by: float) -> HostTensor:
    noise = np.random.default_rng(9).normal(size=value.array.shape).astype(np.float32)
    return HostTensor.from_array(value.array + np.float32(by) * noise)


@pytest.mark.parametrize(
    ("rule", "shapes"),
    [
        (IDENTITY, [(60, 80)]),
        (TRANSPOSE, [(60, 80)]),
        (axes((2, 0, 1)), [(12, 20, 30)]),
        (reshape_to((4800,)), [(60, 80)]),
        (STACK, [(40, 50), (70, 50)]),
        (chain(STACK, TRANSPOSE), [(40, 50), (40, 50)]),
    ],
)
def test_figures_of_sketches_are_those_of_the_tensors_about(rule, shapes) -> None:
    ours = [tensor(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    theirs = apart(rule.apply(*ours), 0.01)
    measure = partial(measured, rule=rule, sum_squares=squares(*ours))
    exact, estimated = measure(ours, theirs), measure([sketch(one) for one in ours], theirs)
    assert estimated.reference == exact.reference
    assert estimated.scale == exact.scale
    assert estimated.figures.elements == exact.figures.elements
    assert estimated.figures.rmse == pytest.approx(exact.figures.rmse, rel=0.1)
    assert estimated.figures.relative_l2 == pytest.approx(exact.figures.relative_l2, rel=0.1)
    assert not estimated.figures.bitwise_equal
    other = measure(ours, sketch(theirs))
    assert other.figures.rmse == pytest.approx(exact.figures.rmse, rel=0.1)


def test_some_of_several_tensors_may_be_whole() -> None:
    ours = [tensor(4, 50), tensor(70, 50, seed=1)]
    theirs = STACK.apply(*ours)
    found = measured([ours[0], sketch(ours[1])], theirs, STACK, sum_squares=squares(*ours))
    assert found.figures.relative_l2 == 0.0


@pytest.mark.parametrize(
    ("rule", "sketches"),
    [(part_of(0, 2), (True, False)), (TRANSPOSE, (True, True))],
)
def test_what_cannot_be_brought_together_says_so(rule, sketches) -> None:
    ours = tensor(60, 80)
    theirs = rule.apply(ours)
    pair = [sketch(one) if is_sketch else one for one, is_sketch in zip((ours, theirs), sketches)]
    with pytest.raises(InvalidRequestError, match="a sketch was recorded"):
        measured(*pair, rule, sum_squares=squares(ours))


def test_other_shapes_are_no_matter_of_sketches() -> None:
    ours, theirs = tensor(60, 80), tensor(60, 90)
    found = measured(sketch(ours), theirs, sum_squares=squares(ours))
    assert found.figures is None
    assert (found.reference.shape, found.candidate.shape) == ((60, 80), (60, 90))


@pytest.mark.parametrize("width", [1024, 1000, 64, SKETCH_BUCKETS - 1])
@pytest.mark.parametrize("what", ["column", "row", "all", "one"])
def test_the_norm_of_a_difference_is_kept_wherever_it_lies(what: str, width: int) -> None:
    whole = tensor(4096 * 64 // width, width)
    other = whole.array.astype(np.float64)
    other[{"column": np.s_[:, 5], "row": np.s_[7], "all": np.s_[:], "one": np.s_[3, 3]}[what]] += 0.25
    theirs = HostTensor.from_array(other.astype(np.float32))
    exact = np.linalg.norm(theirs.array.astype(np.float64) - whole.array)
    estimate = np.linalg.norm(sketch(theirs).array - sketch(whole).array)
    assert estimate == pytest.approx(exact, rel=0.1)


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, SKETCH_BUCKETS), seed=st.integers(0, 100))
def test_few_elements_are_sketched_without_loss(size: int, seed: int) -> None:
    one, other = tensor(size, seed=seed), tensor(size, seed=seed + 1)
    exact = np.linalg.norm(one.array.astype(np.float64) - other.array)
    assert np.linalg.norm(sketch(one).array - sketch(other).array) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64])
def test_every_floating_dtype_is_sketched(dtype: DType) -> None:

    one = cast(tensor(100, 100), dtype)
    assert np.linalg.norm(sketch(one).array) == pytest.approx(100.0, rel=0.1)
    assert sketch(one).told_spec.dtype is dtype
