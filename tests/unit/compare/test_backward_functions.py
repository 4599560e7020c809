"""Functions between layers in backward: what sends a different gradient on, and what stays unsaid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pytest
from recorded_functions import Held, RecordedFunctions

from padiff_compare.capture.sides import TensorPair
from padiff_compare.functions.backward import locate_backward
from padiff_compare.functions.locate import Inside, Located, Spot
from padiff_rpc.v1.records import FunctionTrace
from padiff_rpc.v1.words import CallMoment, FindingKind, Side

SHAPE = (4, 6)
RETURNED = Spot("block", 0, CallMoment.EXIT, "0")


def draw(seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal(SHAPE)


X, COMING, WEIGHT = draw(1), draw(2), np.random.default_rng(3).standard_normal((6, 6))


def add(f: RecordedFunctions, a: Held, b: Held, line: int) -> Held:
    made: Held = f.call("add", np.add, a, b, line=line, back=lambda g: (g, g))
    return made


def times(f: RecordedFunctions, a: Held, factor: float, line: int, *, cut: bool = False) -> Held:
    back = None if cut else lambda g: (g * factor,)
    made: Held = f.call("multiply", lambda x: x * factor, a, line=line, back=back, other=factor)
    return made


def own(f: RecordedFunctions, a: Held, factor: float, line: int, name: str = "Scale") -> Held:
    """An identity with a backward of its own."""
    made: Held = f.call(
        name, np.copy, a, line=line, back=lambda g: (g * factor,), own_backward=True, factor=factor
    )
    return made


def detach(f: RecordedFunctions, a: Held, line: int) -> Held:
    return f.move("detach", np.copy, a, line)


def tanh(f: RecordedFunctions, a: Held, line: int) -> Held:
    value = np.tanh(a.array)
    made: Held = f.call("tanh", np.tanh, a, line=line, back=lambda g: (g * (1 - value**2),))
    return made


def linear(f: RecordedFunctions, path: str, a: Held, factor: float = 1.0) -> Held:
    """A layer; `factor` is a fault of its own backward."""
    return f.layer(path, lambda x: x @ WEIGHT, a, back=lambda g: (factor * g @ WEIGHT.T,))


def block(fault: str = "", file: str = "port.py", first: int = 20, coming: Any = COMING) -> FunctionTrace:
    """A layer, code, a layer, and what goes by both; lines count from `first`."""
    f = RecordedFunctions(file=file)
    x = f.given(X, needs_gradient=True)
    h = linear(f, "one", x, 2.0 if fault == "layer" else 1.0)
    if fault == "hook":
        f.hook(h, lambda g: g * 3, first)
    h = own(f, h, 0.25 if fault == "scale" else 0.5, first + 1)
    h = tanh(f, h, first + 2)
    h = times(f, h, 3.0, first + 3, cut=fault == "off")
    if fault == "extra":
        h = own(f, h, 7.0, first + 4, "Other")
    h = linear(f, "two", detach(f, h, first + 5) if fault == "detach" else h)
    out = add(f, h, detach(f, x, first + 6) if fault == "skip" else x, first + 7)
    return f.returned(out, gradient=coming)


def inside(reference: FunctionTrace, candidate: FunctionTrace, *paths: str, replaced: bool = False) -> Inside:
    own_spots = [Spot("block", 0, CallMoment.ENTRY, "0"), RETURNED]
    inner = [Spot(path, 0, moment, "0") for path in paths for moment in (CallMoment.ENTRY, CallMoment.EXIT)]
    slots = tuple(TensorPair(reference=spot, candidate=spot) for spot in [*own_spots, *inner])
    return Inside(
        traces={Side.REFERENCE: reference, Side.CANDIDATE: candidate},
        slots=slots,
        parameters={"w": ("w",)},
        replaced=frozenset(inner) if replaced else frozenset(),
    )


def found(candidate: FunctionTrace, reference: Optional[FunctionTrace] = None) -> list[Located]:
    other = block(file="model.py", first=10) if reference is None else reference
    return list(locate_backward(inside(other, candidate, "one", "two"), ()))


def named(one: Located, side: Side) -> tuple[str, Optional[int]]:
    call = one.parting.calls[side]
    return ("", None) if call is None else (call.operation, call.source.line if call.source else None)


@pytest.mark.parametrize(
    ("fault", "kind", "candidate", "reference", "without"),
    [
        ("scale", FindingKind.FUNCTION, ("Scale", 21), ("Scale", 11), None),
        ("hook", FindingKind.EXTRA, ("register_hook", 20), ("Layer", None), None),
        ("extra", FindingKind.EXTRA, ("Other", 24), ("multiply", 13), None),
        ("off", FindingKind.FUNCTION, ("multiply", 23), ("multiply", 13), Side.CANDIDATE),
        ("detach", FindingKind.EXTRA, ("detach", 25), ("multiply", 13), Side.CANDIDATE),
        ("skip", FindingKind.EXTRA, ("detach", 26), ("", None), Side.CANDIDATE),
    ],
)
def test_each_kind_of_fault_is_named_with_the_lines_of_both_sides(
    fault: str,
    kind: FindingKind,
    candidate: tuple[str, int],
    reference: tuple[str, Optional[int]],
    without: Optional[Side],
) -> None:
    first = found(block(fault))[0]
    assert (first.parting.kind, first.without_gradient) == (kind, without)
    assert (named(first, Side.CANDIDATE), named(first, Side.REFERENCE)) == (candidate, reference)


@pytest.mark.parametrize("fault", ["detach", "skip", "extra", "hook"])
def test_what_the_reference_alone_does_is_missing(fault: str) -> None:
    first = found(block(), block(fault, file="model.py", first=10))[0]
    assert first.parting.kind is FindingKind.MISSING
    assert first.without_gradient is (Side.REFERENCE if fault in ("detach", "skip") else None)


def test_equal_gradients_have_nothing_to_find() -> None:
    assert found(block()) == []


def test_what_comes_in_wrong_is_nobodys_fault_inside() -> None:
    assert found(block(coming=draw(9))) == []


def test_the_backward_of_a_layer_is_its_own() -> None:
    assert found(block("layer")) == []


def test_of_two_faults_with_a_layer_between_both_are_named_where_the_reference_took_over() -> None:
    candidate = two_faults()
    reference = two_faults(healthy=True)
    spots = inside(reference, candidate, "one", replaced=True)
    kinds = [one.parting.kind for one in locate_backward(spots, ())]
    assert kinds == [FindingKind.FUNCTION, FindingKind.FUNCTION]
    blind = inside(reference, candidate, "one")
    assert len(locate_backward(blind, ())) == 1


def two_faults(*, healthy: bool = False) -> FunctionTrace:
    f = RecordedFunctions()
    x = f.given(X, needs_gradient=True)
    h = own(f, x, 1.0 if healthy else 2.0, 1)
    h = tanh(f, h, 2)
    before = f.layer("one", lambda a: a @ WEIGHT, h, back=lambda g: (COMING,))
    h = tanh(f, own(f, before, 1.0 if healthy else 3.0, 3), 4)
    return f.returned(h, gradient=COMING)


def test_another_sequence_of_functions_is_no_fault() -> None:
    def reference(f: RecordedFunctions, x: Held) -> Held:
        return add(f, times(f, x, 2.0, 1), tanh(f, x, 2), 3)

    def candidate(f: RecordedFunctions, x: Held) -> Held:
        # Once more for each that takes it, copied and moved.
        again = f.move("reshape", np.copy, x, 5, back=lambda g: (g,))
        both = add(f, again, f.move("clone", np.copy, x, 6, back=lambda g: (g,)), 7)
        return add(f, tanh(f, again, 8), both, 9)

    assert code(reference, candidate) == []


def code(
    reference: Callable[[RecordedFunctions, Held], Held],
    candidate: Callable[[RecordedFunctions, Held], Held],
) -> list[Located]:
    """Returns what is found in code without layers."""
    traces = []
    for written, file in ((reference, "model.py"), (candidate, "port.py")):
        f = RecordedFunctions(file=file)
        traces.append(f.returned(written(f, f.given(X, needs_gradient=True)), gradient=COMING))
    return list(locate_backward(inside(*traces), ()))


def test_a_value_that_is_made_twice_has_its_gradient_in_two_parts() -> None:
    def once(f: RecordedFunctions, x: Held) -> Held:
        t = tanh(f, x, 1)
        return add(f, own(f, t, 1.0, 2), times(f, t, 5.0, 3), 4)

    def twice(f: RecordedFunctions, x: Held) -> Held:
        return add(f, own(f, tanh(f, x, 5), 1.0, 6), times(f, tanh(f, x, 7), 5.0, 8), 9)

    assert code(once, twice) == []


def test_where_the_sides_use_a_value_for_different_things_its_gradients_need_not_be_equal() -> None:
    def squares(f: RecordedFunctions, x: Held) -> Held:
        t = tanh(f, x, 1)
        rest = f.call("subtract", lambda a: 1 - a**2, t, line=2, back=lambda g: (-2 * g * t.array,))
        wrong = own(f, rest, 1.0, 3)
        return add(f, t, wrong, 4)

    def by_itself(f: RecordedFunctions, x: Held) -> Held:
        # The same value, made of the input: less of its gradient comes by the hyperbolic tangent.
        value = np.tanh(X)
        t = tanh(f, x, 5)
        rest = f.call(
            "derivative",
            lambda a: 1 - np.tanh(a) ** 2,
            x,
            line=6,
            back=lambda g: (-2 * g * value * (1 - value**2),),
        )
        return add(f, t, own(f, rest, 1.0, 7), 8)

    assert code(squares, by_itself) == []


def test_selections_that_overlap_share_the_gradient_as_each_side_likes() -> None:
    def part(f: RecordedFunctions, x: Held, line: int) -> Held:
        def back(g: Any) -> tuple[Any]:
            whole = np.zeros(SHAPE)
            whole[:2] = g
            return (whole,)

        return f.move("get_item", lambda a: a[:2], x, line, back=back)

    def doubled(f: RecordedFunctions, x: Held, once: bool) -> Held:
        first = part(f, x, 1)
        second = first if once else part(f, x, 2)
        sums = f.call("concat", lambda a, b: np.concatenate([a, b]), first, second, line=3, back=np.vsplit2)
        return add(f, sums, x, 4)

    np.vsplit2 = lambda g: (g[:2], g[2:])
    assert code(lambda f, x: doubled(f, x, True), lambda f, x: doubled(f, x, False)) == []


def test_a_mask_that_hides_other_gradients_is_followed_to_what_makes_it() -> None:
    def gated(operation: str, compare: Callable[[Any], Any], line: int) -> Callable[..., Held]:
        def written(f: RecordedFunctions, x: Held) -> Held:
            h = tanh(f, x, line)
            mask = f.call(operation, compare, h, line=line + 1)
            held = detach(f, h, line + 2)
            chosen: Held = f.call(
                "where",
                np.where,
                mask,
                h,
                held,
                line=line + 3,
                back=lambda g: (None, g * mask.array, g * ~mask.array),
            )
            return own(f, chosen, 1.0, line + 4)

        return written

    above = gated("greater_than", lambda a: a > 0.1, 10)
    (one,) = code(above, gated("less_than", lambda a: a < 0.1, 20))
    assert one.of_values
    assert (named(one, Side.CANDIDATE), named(one, Side.REFERENCE)) == (
        ("less_than", 21),
        ("greater_than", 11),
    )
    assert code(above, above) == []


def test_two_calls_that_may_both_be_it_are_a_region_with_their_lines() -> None:
    def plain(f: RecordedFunctions, x: Held) -> Held:
        return add(f, tanh(f, x, 1), times(f, x, 2.0, 2), 3)

    def wrong(f: RecordedFunctions, x: Held) -> Held:
        made: Held = f.call("tanh", np.tanh, x, line=11, back=lambda g: (g,))
        return add(f, made, times(f, x, 2.0, 12), 13)

    (one,) = code(plain, wrong)
    assert one.parting.kind is FindingKind.REGION
    assert [line.line for line in one.lines[Side.CANDIDATE]] == [11, 12]


def test_of_a_parameter_the_rows_tell_that_its_gradient_differs() -> None:
    def scaled(fault: bool) -> FunctionTrace:
        f = RecordedFunctions()
        x, w = f.given(X, needs_gradient=True), f.parameter("w", draw(5))
        f._set(w.number, needs_gradient=True)
        w = f.move("detach", np.copy, w, 1) if fault else w
        out = f.call("multiply", np.multiply, x, w, line=2, back=lambda g: (g * w.array, g * X))
        return f.returned(out, gradient=COMING)

    pair = inside(scaled(False), scaled(True))
    (one,) = locate_backward(pair, {"w"})
    assert (one.parting.kind, named(one, Side.CANDIDATE)) == (FindingKind.EXTRA, ("detach", 1))
    assert locate_backward(pair, ()) == ()


def test_a_mark_of_both_sides_on_what_goes_wrong_is_told() -> None:
    def marked(factor: float, name: str) -> FunctionTrace:
        f = RecordedFunctions()
        h = tanh(f, f.given(X, needs_gradient=True), 1)
        f.mark(name, h)
        return f.returned(tanh(f, own(f, h, factor, 2), 3), gradient=COMING)

    for name, told in (("hidden", "hidden"), ("another", "")):
        (one,) = locate_backward(inside(marked(1.0, "hidden"), marked(2.0, name)), ())
        assert one.mark == told
