"""Probes for numbers that a formula makes of the reference's: sign, factor, constant, rounding."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, Optional

import numpy as np

from padiff_compare.hints.clues import GAIN, ROUNDINGS, VERIFIED_ROUNDINGS, Clues, Probe, Reals, relative_l2
from padiff_rpc.tensors import Array, HostTensor, cast, epsilon, widen
from padiff_rpc.v1.records import Hint
from padiff_rpc.v1.words import CaptureKind, DType, HintKind, Side

# Of each number that is fitted there are this many elements, at least.
_ELEMENTS_EACH = 4
_TOLD_BY = 1024
_COARSER = (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16)
# Up to this many spacings of the coarser dtype a call may be off that computes in it.
_ROUNDINGS_INSIDE = 32.0
_ALL_BUT_TIES = 0.99
# A factor of one number alone has to be whole, or one over a whole number.
_LARGEST_WHOLE = 500


def sign(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """The opposite sign: b = -a."""
    return clues.hint(HintKind.SIGN, -reference, reference, candidate)


def scaled(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """One factor throughout: b = k a, k = <a, b> / <a, a>; of a single number a whole k, or one over it."""
    if reference.shape != candidate.shape or not reference.any():
        return None
    factor = float(np.vdot(reference, candidate) / np.vdot(reference, reference))
    if factor == 0.0 or not math.isfinite(factor):
        return None
    if np.count_nonzero(reference) < _ELEMENTS_EACH:
        whole = round(max(abs(factor), 1 / abs(factor)))
        nearest = math.copysign(whole if abs(factor) > 1 else 1 / whole, factor)
        is_likely = whole <= min(_LARGEST_WHOLE, 1e-3 / (VERIFIED_ROUNDINGS * clues.roundings))
        # Of two whole numbers one often is a multiple of the other.
        are_whole = float(reference.sum()).is_integer() and float(candidate.sum()).is_integer()
        if whole < 2 or not is_likely or reference.size > 1 or are_whole:
            return None
        made = nearest * reference
        if relative_l2(made, candidate) > VERIFIED_ROUNDINGS * clues.roundings:
            return None
        factor = nearest
    return clues.hint(HintKind.SCALED, factor * reference, reference, candidate, numbers=(factor,))


def offset(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """One constant added: b = a + c, c = mean(b - a)."""
    if reference.shape != candidate.shape or reference.size < _ELEMENTS_EACH:
        return None
    constant = float(np.mean(candidate - reference))
    if constant == 0.0 or not _is_told(clues, constant * np.ones(1), reference, candidate):
        return None
    return clues.hint(HintKind.OFFSET, reference + constant, reference, candidate, numbers=(constant,))


def of_each_index(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """One formula for each index i of an axis: b = a + c_i, b = k_i a, or b = k_i a + c_i (least squares).

    What is added for each channel may be a bias that one side lacks: it then equals the layer's, where that
    is known. A factor and a constant for each channel behind a batch norm are what other statistics make.
    """
    if reference.shape != candidate.shape or reference.ndim < 2:
        return None
    for axis in sorted(range(reference.ndim), key=lambda axis: reference.shape[axis]):
        count, each = reference.shape[axis], reference.size // max(reference.shape[axis], 1)
        if count < 2 or each < _ELEMENTS_EACH:
            continue
        # Of each index some elements tell.
        some = slice(None, None, max(1, each // _TOLD_BY))
        ours, theirs = (
            np.moveaxis(one, axis, 0).reshape(count, -1)[:, some] for one in (reference, candidate)
        )
        for kind, made, added in _formulas(ours, theirs):
            if kind is HintKind.AFFINE_EACH and (each < 4 * _ELEMENTS_EACH or not _varies(ours, theirs)):
                continue
            if kind is HintKind.OFFSET_EACH and not _is_told(clues, added, reference, candidate):
                continue
            hint = clues.hint(kind, made, ours, theirs, numbers=(float(axis),))
            if hint is not None:
                return _as_bias(clues, hint, added) or _as_statistics(clues, hint, theirs) or hint
    return None


def _formulas(ours: Reals, theirs: Reals) -> Iterator[tuple[HintKind, Reals, Reals]]:
    """Yields the candidate's rows by each formula, and what that adds; the simplest first."""
    our_means, their_means = (np.mean(one, axis=1, keepdims=True) for one in (ours, theirs))
    added = their_means - our_means
    yield HintKind.OFFSET_EACH, ours + added, added
    squares = np.sum(ours * ours, axis=1, keepdims=True)
    factors = np.sum(ours * theirs, axis=1, keepdims=True) / np.where(squares > 0, squares, 1.0)
    yield HintKind.SCALED_EACH, factors * ours, np.zeros_like(added)
    centred = ours - our_means
    spread = np.sum(centred * centred, axis=1, keepdims=True)
    slopes = np.sum(centred * theirs, axis=1, keepdims=True) / np.where(spread > 0, spread, 1.0)
    yield HintKind.AFFINE_EACH, slopes * centred + their_means, their_means - slopes * our_means


def _varies(ours: Reals, theirs: Reals) -> bool:
    """Whether what lies at most indices varies on both sides: of a constant any values are made."""
    spreads = [np.std(one, axis=1) > 1e-3 * np.sqrt(np.mean(np.square(one))) for one in (ours, theirs)]
    return all(np.mean(spread) > 0.5 for spread in spreads)


def _is_told(clues: Clues, added: Reals, reference: Reals, candidate: Reals) -> bool:
    """Whether what is added is more than rounding of the numbers that it is added to."""
    rms = math.sqrt(float(np.mean(np.square(reference))))
    return float(np.max(np.abs(added))) > GAIN * clues.roundings * rms


def _as_bias(clues: Clues, hint: Hint, added: Reals) -> Optional[Hint]:
    """Returns what a constant for each channel is where it is the layer's bias, or its opposite."""
    if hint.kind is not HintKind.OFFSET_EACH:
        return None
    lacking: Optional[Side] = None
    has_bias, bias = clues.settings.get("bias", (None, None)), clues.vectors.get("bias")
    if has_bias in ((True, False), (False, True)):
        lacking = Side.CANDIDATE if has_bias[0] else Side.REFERENCE
    elif bias is not None and bias.any():
        for side, one in ((Side.CANDIDATE, -bias), (Side.REFERENCE, bias)):
            # What is added is known to the rounding of the sums.
            if relative_l2(one.reshape(-1), added.reshape(-1)) <= 1e-3:
                lacking = side
    if lacking is None:
        return None
    return dataclasses.replace(hint, kind=HintKind.MISSING_BIAS, side=lacking)


def _as_statistics(clues: Clues, hint: Hint, theirs: Reals) -> Optional[Hint]:
    """Returns what another factor and constant for each channel is behind a batch norm: other statistics.

    The side that takes the batch's own has in each channel a mean that is the norm's bias.
    """
    bias = clues.vectors.get("bias")
    if hint.kind is not HintKind.AFFINE_EACH or clues.kinds != ("batch_norm", "batch_norm"):
        return None
    side = None
    if bias is not None and bias.size == len(theirs):
        means = np.mean(theirs, axis=1)
        scale = float(np.max(np.std(theirs, axis=1)))
        is_own = float(np.max(np.abs(means - bias.reshape(-1)))) <= 1e-3 * scale
        side = Side.CANDIDATE if is_own else Side.REFERENCE
    return dataclasses.replace(hint, kind=HintKind.STATISTICS, side=side)


def rounded(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """One side rounded to a coarser dtype: b = round(a), but where the two lie around a tie.

    Where a call computes in that dtype inside, its values are such numbers too, and up to some spacings off.
    """
    if reference.shape != candidate.shape or reference.size < 4 * _ELEMENTS_EACH:
        return None
    for dtype in _COARSER if relative_l2(reference, candidate) > 0.0 else ():
        for side, finer, coarser in (
            (Side.CANDIDATE, reference, candidate),
            (Side.REFERENCE, candidate, reference),
        ):
            if epsilon(dtype) <= clues.roundings or not _is_all(dtype, coarser) or _is_mostly(dtype, finer):
                continue
            made = rounded_to(dtype, finer)
            equal = float(np.mean(np.abs(made - coarser) <= ROUNDINGS * clues.roundings * np.abs(coarser)))
            before, after = relative_l2(finer, coarser), relative_l2(made, coarser)
            if before <= _ROUNDINGS_INSIDE * epsilon(dtype):
                return Hint(
                    kind=HintKind.ROUNDED,
                    side=side,
                    names=(dtype.value,),
                    verified=equal > _ALL_BUT_TIES,
                    before=before,
                    after=after,
                )
    return None


def rounded_to(dtype: DType, values: Reals) -> Reals:
    """Returns the nearest numbers of a coarser dtype."""
    array: Array = np.ascontiguousarray(values)
    return widen(cast(HostTensor(array=array, dtype=DType.FLOAT64), dtype).array, dtype).astype(np.float64)


def _is_all(dtype: DType, values: Reals) -> bool:
    return bool(np.mean(rounded_to(dtype, values) == values) > 0.999)


def _is_mostly(dtype: DType, values: Reals) -> bool:
    return bool(np.mean(rounded_to(dtype, values) == values) > 0.5)


def unbiased(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """A variance by n on one side and by n - 1 on the other.

    Of a running variance r' = (1 - m) r + m v the new part m v is compared: one is n / (n - 1) of the other.
    """
    share = clues.settings.get("momentum", (None, None))[0]
    if clues.name != "running_var" or not _is_share(share) or clues.now is None or clues.before is None:
        return None
    kept = (1.0 - share) * clues.before.reference
    ours, theirs = clues.now.reference - kept, clues.now.candidate - kept
    if ours.size < 2 or not ours.any() or not theirs.any():
        return None
    factor = float(np.vdot(ours, theirs) / np.vdot(ours, ours))
    if factor <= 0.0 or factor == 1.0:
        return None
    side, ratio = (Side.CANDIDATE, factor) if factor > 1.0 else (Side.REFERENCE, 1.0 / factor)
    count = max(round(ratio / (ratio - 1.0)), 2)
    exact = count / (count - 1.0)
    made = kept + ours * (exact if side is Side.CANDIDATE else 1.0 / exact)
    return clues.hint(
        HintKind.UNBIASED,
        made,
        clues.now.reference,
        clues.now.candidate,
        side=side,
        numbers=(float(count),),
    )


def momentum(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """Another share of the new value in a running statistic; mostly that of the old one.

    From r the reference makes r' = r + m (s - r), so the candidate's share n makes r + (r' - r) n / m.
    """
    share, other = clues.settings.get("momentum", (None, None))
    is_statistic = clues.name in ("running_mean", "running_var")
    if not is_statistic or not _is_share(share) or clues.now is None or clues.before is None:
        return None
    before = clues.before.reference
    for one in (other, 1.0 - share):
        if not _is_share(one) or one == share:
            continue
        made = before + (clues.now.reference - before) * (one / share)
        ours, theirs = clues.now.reference, clues.now.candidate
        hint = clues.hint(HintKind.MOMENTUM, made, ours, theirs, numbers=(share, one))
        if hint is not None:
            return hint
    return None


def _is_share(value: Any) -> bool:
    return isinstance(value, float) and 0.0 < value < 1.0


def stale(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """What the reference had before the step, and no longer has: an update that was not made."""
    is_weight = clues.evidence.kind in (CaptureKind.PARAMETER, CaptureKind.BUFFER)
    if not is_weight or clues.now is None or clues.before is None:
        return None
    made, now = clues.before.reference, clues.now
    return clues.hint(HintKind.STALE, made, now.reference, now.candidate)


def accumulated(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """Gradients of the step before added to this one's: b' = a' + b."""
    is_gradient = clues.evidence.kind is CaptureKind.PARAMETER_GRADIENT
    if not is_gradient or clues.now is None or clues.before is None:
        return None
    now = clues.now
    made = now.reference + clues.before.candidate
    return clues.hint(HintKind.ACCUMULATED, made, now.reference, now.candidate)


PROBES: tuple[Probe, ...] = (
    stale,
    accumulated,
    momentum,
    unbiased,
    rounded,
    sign,
    scaled,
    offset,
    of_each_index,
)
