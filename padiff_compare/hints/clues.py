"""Clues: a pair of tensors that differ as probes see it, and whether a guess at the reason fits."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from padiff_compare.judge.evidence import Evidence
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING, Array, HostTensor, epsilon, widen
from padiff_rpc.v1.records import Hint
from padiff_rpc.v1.words import DType, HintKind, Side

Reals = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# A guess fits if what it leaves (relative L2) is rounding, or next to nothing beside what there was: in a
# free run small differences come from the layers before. Either way it must leave an eighth at most.
ROUNDINGS, SHARE, GAIN = 24.0, 1e-3, 8.0
# A guess is verified if no more is left than a call on equal inputs makes.
VERIFIED_ROUNDINGS = 8.0
_NOTHING_ROUNDINGS = 2.0
# Larger tensors are looked at in part.
MOST_ELEMENTS = 1 << 19
# So many elements tell mostly that a guess does not fit.
_TRIED_FIRST = 256
# Equal values from here on, far above all others, are marks of a mask.
_SMALLEST_MARK = 1e4
_TELLING_ELEMENTS, _FEW_DIFFERENT = 64, 4
_OF_PLACES = frozenset(
    {
        *(HintKind.TRANSPOSED, HintKind.AXES, HintKind.RESHAPED, HintKind.PERMUTED),
        *(HintKind.SHIFTED, HintKind.SWAPPED),
    }
)


@record
class Samples:
    """Some elements of both sides of one weight, the same of each step."""

    reference: Reals
    candidate: Reals


@record
class Product:
    """A linear layer's call on the reference.

    Attributes:
        entered: some rows of what it was called with, the first.
        name: the full name of its weight.
        weight: as the candidate stores it.
        before: of the step before; None where it is the same.
        others: the other weights of its shape, by their full names.
    """

    entered: Reals
    name: str
    weight: Reals
    before: Optional[Reals]
    others: Mapping[str, Reals]


@record
class Clues:
    """What is known of a pair besides its values.

    Attributes:
        evidence: as it was measured.
        kinds: of the layers that show the pair, the reference's first; "" for users' own classes.
        settings: of these layers, by word; of both where both have the word.
        name: of a weight, in the common vocabulary.
        variance: what the reference's norm divided by, of the values that it was called with and as it
            broadcasts; None where that is not known.
        vectors: one-dimensional weights of the layer by their common names; the reference's, if it has them.
        now, before: of a weight and its gradient, samples of what they are, and were a step ago.
        entered: some rows of what an activation was called with, the first.
        product: of a linear layer's output.
        roundings: the spacing of the coarser dtype at 1.
    """

    evidence: Evidence
    kinds: tuple[str, str] = ("", "")
    settings: Mapping[str, tuple[Any, Any]] = dataclasses.field(default_factory=dict)
    name: str = ""
    variance: Optional[Reals] = None
    vectors: Mapping[str, Reals] = dataclasses.field(default_factory=dict)
    now: Optional[Samples] = None
    before: Optional[Samples] = None
    entered: Optional[Reals] = None
    product: Optional[Product] = None
    roundings: float = float(np.finfo(np.float64).eps)

    def hint(
        self,
        kind: HintKind,
        made: Reals,
        reference: Reals,
        candidate: Reals,
        *,
        numbers: tuple[float, ...] = (),
        names: tuple[str, ...] = (),
        side: Optional[Side] = None,
    ) -> Optional[Hint]:
        """Returns the hint if `made`, the reference under it, is the candidate, and the reference is not."""
        if self._is_far(made, reference, candidate):
            return None
        before, after = relative_l2(reference, candidate), relative_l2(made, candidate)
        # Not `>`: NaN fits nothing. Of rounding itself there is nothing to explain.
        is_enough = before > _NOTHING_ROUNDINGS * self.roundings
        if not (is_enough and after <= min(max(ROUNDINGS * self.roundings, SHARE * before), before / GAIN)):
            return None
        if kind is not HintKind.STALE and _says_little(made, kind in _OF_PLACES):
            return None
        return Hint(
            kind=kind,
            side=side,
            numbers=numbers,
            names=names,
            verified=after <= VERIFIED_ROUNDINGS * self.roundings,
            before=before,
            after=after,
        )

    def _is_far(self, made: Reals, reference: Reals, candidate: Reals) -> bool:
        """Whether some elements alone show that nothing fits."""
        if candidate.size <= 4 * _TRIED_FIRST or not made.shape == reference.shape == candidate.shape:
            return False
        numbers = np.random.default_rng(0).integers(candidate.size, size=_TRIED_FIRST)
        at = np.unravel_index(numbers, candidate.shape)
        some = candidate[at]
        left = float(np.linalg.norm(made[at] - some))
        rounding = ROUNDINGS * self.roundings * float(np.linalg.norm(some))
        return left > max(0.5 * float(np.linalg.norm(reference[at] - some)), rounding)

    def errors(self, reference: Reals, candidate: Reals) -> Reals:
        """Returns |a - b| of each element, by the larger of its magnitude and the reference's rms."""
        sizes = np.maximum(np.abs(reference), np.abs(candidate))
        rms = math.sqrt(float(np.mean(np.square(reference)))) if reference.size else 0.0
        scale = np.maximum(sizes, rms)
        return np.abs(reference - candidate) / np.where(scale > 0.0, scale, 1.0)

    def apart(self, reference: Reals, candidate: Reals) -> Bools:
        """Returns which elements differ by more than rounding."""
        found: Bools = self.errors(reference, candidate) > ROUNDINGS * self.roundings
        return found


# A probe looks for one kind of mistake. It returns None unless the evidence is strong: a false hint is worse
# than none.
Probe = Callable[[Clues, Reals, Reals], Optional[Hint]]


def relative_l2(one: Reals, other: Reals) -> float:
    """Returns ||a - b|| / max(||a||, ||b||), as the figures have it; NaN for unequal shapes."""
    if one.shape != other.shape or not one.size:
        return math.nan
    largest = max(float(np.linalg.norm(one)), float(np.linalg.norm(other)))
    return float(np.linalg.norm(one - other)) / largest if largest else 0.0


def _says_little(values: Reals, of_places: bool) -> bool:
    """Whether so few numbers, and so few different ones, may agree by chance, as constants, marks or bits.

    Where bits lie tells something; what a formula makes of them does not.
    """
    if values.size == 1:
        return False
    different = len(np.unique(values))
    few = 1 if of_places and values.size >= _TELLING_ELEMENTS else 2
    return bool(
        different <= few
        or np.count_nonzero(values) < _FEW_DIFFERENT
        or (values.size < _TELLING_ELEMENTS and different <= _FEW_DIFFERENT)
    )


def roundings_of(*dtypes: DType) -> float:
    """Returns the spacing at 1 of the coarsest of these dtypes; of float64 where none has one."""
    spacings = [epsilon(dtype) for dtype in dtypes if dtype in FLOATING | COMPLEX]
    return max(spacings, default=float(np.finfo(np.float64).eps))


def looked_at(reference: HostTensor, candidate: HostTensor) -> tuple[Reals, Reals]:
    """Returns both as float64, cut to the same corner where they are large, without equal marks of a mask.

    The parts of complex numbers become a last axis. Equal infinities are marks too.
    """
    ours, theirs = (_reals(one.array[corner(one.array.shape)], one.dtype) for one in (reference, candidate))
    if ours.shape == theirs.shape and ours.size:
        with np.errstate(invalid="ignore"):
            marks = (ours == theirs) & (np.abs(ours) >= _SMALLEST_MARK)
        rest = np.where(marks, 0.0, ours)
        if marks.any() and not np.nanmax(np.abs(rest)) >= _SMALLEST_MARK / 8:
            ours, theirs = rest, np.where(marks, 0.0, theirs)
    return ours, theirs


def corner(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Returns which part of a tensor is looked at: all of most, of a large one the beginning of its axes.

    The first of three axes or more, mostly the batch, is cut first, then the longest. Of a matrix equal axes
    are cut by the same, so that a square stays one.
    """
    kept = list(shape)
    while math.prod(kept) > MOST_ELEMENTS:
        longest = max(kept)
        if len(kept) > 2:
            axis = 0 if kept[0] > 1 else kept.index(longest)
            kept[axis] = (kept[axis] + 1) // 2
        else:
            kept = [(size + 1) // 2 if size == longest else size for size in kept]
    return tuple(slice(size) for size in kept)


def _reals(array: Array, dtype: DType) -> Reals:
    wide = widen(array, dtype)
    if dtype in COMPLEX:
        return np.stack([wide.real, wide.imag], axis=-1)
    return wide.astype(np.float64, copy=False)
