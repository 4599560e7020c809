"""Ways to compute the same in other functions: none is taken for the fault that lies beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Optional

import numpy as np
import pytest
from recorded_functions import Held, RecordedFunctions

from padiff_compare.capture.sides import TensorPair
from padiff_compare.functions.locate import Inside, Located, Spot, locate
from padiff_rpc.v1.records import FunctionTrace
from padiff_rpc.v1.words import CallMoment, FindingKind, Side

RETURNED = Spot("block", 0, CallMoment.EXIT, "0")
GIVEN = tuple(Spot("block", 0, CallMoment.ENTRY, slot) for slot in "012")
Code = Callable[..., Held]


def draw(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def first(reference: Code, candidate: Code, *values: Any) -> Optional[Located]:
    """Returns what is found first between two ways to compute on the same inputs."""
    traces: Mapping[Side, FunctionTrace] = {
        side: _trace(code, values)
        for side, code in ((Side.REFERENCE, reference), (Side.CANDIDATE, candidate))
    }
    slots = tuple(TensorPair(reference=spot, candidate=spot) for spot in (*GIVEN, RETURNED))
    inside = Inside(traces=traces, slots=slots, parameters={})
    return next(iter(locate(inside, TensorPair(reference=RETURNED, candidate=RETURNED))), None)


def _trace(code: Code, values: tuple[Any, ...]) -> FunctionTrace:
    f = RecordedFunctions()
    return f.returned(code(f, *(f.given(value, str(slot)) for slot, value in enumerate(values))))


def line(one: Optional[Located], side: Side) -> int:
    assert one is not None
    call = one.parting.calls[side]
    return call.source.line if call is not None and call.source is not None else 0


X, Y, Z = draw(1, 3, 4, 5), draw(2, 3, 4, 5), draw(3, 3, 4, 5)
MASK = draw(4, 3, 4, 5) > 0


@pytest.mark.parametrize(("scale", "cast"), [(2.0, False), (2.0, True), (0.5, False)])
def test_a_mask_of_what_is_kept_is_held_against_one_of_what_is_hidden(scale: float, cast: bool) -> None:
    """The fault lies before the mask."""

    def reference(f: RecordedFunctions, x: Held, mask: Held) -> Held:
        scores = f.call("multiply", lambda a: a * 1.5, x, line=1)
        return f.call("where", lambda m, a: np.where(m, a, -1e9), mask, scores, line=2)

    def candidate(f: RecordedFunctions, x: Held, mask: Held) -> Held:
        hidden = f.call("logical_not", lambda m: ~m, mask, line=12)
        hidden = f.call("cast", lambda m: m.copy(), hidden, line=12) if cast else hidden
        scores = f.call("multiply", lambda a: a * scale, x, line=11)
        return f.call("masked_fill", lambda a, m: np.where(m, -1e30, a), scores, hidden, line=13)

    one = first(reference, candidate, X, MASK)
    assert one is not None
    assert one.parting.kind is FindingKind.FUNCTION
    assert (line(one, Side.REFERENCE), line(one, Side.CANDIDATE)) == (1, 11)


@pytest.mark.parametrize(("factor", "kind"), [(3.0, FindingKind.FUNCTION), (2.0, None)])
def test_sums_of_the_same_terms_in_another_order_part_at_the_term_that_differs(
    factor: float, kind: Optional[FindingKind]
) -> None:
    def reference(f: RecordedFunctions, x: Held, y: Held, z: Held) -> Held:
        both = f.call("add", np.add, x, y, line=1)
        more = f.call("multiply", lambda a: a * 2.0, z, line=2)
        return f.call("add", np.add, both, more, line=3)

    def candidate(f: RecordedFunctions, x: Held, y: Held, z: Held) -> Held:
        more = f.call("multiply", lambda a: a * factor, z, line=11)
        both = f.call("add", np.add, more, y, line=12)
        return f.call("add", np.add, x, both, line=13)

    one = first(reference, candidate, X, Y, Z)
    assert (one.parting.kind if one is not None else None) is kind
    if one is not None:
        assert (line(one, Side.REFERENCE), line(one, Side.CANDIDATE)) == (2, 11)


def test_pieces_that_are_joined_in_another_order_are_a_layout() -> None:
    def reference(f: RecordedFunctions, x: Held) -> Held:
        return f.move("roll", lambda a: np.roll(a, -2, 1), x, 1)

    def candidate(f: RecordedFunctions, x: Held) -> Held:
        head = f.move("get_item", lambda a: a[:, :3], x, 11)
        tail = f.move("get_item", lambda a: a[:, 3:], x, 11)
        return f.call("concat", lambda a, b: np.concatenate([a, b], 1), tail, head, line=12)

    one = first(reference, candidate, X)
    assert one is not None
    assert one.parting.kind is FindingKind.LAYOUT
    assert (line(one, Side.REFERENCE), line(one, Side.CANDIDATE)) == (1, 12)


def test_a_root_that_divides_is_not_held_against_its_inverse_that_multiplies() -> None:
    square = np.abs(Y) + 1.0

    def reference(f: RecordedFunctions, x: Held, y: Held) -> Held:
        centred = f.call("subtract", lambda a: a - a.mean(), x, line=1)
        return f.call("divide", np.divide, centred, f.call("sqrt", np.sqrt, y, line=2), line=3)

    def candidate(f: RecordedFunctions, x: Held, y: Held) -> Held:
        inverse = f.call("rsqrt", lambda a: 1 / np.sqrt(a), y, line=11)
        return f.call("multiply", np.multiply, x, inverse, line=12)

    one = first(reference, candidate, X, square)
    assert one is not None
    assert one.parting.kind is FindingKind.REGION


def test_what_one_side_alone_repeats_is_not_missing_on_the_other() -> None:
    """The fault lies in the product."""
    weights = draw(5, 3, 2, 4, 4)

    def reference(f: RecordedFunctions, x: Held, w: Held) -> Held:
        repeated = f.move("expand", lambda a: np.broadcast_to(a[:, None], (3, 2, 4, 5)).copy(), x, 1)
        moved = f.move("transpose", lambda a: a.swapaxes(0, 1), repeated, 2)
        return f.call("matmul", lambda a, b: a.swapaxes(0, 1) @ b, w, moved, line=3)

    def candidate(f: RecordedFunctions, x: Held, w: Held) -> Held:
        return f.call("einsum", lambda a, b: np.einsum("bgts,btw->gbsw", a, b), w, x, line=13)

    one = first(reference, candidate, X, weights)
    assert one is not None
    assert one.parting.kind is not FindingKind.MISSING
    assert line(one, Side.CANDIDATE) == 13
