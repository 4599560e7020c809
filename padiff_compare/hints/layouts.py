"""Probes for the same numbers in other places: axes, orders along an axis, other shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations
from typing import Optional

import numpy as np

from padiff_compare.hints.clues import Clues, Probe, Reals, relative_l2
from padiff_rpc.v1.records import Hint
from padiff_rpc.v1.words import HintKind

Order = tuple[int, ...]

_MOST_AXES = 5
# Along shorter axes an order, and a movement, may fit by chance.
_FEWEST_INDICES = 3
_FARTHEST = 3


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
        if all(order[n] == n for n in range(len(order))):
            continue
        kind, numbers = _named(tuple(order))
        made = np.take(reference, order, axis=axis)
        hint = clues.hint(kind, made, reference, candidate, numbers=(float(axis), *numbers))
        if hint is not None:
            return hint
    return None


def shifted(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """What lies along an axis moved by a few places: b[i + s] = a[i], where both are; at the end anything."""
    if reference.shape != candidate.shape:
        return None
    for axis in _axes(reference):
        size = reference.shape[axis]
        for steps in _steps(size):
            kept = np.arange(max(0, -steps), min(size, size - steps))
            came = np.take(candidate, kept + steps, axis=axis)
            made, stood = (np.take(reference, at, axis=axis) for at in (kept, kept + steps))
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
    is_told = array.ndim == 1 and array.size >= 4 * _FEWEST_INDICES
    if is_told and 2 * len(np.unique(array)) > array.size:
        yield 0


def _order(ours: Reals, theirs: Reals) -> Order:
    """Returns of which row of `ours` each row of `theirs` is likest, each being taken once."""
    weights = np.random.default_rng(0).standard_normal(ours.shape[1])
    with np.errstate(invalid="ignore"):
        first, second = (np.argsort(one @ weights, kind="stable") for one in (ours, theirs))
    order = np.empty(len(first), dtype=np.int64)
    order[second] = first
    return tuple(order.tolist())


def _named(order: Order) -> tuple[HintKind, tuple[float, ...]]:
    """Returns what an order of indices is called, and the numbers that say so, but for the axis."""
    size = len(order)
    if order == tuple(range(size - 1, -1, -1)):
        return HintKind.FLIPPED, ()
    for outer in range(2, size):
        if size % outer == 0:
            inner = size // outer
            if order == tuple(n for i in range(inner) for n in range(i, size, inner)):
                return HintKind.INTERLEAVED, (float(outer), float(inner))
    parts = _parts(order)
    if parts is not None:
        return HintKind.PARTS, tuple(map(float, parts))
    steps = (size - order[0]) % size
    if order == tuple((n - steps) % size for n in range(size)):
        return HintKind.ROLLED, (float(steps if steps <= size // 2 else steps - size),)
    moved = sum(n != at for at, n in enumerate(order))
    return HintKind.PERMUTED, (float(moved), float(size))


def _parts(order: Order) -> Optional[Order]:
    """Returns in which order equal parts of several indices stand; None where it is not of parts."""
    size = len(order)
    for width in range(size // 2, 1, -1):
        if size % width:
            continue
        starts = order[::width]
        if all(start % width == 0 for start in starts) and order == tuple(
            start + n for start in starts for n in range(width)
        ):
            return tuple(start // width for start in starts)
    return None


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
