"""Each place is held against what it is made of: terms that cancel leave rounding, small terms do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from captured_step import Both, Reals, Step, apart, draw, noise, same

from padiff_compare.capture.store import TensorStore
from padiff_rpc.v1.words import Verdict

MATCH, WITHIN, MISMATCH = Verdict.MATCH, Verdict.WITHIN_TOLERANCE, Verdict.MISMATCH


@pytest.fixture
def store() -> Iterator[TensorStore]:
    with TensorStore(1 << 24) as store:
        yield store


X = draw(1, 2, 4, 6, 6)
POOLED = "entry::x, norm x -> n, pool n -> p, fc p -> y, exit::y"


@pytest.mark.parametrize(
    ("kind", "made", "verdict"),
    [
        # A mean of 36 values of size 1 that cancel: rounding of 1e-8, whoever makes it.
        ("pool", noise(2, 4, 1, 1, scale=1e-8), WITHIN),
        ("between", noise(2, 4, scale=1e-8), WITHIN),
        ("max", noise(2, 4, 1, 1, scale=1e-8), WITHIN),
        # As large as a mean of values that do not cancel, and another on the other side.
        ("pool", noise(2, 4, 1, 1, scale=0.2), MISMATCH),
        ("between", noise(2, 4, scale=0.2), MISMATCH),
        # A mean over the wrong axis is no noise on one side.
        ("pool", (draw(5, 2, 4, 1, 1, scale=1e-8), draw(6, 2, 4, 1, 1, scale=0.1)), MISMATCH),
        ("between", (draw(5, 2, 4, scale=1e-8), draw(6, 2, 4, scale=0.1)), MISMATCH),
        # Far above rounding.
        ("pool", noise(2, 4, 1, 1, scale=4e-6), MISMATCH),
        ("max", noise(2, 4, 1, 1, scale=4e-6), MISMATCH),
        ("between", noise(2, 4, scale=4e-6), MISMATCH),
        # As many as there were: nothing was summed, and a small value is an honest one.
        ("soft", noise(2, 4, 6, 6, scale=1e-8), MISMATCH),
        ("weights", noise(2, 4, scale=1e-8), MISMATCH),
    ],
)
def test_what_is_made_of_values_that_cancel_is_held_against_these(
    store: TensorStore, kind: str, made: Both, verdict: Verdict
) -> None:
    calls = {
        "between": "entry::x, norm x -> n, fc p -> y, exit::y",
        "weights": "entry::x, norm x -> n, fc n -> p, exit::p",
    }.get(kind, f"entry::x, norm x -> n, {kind} n -> p, fc p -> y, exit::y")
    values = {"x": same(X), "n": same(draw(2, 2, 4, 6, 6)), "p": made, "y": same(draw(3, 2, 3))}
    assert Step(store, calls, values).value("p") is verdict


@pytest.mark.parametrize("mark", [-np.inf, np.finfo(np.float32).min, -1e9])
def test_marks_of_a_mask_are_no_terms(store: TensorStore, mark: float) -> None:
    masked = draw(2, 2, 4, 6, 6)
    masked[:, :, 3:] = mark
    calls = "entry::x, norm x -> n, fc p -> y, exit::y"
    values = {"x": same(X), "n": same(masked), "p": noise(2, 4, scale=1e-3), "y": same(draw(3, 2, 3))}
    assert Step(store, calls, values).value("p") is MISMATCH
    sent_back = gradients(
        n=same(np.where(masked[:, 0, 2:, :3].reshape(8, 3) < -9, mark, 1.0)), h=noise(8, 3, scale=1e-3)
    )
    assert Step(store, LINE, VALUES, sent_back).gradient("h") is MISMATCH


def test_a_small_value_behind_honest_ones_is_compared(store: TensorStore) -> None:
    values = {
        "x": same(X),
        "n": same(draw(2, 2, 4, 6, 6)),
        "p": same(draw(4, 2, 4, 1, 1)),
        "y": noise(2, 3, scale=1e-9),
    }
    assert Step(store, POOLED, values).value("y") is MISMATCH


@pytest.mark.parametrize(
    ("loss", "verdict"),
    [
        ((np.float32(1e-9), np.float32(-2e-9)), WITHIN),
        ((np.float32(1e-2), np.float32(3e-2)), MISMATCH),
    ],
)
def test_a_loss_that_is_a_mean_of_centred_values_is_rounding(
    store: TensorStore, loss: Any, verdict: Verdict
) -> None:
    values = {"x": same(X), "n": same(draw(2, 2, 4, 6, 6))}
    step = Step(store, "entry::x, norm x -> n, exit::n", values, loss=(np.array(loss[0]), np.array(loss[1])))
    assert step.loss() is verdict


LINE = "entry::x, fc x -> h, norm h -> n, exit::n"
SHAPES = {"x": (8, 4), "h": (8, 3), "n": (8, 3)}
VALUES = {letter: same(draw(number, *shape)) for number, (letter, shape) in enumerate(SHAPES.items())}


def gradients(**given: Both) -> dict[str, Both]:
    return {**{letter: same(draw(9, *shape)) for letter, shape in SHAPES.items()}, **given}


@pytest.mark.parametrize(
    ("sent_back", "verdict"),
    [
        (noise(8, 3, scale=1e-8), WITHIN),
        # Twelve epsilons of the gradient behind the norm are 1.4e-6.
        (noise(8, 3, scale=1e-4), MISMATCH),
        ((draw(3, 8, 3, scale=1e-4), draw(3, 8, 3, scale=3e-4)), MISMATCH),
        # Nothing but a small part of it differs: the terms cancelled in part.
        (apart(8, 3, scale=1e-4, by=6e-6), WITHIN),
        # A factor, a constant, nothing at all on one side.
        ((draw(3, 8, 3, scale=1e-4), draw(3, 8, 3, scale=1.06e-4)), MISMATCH),
        ((draw(3, 8, 3, scale=1e-6), draw(3, 8, 3, scale=3e-6)), MISMATCH),
        ((draw(3, 8, 3, scale=1e-6), draw(3, 8, 3, scale=-1e-6)), MISMATCH),
        ((draw(3, 8, 3, scale=1e-6), draw(3, 8, 3, scale=1e-6) + np.float32(5e-6)), MISMATCH),
        ((draw(3, 8, 3, scale=1e-5), np.zeros((8, 3), np.float32)), MISMATCH),
        ((np.zeros((8, 3), np.float32), draw(3, 8, 3, scale=1e-5)), MISMATCH),
        # The terms of one side may cancel exactly.
        ((draw(3, 8, 3, scale=1e-7), np.zeros((8, 3), np.float32)), WITHIN),
        ((draw(3, 8, 3, scale=1e-8), draw(6, 8, 3)), MISMATCH),
    ],
)
def test_a_gradient_is_held_against_what_came_back_to_its_call(
    store: TensorStore, sent_back: Both, verdict: Verdict
) -> None:
    assert Step(store, LINE, VALUES, gradients(h=sent_back)).gradient("h") is verdict


def test_a_small_gradient_of_a_small_one_is_honest_however_large_others_are(store: TensorStore) -> None:
    small = draw(3, 8, 3, scale=1e-9)
    wrong = gradients(n=same(draw(9, 8, 3, scale=1e-9)), h=(small, 3 * small))
    behind = f"{LINE.rpartition(',')[0]}, soft z -> w, exit::nw"
    values = {**VALUES, "z": same(draw(5, 8, 3)), "w": same(draw(6, 8, 3))}
    large = {"z": same(draw(7, 8, 3, scale=1e3)), "w": same(draw(8, 8, 3, scale=1e3))}
    assert Step(store, behind, values, {**wrong, **large}).gradient("h") is MISMATCH


@pytest.mark.parametrize(
    ("taken", "name", "made", "verdict"),
    [
        # The sum of what came back cancels: an attention key's bias.
        (1.0, "bias", noise(3, scale=1e-8), WITHIN),
        (1.0, "bias", noise(3, scale=1e-4), MISMATCH),
        (1.0, "bias", (draw(3, 3, scale=1e-3), draw(3, 3, scale=3e-3)), MISMATCH),
        (1.0, "weight", noise(3, 4, scale=1e-8), WITHIN),
        # What was taken is small, and so is an honest gradient.
        (1e-5, "weight", noise(3, 4, scale=1e-8), MISMATCH),
        (1e-5, "bias", noise(3, scale=1e-8), WITHIN),
        (1e3, "weight", noise(3, 4, scale=1e-5), WITHIN),
    ],
)
def test_a_weights_gradient_is_held_against_what_its_calls_took_and_got_back(
    store: TensorStore, taken: float, name: str, made: Both, verdict: Verdict
) -> None:
    values = {**VALUES, "x": same(draw(1, 8, 4, scale=taken))}
    assert Step(store, LINE, values, gradients(), {name: made}).of_weight(name) is verdict


THREE = np.float32(3)


@pytest.mark.parametrize("candidate", ["tripled", "zero", "other", "as reference"])
@pytest.mark.parametrize(
    ("calls", "scale"),
    [
        # A leaf that makes values small; code of a block that does so.
        ("fc x -> a, gamma a -> b", 1e-6),
        ("entry:block:x, fc x -> a, exit:block:b", 1e-6),
    ],
)
def test_gradients_that_a_small_factor_made_small_are_compared(
    store: TensorStore, calls: str, scale: float, candidate: str
) -> None:
    x, a, back = draw(1, 64, 4), draw(2, 64, 3), draw(3, 64, 3)
    made = np.float32(scale) * a if "gamma" in calls else draw(5, 64, 3)
    gradient = np.float32(scale) * back
    weights = {"weight": gradient.T @ x, "bias": gradient.sum(0)}

    def against(values: Reals) -> Both:
        return values, {
            "tripled": values * THREE,
            "zero": values * np.float32(0),
            "other": draw(17, *values.shape, scale=float(np.abs(values).max())),
            "as reference": values,
        }[candidate]

    step = Step(
        store,
        calls,
        {"x": same(x), "a": same(a), "b": same(made)},
        {"b": same(back), "a": against(gradient)},
        {name: against(values) for name, values in weights.items()},
    )
    verdict = MATCH if candidate == "as reference" else MISMATCH
    assert step.gradient("a") is verdict
    assert [step.of_weight(name) for name in weights] == [verdict, verdict]


def test_what_a_small_factor_takes_noise_to_is_noise_of_that_size(store: TensorStore) -> None:
    values = {"x": same(draw(1, 64, 4)), "a": same(draw(2, 64, 4)), "b": same(draw(2, 64, 4, scale=1e-6))}
    for scale, verdict in ((1e-14, WITHIN), (1e-9, MISMATCH)):
        given = {"b": same(draw(3, 64, 4)), "a": noise(64, 4, scale=scale)}
        assert Step(store, "gamma x -> a, soft a -> b", values, given).gradient("a") is verdict


@pytest.mark.parametrize("scale", [1e-5, 1e-6])
def test_parameters_that_no_call_owns_are_compared_however_small_their_gradients(
    store: TensorStore, scale: float
) -> None:
    values = {"x": same(draw(1, 64, 4)), "y": same(draw(2, 64, 1))}
    matrix, bias = draw(4, 3, 4, scale=scale), draw(5, 3, scale=scale)
    tripled = {"weight": (matrix, matrix * THREE), "bias": (bias, bias * THREE)}
    for calls in ("entry::x, exit::y", "entry::x, soft x -> z, exit::y"):
        given = {"y": same(draw(3, 64, 1)), "z": same(draw(6, 64, 4, scale=scale))}
        step = Step(store, calls, {**values, "z": same(draw(7, 64, 4))}, given, tripled)
        assert [step.of_weight(name) for name in tripled] == [MISMATCH, MISMATCH]
    # Next to a gradient as small as theirs, others of their size are honest.
    other = {"weight": noise(3, 4, scale=scale), "bias": noise(3, scale=scale)}
    step = Step(store, calls, {**values, "z": same(draw(7, 64, 4))}, given, other)
    assert [step.of_weight(name) for name in other] == [MISMATCH, MISMATCH]


def test_noise_in_a_parameter_that_no_call_owns_is_no_fault(store: TensorStore) -> None:
    values = {"x": same(draw(1, 64, 4)), "y": same(draw(2, 64, 1))}
    step = Step(
        store, "entry::x, exit::y", values, {"y": same(draw(3, 64, 1))}, {"bias": noise(3, scale=1e-7)}
    )
    assert step.of_weight("bias") is WITHIN


@pytest.mark.parametrize("rows", [64, 4])
def test_an_input_that_a_matrix_does_not_multiply_is_no_term(store: TensorStore, rows: int) -> None:
    """The time of day beside the values; of 4 rows, its axis could be the matrix's."""
    back, x = draw(7, rows, 3), draw(1, rows, 4)
    values = {"x": same(x), "t": same(np.full(rows, 1.6e9, np.float32)), "a": same(draw(6, rows, 3))}
    for calls in ("fc xt -> a", "fc tx -> a"):
        wrong = {"weight": (back.T @ x, np.zeros((3, 4), np.float32))}
        assert Step(store, calls, values, {"a": same(back)}, wrong).of_weight("weight") is MISMATCH
        small = {"weight": noise(3, 4, scale=1e-7)}
        assert Step(store, calls, values, {"a": same(back)}, small).of_weight("weight") is WITHIN


@pytest.mark.parametrize("is_constant", [True, False])
def test_what_other_code_makes_of_large_values_is_no_rounding(store: TensorStore, is_constant: bool) -> None:
    """Images of 0 to 255, of which the code takes a part, and divides it by a spread that is a little off."""
    images = (255 * np.random.default_rng(0).random((2, 3, 64, 64))).astype(np.float32)
    taken = (images[:, :, ::2, ::2] / 255 - np.float32(0.5)) / np.float32(0.25)
    wrong = np.float32(8e-4) if is_constant else draw(8, *taken.shape, scale=2e-4)
    values = {"x": same(images), "c": (taken, taken + wrong), "a": same(draw(1, 64, 3))}
    assert Step(store, "entry::x, fc c -> a, exit::a", values).value("c") is MISMATCH
