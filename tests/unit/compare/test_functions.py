"""Functions between layers, matched by value: each kind of finding, and what stays unsaid."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest
from recorded_functions import Held, RecordedFunctions

from padiff_compare.capture.sides import TensorPair
from padiff_compare.functions.checked import checked
from padiff_compare.functions.locate import Inside, Located, Spot, locate
from padiff_rpc.errors import ProtocolError
from padiff_rpc.v1.records import FunctionBoundary, FunctionCall, FunctionTrace
from padiff_rpc.v1.words import CallMoment, FindingKind, Side

B, T, H, W = 2, 5, 3, 4
RETURNED = Spot("block", 0, CallMoment.EXIT, "0")


def draw(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def softmax(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def reference_attention(x: Any, mask: Any) -> FunctionTrace:
    """Torch's way, line by line."""
    f = RecordedFunctions(file="model.py")
    given, masked = f.given(x), f.given(mask, "1")
    q, k, v = (_heads(f, given, name, 10) for name in "qkv")
    k = f.move("transpose", lambda a: a.swapaxes(2, 3), k, 11)
    scores = f.call("matmul", np.matmul, q, k, line=11)
    scores = f.call("divide", lambda a: a / math.sqrt(W), scores, line=12, other=math.sqrt(W))
    hidden = f.call("equal", lambda a: a == 0, masked, line=13, other=0)
    scores = f.call("masked_fill", lambda a, b: np.where(b, -1e4, a), scores, hidden, line=13, value=-1e4)
    weights = f.call("softmax", lambda a: softmax(a, -1), scores, line=14, axis=-1)
    out = f.call("matmul", np.matmul, weights, v, line=15)
    out = f.move("transpose", lambda a: a.transpose(0, 2, 1, 3), out, 16)
    out = f.move("reshape", lambda a: a.reshape(B, T, H * W), out, 16)
    out = f.call("add", np.add, given, out, line=17)
    return f.returned(out)


def _heads(f: RecordedFunctions, given: Held, name: str, line: int) -> Held:
    made = f.layer(name, lambda a: a @ draw(ord(name), H * W, H * W), given)
    split = f.move("reshape", lambda a: a.reshape(B, T, H, W), made, line)
    return f.move("transpose", lambda a: a.transpose(0, 2, 1, 3), split, line)


def candidate_attention(x: Any, mask: Any, fault: str = "") -> FunctionTrace:
    """The same in other functions: where for masked_fill, a product that transposes."""
    f = RecordedFunctions()
    given, masked = f.given(x), f.given(mask, "1")
    q, k, v = (_heads(f, given, name, 20) for name in "qkv")
    scores = f.call("matmul", lambda a, b: a @ b.swapaxes(2, 3), q, k, line=21, transpose_y=True)
    scale = 1 / W if fault == "function" else 1 / math.sqrt(W)
    scores = f.call("multiply", lambda a: a * scale, scores, line=22, other=scale)
    wrong = fault == "mask"
    hidden = f.call("equal", lambda a: a == int(wrong), masked, line=23, other=int(wrong))
    low = f.call("full_like", lambda a: np.full_like(a, -1e4), scores, line=24, value=-1e4)
    scores = f.call("where", np.where, hidden, low, scores, line=25)
    axis = -2 if fault == "axis" else -1
    weights = f.call("softmax", lambda a: softmax(a, axis), scores, line=26, axis=axis)
    if fault == "extra":
        weights = f.call("multiply", lambda a: a * 0.9, weights, line=27, other=0.9)
    out = f.call("matmul", np.matmul, weights, k if fault == "other" else v, line=28)
    if fault != "layout":
        out = f.move("transpose", lambda a: a.transpose(0, 2, 1, 3), out, 29)
    out = f.move("reshape", lambda a: a.reshape(B, T, H * W), out, 30)
    if fault != "missing":
        out = f.call("add", np.add, out, given, line=31)
    return f.returned(out)


def spots(*paths: str) -> tuple[TensorPair[Spot], ...]:
    """Returns slots that both sides have alike: of the parent, and of these layers."""
    own = [Spot("block", 0, CallMoment.ENTRY, slot) for slot in "01"] + [RETURNED]
    inner = [Spot(path, 0, moment, "0") for path in paths for moment in (CallMoment.ENTRY, CallMoment.EXIT)]
    return tuple(TensorPair(reference=spot, candidate=spot) for spot in [*own, *inner])


def found(
    reference: FunctionTrace, candidate: FunctionTrace, sink: Spot = RETURNED, *paths: str
) -> list[Located]:
    traces = {Side.REFERENCE: reference, Side.CANDIDATE: candidate}
    inside = Inside(traces=traces, slots=spots(*paths), parameters={"w": ("w",)})
    return list(locate(inside, TensorPair(reference=sink, candidate=sink)))


def named(one: Located, side: Side) -> tuple[str, Optional[int]]:
    """Returns a side's function and its line; "" for none."""
    call = one.parting.calls[side]
    return ("", None) if call is None else (call.operation, call.source.line if call.source else None)


X, MASK = draw(1, B, T, H * W), np.tril(np.ones((T, T), np.int64))


@pytest.mark.parametrize(
    ("fault", "kind", "reference", "candidate"),
    [
        ("function", FindingKind.FUNCTION, ("divide", 12), ("multiply", 22)),
        ("mask", FindingKind.FUNCTION, ("equal", 13), ("equal", 23)),
        ("axis", FindingKind.FUNCTION, ("softmax", 14), ("softmax", 26)),
        ("extra", FindingKind.EXTRA, ("softmax", 14), ("multiply", 27)),
        ("other", FindingKind.OTHER_TENSOR, ("Layer", None), ("Layer", None)),
        ("layout", FindingKind.LAYOUT, ("transpose", 16), ("reshape", 30)),
        ("missing", FindingKind.MISSING, ("add", 17), ("matmul", 28)),
    ],
)
def test_each_kind_of_fault_is_named_with_the_lines_of_both_sides(
    fault: str, kind: FindingKind, reference: tuple[str, int], candidate: tuple[str, int]
) -> None:
    first = found(reference_attention(X, MASK), candidate_attention(X, MASK, fault), RETURNED, *"qkv")[0]
    assert first.parting.kind is kind
    assert (named(first, Side.REFERENCE), named(first, Side.CANDIDATE)) == (reference, candidate)


def test_a_healthy_port_of_another_sequence_of_functions_has_nothing_to_find() -> None:
    assert found(reference_attention(X, MASK), candidate_attention(X, MASK), RETURNED, *"qkv") == []


def lines(*calls: Callable[[RecordedFunctions, Held], Held], file: str = "port.py") -> FunctionTrace:
    """Returns the trace of a parent that does one thing after the other with its input."""
    f = RecordedFunctions(file=file)
    held = f.given(draw(2, 4, 6))
    for call in calls:
        held = call(f, held)
    return f.returned(held)


def step(operation: str, compute: Callable[[Any], Any], line: int, **arguments: Any) -> Any:
    return lambda f, held: f.call(operation, compute, held, line=line, **arguments)


def test_a_scale_of_one_is_held_against_the_scale_that_it_should_be() -> None:
    reference = lines(step("multiply", lambda a: a * 5.0, 3, other=5.0), file="model.py")
    candidate = lines(step("multiply", lambda a: a * 1.0, 8, other=1.0))
    (one,) = found(reference, candidate)
    assert one.parting.kind is FindingKind.FUNCTION
    assert (named(one, Side.REFERENCE), named(one, Side.CANDIDATE)) == (("multiply", 3), ("multiply", 8))


def test_what_one_side_computes_in_one_call_and_the_other_in_three_is_a_region() -> None:
    reference = lines(
        step("tanh", np.tanh, 2),
        step("normalize", lambda a: (a - a.mean(-1, keepdims=True)) / a.std(-1, keepdims=True), 3),
    )

    def by_hand(f: RecordedFunctions, held: Held) -> Held:
        mean = f.call("mean", lambda a: a.mean(-1, keepdims=True), held, line=8)
        centred = f.call("subtract", np.subtract, held, mean, line=8)
        size = f.call("mean", lambda a: np.abs(a).mean(-1, keepdims=True), centred, line=9)
        return f.call("divide", np.divide, centred, size, line=10)

    (one,) = found(reference, lines(step("tanh", np.tanh, 7), by_hand))
    assert one.parting.kind is FindingKind.REGION
    assert [line.line for line in one.lines[Side.REFERENCE]] == [3]
    assert [line.line for line in one.lines[Side.CANDIDATE]] == [8, 9, 10]


def test_the_parts_of_one_call_of_the_users_are_held_as_one_function_against_the_other_sides() -> None:
    whole = lines(step("normalize", lambda a: a / (1e-3 + np.abs(a).max()), 3))

    def in_parts(f: RecordedFunctions, held: Held) -> Held:
        size = f.call("max", lambda a: np.abs(a).max(), held, line=8, group=5)
        size = f.call("add", lambda a: a + 1.0, size, line=8, group=5)
        return f.call("divide", np.divide, held, size, line=8, group=5)

    (one,) = found(whole, lines(in_parts))
    assert one.parting.kind is FindingKind.FUNCTION
    assert (named(one, Side.REFERENCE), named(one, Side.CANDIDATE)) == (("normalize", 3), ("divide", 8))


def test_what_an_earlier_fault_made_is_not_charged_again_behind_the_place_where_lockstep_mends_it() -> None:
    def both(scale: float, more: float) -> Callable[..., FunctionTrace]:
        def build(override: Any = None) -> tuple[FunctionTrace, Any]:
            f = RecordedFunctions()
            x = f.given(draw(2, 4, 6))
            y = f.call("multiply", lambda a: a * scale, x, line=2, other=scale)
            h = f.layer("fc", lambda a: np.tanh(a), y, override=() if override is None else (override,))
            if override is not None:
                y = Held(4 - 1, override)
            z = f.call("add", lambda a, b: a + more * b, y, h, line=4, alpha=more)
            return f.returned(z), y.array

        return build  # type: ignore[return-value]

    reference, value = both(2.0, 1.0)()
    candidate, _ = both(3.0, 0.5)(value)
    entry = Spot("fc", 0, CallMoment.ENTRY, "0")
    (first,) = found(reference, candidate, entry, "fc")
    (second,) = found(reference, candidate, RETURNED, "fc")
    assert (named(first, Side.CANDIDATE), named(second, Side.CANDIDATE)) == (("multiply", 2), ("add", 4))


class TestLimits:
    """What says too little is never held for a partner, and clears nobody."""

    def test_constants_do_not_clear_what_they_are_made_of(self) -> None:
        def zeros(factor: float) -> FunctionTrace:
            f = RecordedFunctions()
            x = f.given(draw(2, 4, 6))
            y = f.call("multiply", lambda a: a * factor, x, line=2, other=factor)
            f.call("zeros_like", np.zeros_like, y, line=3)
            z = f.call("tanh", np.tanh, y, line=4)
            return f.returned(z)

        (one,) = found(zeros(2.0), zeros(3.0))
        assert named(one, Side.CANDIDATE) == ("multiply", 2)

    def test_constants_of_other_values_are_a_difference_of_the_calls_that_make_them(self) -> None:
        def masked(value: float) -> FunctionTrace:
            f = RecordedFunctions()
            x = f.given(draw(2, 4, 6))
            low = f.call("full", lambda: np.full((4, 6), value), line=2, fill_value=value)
            return f.returned(f.call("add", np.add, x, low, line=3))

        (one,) = found(masked(0.5), masked(0.25))
        assert (one.parting.kind, named(one, Side.CANDIDATE)) == (FindingKind.FUNCTION, ("full", 2))

    def test_a_scalar_does_not_clear_what_it_is_made_of(self) -> None:
        def scaled(factor: float) -> FunctionTrace:
            f = RecordedFunctions()
            x = f.given(draw(2, 4, 6))
            y = f.call("multiply", lambda a: a * factor, x, line=2, other=factor)
            f.call("argmax", lambda a: np.asarray(a.argmax()), y, line=3)
            return f.returned(f.call("tanh", np.tanh, y, line=4))

        (one,) = found(scaled(2.0), scaled(3.0))
        assert named(one, Side.CANDIDATE) == ("multiply", 2)

    def test_rounding_noise_pairs_with_nothing_and_is_no_difference(self) -> None:
        def centred(seed: int, factor: float) -> FunctionTrace:
            f = RecordedFunctions()
            x = f.given(draw(2, 4, 6))
            noise = f.call("subtract", lambda a: 1e-8 * draw(seed, 4, 6), x, line=2)
            y = f.call("multiply", lambda a: a * factor, x, line=3, other=factor)
            return f.returned(f.call("add", np.add, y, noise, line=4))

        (one,) = found(centred(5, 2.0), centred(6, 3.0))
        assert named(one, Side.CANDIDATE) == ("multiply", 3)
        assert found(centred(5, 2.0), centred(6, 2.0)) == []

    def test_the_same_numbers_in_another_order_are_no_partners(self) -> None:
        def shifted(by: int) -> FunctionTrace:
            f = RecordedFunctions()
            x = f.given(draw(2, 4, 6))
            y = f.call("roll", lambda a: np.roll(a, by, 1), x, line=2, is_layout=True, shifts=by)
            return f.returned(f.call("tanh", np.tanh, y, line=3))

        (one,) = found(shifted(1), shifted(2))
        assert (one.parting.kind, named(one, Side.CANDIDATE)) == (FindingKind.LAYOUT, ("roll", 2))

    def test_truth_values_are_no_partners_of_integers_of_the_same_values(self) -> None:
        def where(port: bool) -> FunctionTrace:
            f = RecordedFunctions()
            x, mask = f.given(draw(2, 5, 5)), f.given(MASK, "1")
            hidden = f.call("equal", lambda m: m == int(port), mask, line=2, other=int(port))
            return f.returned(f.call("where", lambda m, a: np.where(m, a, 0.0), hidden, x, line=3))

        (one,) = found(where(False), where(True))
        assert (one.parting.kind, named(one, Side.CANDIDATE)) == (FindingKind.FUNCTION, ("equal", 2))

    def test_a_few_elements_of_many_are_seen(self) -> None:
        def spiked(by: float) -> FunctionTrace:
            f = RecordedFunctions()
            x = f.given(draw(2, 100, 100))

            def spike(a: Any) -> Any:
                a = a.copy()
                a[3, 4] += by
                return a

            return f.returned(f.call("tanh", np.tanh, f.call("set_item", spike, x, line=2), line=3))

        (one,) = found(spiked(0.0), spiked(1.0))
        assert named(one, Side.CANDIDATE) == ("set_item", 2)

    def test_a_tensor_made_out_of_sight_leaves_a_region(self) -> None:
        def hidden(factor: float) -> FunctionTrace:
            f = RecordedFunctions()
            f.given(draw(2, 4, 6))
            unseen = f.given(factor * draw(3, 4, 6), "unseen")
            return f.returned(f.call("tanh", np.tanh, unseen, line=2))

        (one,) = found(hidden(1.0), hidden(2.0))
        assert one.parting.kind is FindingKind.REGION


def test_the_first_of_the_users_own_marks_that_differs_is_where_the_search_begins() -> None:
    def marked(first: float, second: float) -> FunctionTrace:
        f = RecordedFunctions()
        x = f.given(draw(2, 4, 6))
        y = f.call("multiply", lambda a: a * first, x, line=2)
        f.mark("scaled", y)
        n = f.call("norm", lambda a: a / np.linalg.norm(a), y, line=3)
        return f.returned(f.call("multiply", lambda a: a * second, n, line=4))

    (one,) = found(marked(2.0, 2.0), marked(3.0, 3.0))
    assert one.mark == "scaled"
    assert named(one, Side.CANDIDATE) == ("multiply", 2)


def masked(value: float, spread: bool) -> FunctionTrace:
    """Returns a product with one mask for all, which one framework repeats to the product's size."""
    f = RecordedFunctions()
    x, mask = f.given(draw(2, B, T, T)), f.given(MASK, "1")
    scores = f.call("multiply", lambda a: a * value, x, line=2, other=value)
    hidden = f.call("equal", lambda a: a == 0, mask, line=3, other=0)
    if spread:
        hidden = f.move("expand", lambda a: np.broadcast_to(a, (B, T, T)).copy(), hidden, 4)
        low = f.call("full", lambda: np.full((1,), -1e9), line=4, value=-1e9)
        made = f.call("where", np.where, hidden, low, scores, line=4)
    else:
        made = f.call("masked_fill", lambda a, m: np.where(m, -1e9, a), scores, hidden, line=4, value=-1e9)
    return f.returned(f.call("softmax", lambda a: softmax(a, -1), made, line=5, axis=-1))


def test_a_mask_that_one_side_repeats_is_the_same_mask() -> None:
    assert found(masked(1.0, spread=False), masked(1.0, spread=True)) == []
    (one,) = found(masked(1.0, spread=False), masked(2.0, spread=True))
    assert (one.parting.kind, named(one, Side.CANDIDATE)) == (FindingKind.FUNCTION, ("multiply", 2))


def test_a_maximum_does_not_clear_what_it_is_taken_of() -> None:
    def limited(edge: float) -> FunctionTrace:
        f = RecordedFunctions()
        x = f.given(draw(2, 6, 8))

        def bordered(a: Any) -> Any:
            return np.concatenate([a, np.full((6, 1), edge)], axis=1)

        padded = f.call("pad", bordered, x, line=2, value=edge)
        top = f.call("max", lambda a: a.max(1, keepdims=True), padded, line=3, axis=1)
        return f.returned(f.call("subtract", np.subtract, padded, top, line=4))

    (one,) = found(limited(0.0), limited(-0.5))
    assert (one.parting.kind, named(one, Side.CANDIDATE)) == (FindingKind.FUNCTION, ("pad", 2))


def test_calls_that_need_not_correspond_are_no_reason_to_speak_of_another_tensor() -> None:
    """Two ways to mix by a gate: what one subtracts, the other never makes."""

    def gated(by_hand: bool, fault: bool) -> FunctionTrace:
        f = RecordedFunctions()
        old, new, z = f.given(draw(2, 4, 6)), f.given(draw(3, 4, 6), "1"), f.given(draw(4, 4, 6), "2")
        n = f.call("relu" if fault else "tanh", (lambda a: a.clip(0)) if fault else np.tanh, new, line=2)
        if by_hand:
            less = f.call("subtract", np.subtract, old, n, line=3)
            return f.returned(
                f.call("add", np.add, n, f.call("multiply", np.multiply, z, less, line=3), line=3)
            )
        rest = f.call("subtract", lambda a: 1 - a, z, line=3, other=1)
        mine = f.call("multiply", np.multiply, rest, n, line=3)
        kept = f.call("multiply", np.multiply, z, old, line=3)
        return f.returned(f.call("add", np.add, mine, kept, line=3))

    assert found(gated(False, False), gated(True, False)) == []
    (one,) = found(gated(False, False), gated(True, True))
    assert one.parting.kind in (FindingKind.REGION, FindingKind.FUNCTION)
    assert (named(one, Side.REFERENCE), named(one, Side.CANDIDATE)) == (("tanh", 2), ("relu", 2))


def test_the_same_tensor_twice_is_held_against_two() -> None:
    def joined(sign: float) -> FunctionTrace:
        f = RecordedFunctions()
        x = f.given(draw(2, 4, 6))
        other = x if sign > 0 else f.call("negative", np.negative, x, line=2)
        return f.returned(f.call("concat", lambda a, b: np.concatenate([a, b], 1), x, other, line=3, axis=1))

    (one,) = found(joined(-1.0), joined(1.0))
    assert (one.parting.kind, named(one, Side.REFERENCE)) == (FindingKind.MISSING, ("negative", 2))


def test_a_difference_as_small_as_rounding_is_left_alone() -> None:
    def scaled(by: float) -> FunctionTrace:
        return lines(step("multiply", lambda a: a * by, 3, other=by))

    assert found(scaled(1.0), scaled(1.0 + 3e-6)) == []
    (one,) = found(scaled(1.0), scaled(1.0 + 3e-5))
    assert named(one, Side.CANDIDATE) == ("multiply", 3)


def test_a_fault_at_the_beginning_of_a_long_loop_is_found_at_its_first_call() -> None:
    def looped(first: float) -> FunctionTrace:
        steps = [step("multiply", lambda a: a * first, 1, other=first)]
        for index in range(400):
            steps.append(step("subtract", lambda a, by=index: (by % 7) / 7 - a, 2))
        return lines(*steps)

    (one,) = found(looped(2.0), looped(3.0))
    assert (one.parting.kind, named(one, Side.CANDIDATE)) == (FindingKind.FUNCTION, ("multiply", 1))


@pytest.mark.parametrize(
    "broken",
    [
        {"tensors": ()},
        {
            "calls": (
                FunctionCall(number=7, operation="a", function="a", layer_path="", layer_call=0, group=1),
            )
        },
        {"boundaries": (FunctionBoundary(path="", call=0, slot="0", tensor=99, moment=CallMoment.ENTRY),)},
    ],
)
def test_a_trace_that_names_what_it_does_not_have_is_refused(broken: dict[str, Any]) -> None:
    whole = lines(step("tanh", np.tanh, 1))
    assert checked(whole) is whole
    with pytest.raises(ProtocolError, match="a trace of functions"):
        checked(dataclasses.replace(whole, **broken))
