"""Element maps: which element of the reference's weights each element of a candidate's weight is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from padiff_compare.layout_rules import Rule, Shape, Step
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.tensors import Array
from padiff_rpc.v1.records import LayoutStep
from padiff_rpc.v1.words import LayoutChange

# Of 32 bits where these do: there is one for each element of a weight.
Places = npt.NDArray[np.signedinteger[Any]]


def function_step(name: str) -> LayoutStep:
    """Returns what reports hold of a user's function."""
    return LayoutStep(change=LayoutChange.FUNCTION, name=name)


@record
class _Runs:
    """A sequence of whole numbers as `starts`, each of which stands for a grid of numbers from there on.

    `sizes` and `strides` of the grid are the outermost first: whatever slices, reshapes and permutes axes
    is one start and one grid, however many elements it has.
    """

    starts: Places
    sizes: Shape
    strides: tuple[int, ...]


def _runs(places: Places) -> _Runs:
    sizes: list[int] = []
    strides: list[int] = []
    while places.size > 1:
        stride = int(places[1] - places[0])
        breaks = np.flatnonzero(np.diff(places) != stride) + 1
        size = int(np.gcd.reduce(breaks, initial=places.size))
        if size == 1:
            break
        sizes.append(size)
        strides.append(stride)
        places = places[::size]
    return _Runs(starts=places.copy(), sizes=tuple(sizes[::-1]), strides=tuple(strides[::-1]))


def element_rule(name: str, places: Places, shape: Shape, sources: Sequence[Shape]) -> Rule:
    """Returns the rule that takes the elements at `places` of `sources`, which lie one behind the other.

    `places` are in the order of the elements of `shape`, in C order as the sources' are.
    """
    runs = _runs(places.reshape(-1).astype(np.int64, copy=False))
    # Where the lowest and the highest element of a start's grid lie, from the start.
    ends = [(size - 1) * stride for size, stride in zip(runs.sizes, runs.strides)]
    lowest, highest = sum(min(end, 0) for end in ends), sum(max(end, 0) for end in ends)

    def shapes_of(shapes: list[Shape]) -> list[Shape]:
        if shapes != list(sources):
            given, wanted = (" and ".join(str(list(one)) for one in some) for some in (shapes, sources))
            raise InvalidRequestError(f"rule {name}: takes {wanted}, not {given}")
        return [shape]

    def apply(arrays: list[Array]) -> list[Array]:
        flat = [array.reshape(-1) for array in arrays]
        whole = np.ascontiguousarray(flat[0] if len(flat) == 1 else np.concatenate(flat))
        if not runs.starts.size:
            return [np.empty(shape, whole.dtype)]
        item = whole.itemsize
        grids = np.lib.stride_tricks.as_strided(
            whole[-lowest:],
            (whole.size - highest + lowest, *runs.sizes),
            (item, *(item * stride for stride in runs.strides)),
            writeable=False,
        )
        taken = grids[runs.starts[0] + lowest] if runs.starts.size == 1 else grids[runs.starts + lowest]
        return [taken.reshape(shape)]

    assert runs.starts.size * math.prod(runs.sizes) == math.prod(shape)
    return Rule(steps=(Step(told=function_step(name), apply=apply, shapes=shapes_of),))
