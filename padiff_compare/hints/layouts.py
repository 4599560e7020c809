"""Probes for the same numbers in other places: axes, orders along an axis, other shapes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from itertools import permutations
from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_compare.hints.clues import Clues, Probe, Reals, relative_l2
from padiff_rpc.v1.records import Hint
from padiff_rpc.v1.words import HintKind

Order = npt.NDArray[np.int64]

_MOST_AXES = 5
# Along shorter axes an order, and a movement, may fit by chance.
_FEWEST_INDICES = 3
_FARTHEST = 3
_LONGEST = 1 << 16


def transposed(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """The last two axes exchanged: b[..., i, j] = a[..., j, i]."""
    if reference.ndim < 2 or 1 in reference.shape[-2:]:
        return None
    return _of_places(clues, HintKind.TRANSPOSED, reference.swapaxes(-1, -2), reference, candidate, ())


def turned(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """The axes in another order, as channels first and channels last; in the same or another shape."""
    if not 2 <= reference.ndim <= _MOST_AXES or reference.size != candidate.size:
        return None
    own = tuple(range(reference.ndim))
    last_two = (*own[:-2], own[-1], own[-2])
    for order in permutations(own):
        moved = reference.transpose(order)
        if order == own or (moved.shape != candidate.shape and candidate.ndim == reference.ndim):
            continue
        if order == last_two and moved.shape == candidate.shape:
            continue  # that is a transpose
        made = moved.reshape(candidate.shape)
        hint = _of_places(clues, HintKind.AXES, made, reference, candidate, tuple(map(float, order)))
        if hint is not None:
            return hint
    return None


def reshaped(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """The same elements in the same order under another shape."""
    if reference.shape == candidate.shape or reference.size != candidate.size:
        return None
    made = reference.reshape(candidate.shape)
    return _of_places(clues, HintKind.RESHAPED, made, reference, candidate, ())


def reordered(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """The indices of one axis in another order, found by a fingerprint of what lies at each index.

    The fingerprint is a product with fixed random numbers: sorted, those of both sides pair up. What the
    order is (a reversal, equal parts as query, key and value, ...) names the hint.
    """
    if reference.shape != candidate.shape:
        return None
    for axis in _axes(reference):
        ours, theirs = (np.moveaxis(one, axis, 0) for one in (reference, candidate))
        order = _order(ours.reshape(len(ours), -1), theirs.reshape(len(theirs), -1))
        if order is None:
            continue
        made = np.take(reference, order, axis=axis)
        hint = clues.hint(HintKind.PERMUTED, made, reference, candidate)
        if hint is not None:
            kind, numbers = _named(order)
            return dataclasses.replace(hint, kind=kind, numbers=(float(axis), *numbers))
    return None


def shifted(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """What lies along an axis moved by a few places: b[i + s] = a[i], where both are; at the end anything."""
    if reference.shape != candidate.shape:
        return None
    for axis in _axes(reference):
        ours, theirs = (np.moveaxis(one, axis, 0) for one in (reference, candidate))
        size = len(ours)
        for steps in _steps(size):
            start, end = max(0, -steps), min(size, size - steps)
            made, stood, came = (
                ours[start:end],
                ours[start + steps : end + steps],
                theirs[start + steps : end + steps],
            )
            numbers = float(axis), float(steps)
            hint = clues.hint(HintKind.SHIFTED, made, stood, came, numbers=numbers)
            if hint is not None:
                return hint
    return None


def _steps(size: int) -> Iterator[int]:
    for far in range(1, _FARTHEST + 1):
        # Most of what there is has to move.
        if size >= 4 * far:
            yield from (far, -far)


def _axes(array: Reals) -> Iterator[int]:
    """Yields the axes along which an order says something, those with most indices first.

    Something else has to lie along the others, so that the indices can be told apart.
    """
    for axis in sorted(range(array.ndim), key=lambda axis: -array.shape[axis]):
        if array.shape[axis] >= _FEWEST_INDICES and array.size > array.shape[axis]:
            yield axis
    if array.ndim == 1 and 4 * _FEWEST_INDICES <= array.size <= _LONGEST:
        yield 0


def _order(ours: Reals, theirs: Reals) -> Optional[Order]:
    """Returns of which row of `ours` each row of `theirs` is likest, each being taken once.

    None where most rows have an equal, so that an order says nothing.
    """
    weights = np.random.default_rng(0).standard_normal(ours.shape[1])
    with np.errstate(invalid="ignore"):
        marks = ours @ weights, theirs @ weights
    if 2 * len(np.unique(marks[0])) <= len(ours):
        return None
    first, second = (np.argsort(one, kind="stable") for one in marks)
    order = np.empty(len(first), dtype=np.int64)
    order[second] = first
    return order


def _named(order: Order) -> tuple[HintKind, tuple[float, ...]]:
    """Returns what an order of indices is called, and the numbers that say so, but for the axis."""
    size = len(order)
    own = np.arange(size)
    if np.array_equal(order, own[::-1]):
        return HintKind.FLIPPED, ()
    # The second index tells how many there are of the inner ones.
    inner = int(order[1] - order[0])
    is_whole = 1 < inner < size and size % inner == 0
    if is_whole and np.array_equal(order, own.reshape(-1, inner).T.reshape(-1)):
        return HintKind.INTERLEAVED, (float(size // inner), float(inner))
    for width in range(size // 2, 1, -1):
        starts = order[::width]
        if size % width or (starts % width).any():
            continue
        if np.array_equal(order, (starts[:, np.newaxis] + own[:width]).reshape(-1)):
            return HintKind.PARTS, tuple(float(start // width) for start in starts)
    steps = int(size - order[0]) % size
    if np.array_equal(order, (own - steps) % size):
        return HintKind.ROLLED, (float(steps if steps <= size // 2 else steps - size),)
    return HintKind.PERMUTED, (float(np.count_nonzero(order != own)), float(size))


def _of_places(
    clues: Clues,
    kind: HintKind,
    made: Reals,
    reference: Reals,
    candidate: Reals,
    numbers: tuple[float, ...],
) -> Optional[Hint]:
    """Returns a hint where shapes may differ: then nothing can agree as it stands."""
    if reference.shape == candidate.shape:
        return clues.hint(kind, made, reference, candidate, numbers=numbers)
    # So small a tensor may have the same numbers by chance, one of equal numbers has.
    if made.size < 4 or not np.ptp(made) > 0.0 or not math.isfinite(relative_l2(made, candidate)):
        return None
    # An opposite is as far as anything may be.
    return clues.hint(kind, made, -candidate, candidate, numbers=numbers)


PROBES: tuple[Probe, ...] = (transposed, turned, reshaped, reordered, shifted)
