"""Probes for differences in few places, at borders, and in where a mask holds."""

from __future__ import annotations

from typing import Optional

import numpy as np

from padiff_compare.hints.clues import GAIN, ROUNDINGS, Bools, Clues, Probe, Reals, relative_l2
from padiff_rpc.v1.records import Hint
from padiff_rpc.v1.words import HintKind

_FEWEST_ELEMENTS = 64
_FEW_ELEMENTS, _FEW_SHARE = 3, 5e-2
_FEWEST_INDICES, _FEW_INDICES = 4, 0.05
_FEWEST_OF_INDICES = 16
_WIDEST_BORDER, _BORDER_SHARE = 3, 0.2
# A mark of a mask is this much, or not finite, or (of what a softmax makes) nothing at all.
_MARK = 1e4


def mask(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """A mask that holds where the other does not, or that is moved by one: where zeros, or marks, lie."""
    if reference.shape != candidate.shape or reference.size < _FEWEST_ELEMENTS:
        return None
    for is_masked in (_is_zero, _is_marked):
        ours, theirs = is_masked(reference), is_masked(candidate)
        disagree = int(np.count_nonzero(ours != theirs))
        if disagree < 2 or not (0.02 < ours.mean() < 0.98 and 0.02 < theirs.mean() < 0.98):
            continue
        apart = relative_l2(ours.astype(np.float64), theirs.astype(np.float64))
        if (ours != theirs).all():
            return Hint(kind=HintKind.MASK_INVERTED, before=apart)
        for axis in reversed(range(reference.ndim)):
            for steps in (1, -1):
                if _is_moved(ours, theirs, axis, steps):
                    numbers = float(axis), float(steps)
                    return Hint(kind=HintKind.MASK_SHIFTED, numbers=numbers, before=apart)
    return None


def _is_zero(values: Reals) -> Bools:
    found: Bools = values == 0.0
    return found


def _is_marked(values: Reals) -> Bools:
    found: Bools = ~np.isfinite(values) | (np.abs(values) >= _MARK)
    return found


def _is_moved(ours: Bools, theirs: Bools, axis: int, steps: int) -> bool:
    """Whether what lies at i on one side lies at i + steps on the other, wherever both are."""
    size = ours.shape[axis]
    if size < 4:
        return False
    kept = np.arange(max(0, -steps), min(size, size - steps))
    stood, came = np.take(ours, kept, axis=axis), np.take(theirs, kept + steps, axis=axis)
    # A pattern that is the same at every index moves by any number.
    is_plain = np.array_equal(stood, np.take(ours, kept + steps, axis=axis))
    return not is_plain and np.array_equal(stood, came)


def border(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """The border of the axes of a sequence or an image alone, as padding and pooling make it.

    Channels come first or last; of the axes that are left (1, 2 or 3) none differs further inside.
    """
    if reference.shape != candidate.shape or reference.ndim < 3:
        return None
    apart = clues.apart(reference, candidate)
    if not apart.any():
        return None
    for axes in (tuple(range(2, reference.ndim)), tuple(range(1, reference.ndim - 1))):
        others = tuple(axis for axis in range(reference.ndim) if axis not in axes)
        found: Bools = np.asarray(apart.any(axis=others))
        for width in range(1, _WIDEST_BORDER + 1):
            if min(found.shape) < 2 * width + 2:
                break
            inner = found[tuple(slice(width, -width) for _ in axes)]
            is_outer = np.ones_like(found)
            is_outer[tuple(slice(width, -width) for _ in axes)] = False
            share = apart.mean(axis=others)[is_outer].mean()
            if not inner.any() and _is_at_both_ends(found) and share > _BORDER_SHARE:
                return _of_places(HintKind.BORDER, reference, candidate, float(width))
    return None


def _is_at_both_ends(found: Bools) -> bool:
    """Whether the first and the last place of an axis differ, and not one index alone."""
    return any(
        np.take(found, 0, axis=axis).any() and np.take(found, -1, axis=axis).any()
        for axis in range(found.ndim)
    )


def more_at_border(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """Shapes that differ by a border: what both have agrees at an end or in the middle, as by `ceil_mode`."""
    if reference.shape == candidate.shape or reference.ndim != candidate.ndim or reference.ndim < 3:
        return None
    more = [two - one for one, two in zip(reference.shape, candidate.shape)]
    changed = [axis for axis, number in enumerate(more) if number]
    if max(map(abs, more)) > 2 * _WIDEST_BORDER or len({more[axis] for axis in changed}) != 1:
        return None
    number = more[changed[0]]
    smaller, larger = (reference, candidate) if number > 0 else (candidate, reference)
    for start in sorted({0, abs(number) // 2, abs(number)}):
        part = larger[
            tuple(
                slice(start, start + size) if axis in changed else slice(None)
                for axis, size in enumerate(smaller.shape)
            )
        ]
        after = relative_l2(part, smaller)
        if smaller.size >= 4 and np.ptp(smaller) > 0.0 and after <= ROUNDINGS * clues.roundings:
            numbers = float(changed[0]), float(number)
            return Hint(kind=HintKind.MORE_AT_BORDER, numbers=numbers, after=after)
    return None


def few_indices(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """One index of an axis, or few, as a channel or a row: all others agree within rounding.

    Of the root mean squares of the differences at each index the few largest stand out from the next one.
    """
    if reference.shape != candidate.shape or reference.size < _FEWEST_OF_INDICES:
        return None
    errors = clues.errors(reference, candidate)
    best: Optional[Hint] = None
    fewest = 1.0
    for axis in range(reference.ndim):
        size = reference.shape[axis]
        if size < _FEWEST_INDICES or reference.size == size:
            continue
        each = np.moveaxis(errors, axis, 0).reshape(size, -1)
        means = np.sqrt(np.mean(np.square(each), axis=1))
        count = _standing_out(clues, means, max(1, int(_FEW_INDICES * size)))
        found = np.sort(np.argsort(-means, kind="stable")[:count])
        # What agrees has to be something; and most of what lies there has to differ: else it is of elements.
        others = np.delete(np.moveaxis(reference, axis, 0).reshape(size, -1), found, axis=0)
        if not others.any(axis=1).mean() > 0.5:
            continue
        if not count or np.mean(each[found] > GAIN * np.max(np.delete(means, found))) < 0.5:
            continue
        if count / size < fewest:
            fewest = count / size
            numbers = (float(axis), float(count), float(size), float(found[0]))
            best = _of_places(HintKind.FEW_INDICES, reference, candidate, *numbers)
    return best


def few_elements(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """Few elements, wherever they lie: all others agree within rounding, and are much nearer."""
    if reference.shape != candidate.shape or reference.size < _FEWEST_ELEMENTS:
        return None
    errors = clues.errors(reference, candidate).reshape(-1)
    count = _standing_out(clues, errors, max(_FEW_ELEMENTS, int(_FEW_SHARE * reference.size)))
    # Zeros that agree say little.
    if not count or np.count_nonzero(reference) < max(_FEWEST_OF_INDICES, 4 * count):
        return None
    return _of_places(HintKind.FEW_ELEMENTS, reference, candidate, float(count), float(reference.size))


def _standing_out(clues: Clues, errors: Reals, most: int) -> int:
    """Returns how many errors, at most so many, are far above all others, which are rounding; or 0."""
    most = min(most, errors.size - 1)
    largest = -np.sort(-np.partition(errors, errors.size - most - 1)[errors.size - most - 1 :])
    for count in range(1, most + 1):
        is_far = largest[count - 1] > GAIN * max(largest[count], clues.roundings)
        if is_far and largest[count] <= ROUNDINGS * clues.roundings:
            return count
    return 0


def _of_places(kind: HintKind, reference: Reals, candidate: Reals, *numbers: float) -> Hint:
    return Hint(kind=kind, numbers=numbers, before=relative_l2(reference, candidate))


PROBES: tuple[Probe, ...] = (mask, border, more_at_border, few_indices, few_elements)
