"""Arguments of two calls that differ: evidence beside a finding, never the reason for it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Optional

from padiff_rpc.trees import unpack
from padiff_rpc.v1.records import ArgumentDifference, FunctionArgument, FunctionCall, FunctionTrace

# How far apart a float32 and a float64 of one number are.
_SAME_NUMBER = 1e-6
_AXIS = "axis"


class Called:
    """A call of a trace: its arguments, and how many axes its first tensor has."""

    def __init__(self, call: FunctionCall, trace: FunctionTrace) -> None:
        self.call = call
        shapes = {one.number: one.spec.shape for one in trace.tensors}
        self.axes = len(shapes.get(next(iter(call.inputs), 0), ()))


def differing_arguments(reference: Called, candidate: Called) -> tuple[ArgumentDifference, ...]:
    """Returns the arguments in which two calls differ, by their common names.

    What one side leaves at its default, and the other does not have, is no difference; nor is an axis that
    one side counts from the end.
    """
    return tuple(_differing(reference, candidate))


def _differing(reference: Called, candidate: Called) -> Iterator[ArgumentDifference]:
    theirs, ours = (
        {one.name: one for one in _given(called.call) if one.name} for called in (reference, candidate)
    )
    for name in {**ours, **theirs}:
        axes = [_axes_of(theirs.get(name), reference.axes), _axes_of(ours.get(name), candidate.axes)]
        if name == _AXIS and axes[0] and axes[0] == axes[1]:
            continue
        yield from _difference(name, theirs.get(name), ours.get(name))
    nameless = ([one for one in _given(called.call) if not one.name] for called in (reference, candidate))
    for one, other in zip_longest(*nameless):
        yield from _difference("", one, other)


def _given(call: FunctionCall) -> Iterator[FunctionArgument]:
    # None leaves it to the function.
    return (one for one in call.arguments if one.text != "None")


def _axes_of(argument: Optional[FunctionArgument], count: int) -> tuple[int, ...]:
    """Returns the axes that an argument names, counted from the first on; none where it names no axes."""
    value = unpack(argument.value) if argument is not None and argument.value else None
    named = value if isinstance(value, (list, tuple)) else (value,)
    axes = tuple(one % count for one in named if type(one) is int and -count <= one < count)
    return axes if len(axes) == len(named) else ()


def _difference(
    name: str, reference: Optional[FunctionArgument], candidate: Optional[FunctionArgument]
) -> Iterator[ArgumentDifference]:
    given = [one for one in (reference, candidate) if one is not None]
    if len(given) == 1 and given[0].is_default:
        return
    if reference is not None and candidate is not None and _is_same(reference, candidate):
        return
    texts = [one.text if one is not None else "" for one in (reference, candidate)]
    yield ArgumentDifference(name=name, reference=texts[0], candidate=texts[1])


def _is_same(one: FunctionArgument, other: FunctionArgument) -> bool:
    if one.text == other.text:
        return True
    return bool(one.value and other.value) and _equal(unpack(one.value), unpack(other.value))


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=_SAME_NUMBER) or (one != one and other != other)
    return bool(one == other)
