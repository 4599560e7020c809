"""Probes for functions that one side applies: a GELU of the other kind, an activation, dropout, a norm."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Optional

import numpy as np

from padiff_compare.hints.clues import Bools, Clues, Probe, Reals, relative_l2
from padiff_rpc.v1.records import Hint
from padiff_rpc.v1.words import CaptureKind, HintKind, Side

_FEWEST = 16
# What is computed element by element is tried on some of them.
_TRIED = 4096
# A GELU has its minimum here, and is steep enough to be inverted on either side of it.
_LOWEST = {"none": -0.7517915246935645, "tanh": -0.7524614220710162}
_HALVINGS = 60


def gelu(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """A GELU by erf, x/2 (1 + erf(x/sqrt 2)), against x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).

    The x of each value is found by halving an interval, to the right and to the left of the minimum; the
    nearer to the candidate counts. So the call's input need not be known.
    """
    if not _is_of_values(clues, reference, candidate) or not reference.min() > -0.171:
        return None
    reference, candidate = _some(reference), _some(candidate)
    # The two are never further apart than this.
    if not 0.0 < float(np.max(np.abs(reference - candidate))) < 1e-3:
        return None
    for side, ours, theirs in ((Side.CANDIDATE, "none", "tanh"), (Side.REFERENCE, "tanh", "none")):
        right, left = (_gelu(theirs, x) for x in _inverses(ours, reference))
        made = np.where(np.abs(right - candidate) <= np.abs(left - candidate), right, left)
        hint = clues.hint(HintKind.GELU, made, reference, candidate, side=side)
        if hint is not None:
            return hint
    return None


def _gelu(kind: str, x: Reals) -> Reals:
    if kind == "tanh":
        made: Reals = 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))
        return made
    return 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))


def _inverses(kind: str, values: Reals) -> tuple[Reals, Reals]:
    """Returns the x to the right of a GELU's minimum, and to the left, that have these values."""
    lowest = _LOWEST[kind]
    low, high = np.full_like(values, lowest), np.maximum(values, 0.0) + 1.0
    left, right = np.full_like(values, -9.0), np.full_like(values, lowest)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        is_above = _gelu(kind, middle) > values
        low, high = np.where(is_above, low, middle), np.where(is_above, middle, high)
        middle = 0.5 * (left + right)
        is_above = _gelu(kind, middle) > values
        left, right = np.where(is_above, middle, left), np.where(is_above, right, middle)
    return 0.5 * (low + high), 0.5 * (left + right)


def _erf(x: Reals) -> Reals:
    return np.vectorize(math.erf, otypes=[np.float64])(x) if x.size else x


ACTIVATIONS: Mapping[str, Callable[[Reals], Reals]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "relu6": lambda x: np.clip(x, 0.0, 6.0),
    "leakyrelu": lambda x: np.where(x > 0.0, x, 0.01 * x),
    "sigmoid": lambda x: 0.5 * (1.0 + np.tanh(0.5 * x)),
    "tanh": np.tanh,
    "silu": lambda x: x * 0.5 * (1.0 + np.tanh(0.5 * x)),
    "gelu": lambda x: _gelu("none", x),
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "exp": np.exp,
    "softmax": lambda x: _softmax(x),
}


def activation(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """An activation that one side alone applies: b = f(a), or a = f(b), for the common f."""
    if not _is_of_values(clues, reference, candidate):
        return None
    for side, given, made in ((Side.CANDIDATE, reference, candidate), (Side.REFERENCE, candidate, reference)):
        if not given.any():
            continue
        for name, function in ACTIVATIONS.items():
            is_whole = name == "softmax"
            ours, theirs = (given, made) if is_whole else (_some(given), _some(made))
            with np.errstate(all="ignore"):
                hint = clues.hint(HintKind.ACTIVATION, function(ours), ours, theirs, side=side, names=(name,))
            if hint is not None:
                return hint
    return None


def other_activation(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """Another activation of what the layer was called with: b = g(x), for the common g."""
    rows, own = clues.entered, clues.kinds[0]
    if rows is None or own not in ACTIVATIONS or not _is_of_values(clues, reference, candidate):
        return None
    ours, theirs = (one.reshape(-1, one.shape[-1])[: len(rows)] for one in (reference, candidate))
    for name, function in ACTIVATIONS.items():
        if name == own or ours.shape != rows.shape:
            continue
        with np.errstate(all="ignore"):
            made = function(rows)
        hint = clues.hint(HintKind.ACTIVATION, made, ours, theirs, side=Side.CANDIDATE, names=(name, own))
        if hint is not None:
            return hint
    return None


def _some(values: Reals) -> Reals:
    flat = values.reshape(-1)
    return flat[:: max(1, flat.size // _TRIED)]


def _softmax(x: Reals) -> Reals:
    if x.ndim == 0:
        return np.ones_like(x)
    powers = np.exp(x - np.max(x, axis=-1, keepdims=True))
    made: Reals = powers / np.sum(powers, axis=-1, keepdims=True)
    return made


def dropout(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """Elements that one side drops at random, the others scaled: b = k a, or 0 for a share p of the elements.

    A scale of 1 / (1 - p) is the usual one, of 1 that of the older mode. What a rectifier or a mask cuts off
    is no random choice: there only one sign is dropped, or neighbours go together.
    """
    if reference.shape != candidate.shape or reference.size < 4 * _FEWEST:
        return None
    for side, whole, dropped in (
        (Side.CANDIDATE, reference, candidate),
        (Side.REFERENCE, candidate, reference),
    ):
        there = whole != 0.0
        gone, kept = there & (dropped == 0.0), there & (dropped != 0.0)
        share = float(gone.sum()) / max(float(there.sum()), 1.0)
        if not 0.005 < share < 0.995 or kept.sum() < _FEWEST:
            continue
        if not _is_random(gone[there], share) or not np.ptp(np.sign(whole[gone])) > 0.0:
            continue
        factor = float(np.vdot(whole[kept], dropped[kept]) / np.vdot(whole[kept], whole[kept]))
        made = np.where(gone, 0.0, factor * whole)
        # By chance the share differs a little from p.
        slack = 5.0 * math.sqrt(share * (1.0 - share) / float(there.sum()))
        is_scaled = factor > 1.0 and abs(1.0 - 1.0 / factor - share) <= slack
        if not is_scaled and abs(factor - 1.0) > 1e-3:
            continue
        hint = clues.hint(HintKind.DROPOUT, made, whole, dropped, side=side, numbers=(share, factor))
        if hint is not None:
            return hint
    return None


def _is_random(gone: Bools, share: float) -> bool:
    """Whether what is gone lies among the rest as chance has it: it then ends as often as p (1 - p) says."""
    ends = np.count_nonzero(gone[1:] != gone[:-1])
    return bool(ends > share * (1.0 - share) * gone.size)


def wrong_axis(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """A softmax, or a norm, along another axis.

    Each side sums to 1, or has mean 0 and variance 1, along one axis alone, and it is not the same one.
    """
    if reference.shape != candidate.shape or reference.ndim < 2 or reference.size < _FEWEST:
        return None
    for normed in (_sums_to_one, _is_standard):
        ours, theirs = (
            {axis for axis in range(one.ndim) if normed(one, axis)} for one in (reference, candidate)
        )
        if len(ours) == len(theirs) == 1 and ours != theirs:
            before = relative_l2(reference, candidate)
            numbers = float(*ours), float(*theirs)
            return Hint(kind=HintKind.WRONG_AXIS, numbers=numbers, before=before, after=before)
    return None


def _sums_to_one(values: Reals, axis: int) -> bool:
    if values.shape[axis] < 2 or values.min() < 0.0:
        return False
    return bool(np.max(np.abs(np.sum(values, axis=axis) - 1.0)) < 1e-3)


def _is_standard(values: Reals, axis: int) -> bool:
    if values.shape[axis] < 4:
        return False
    means, variances = np.mean(values, axis=axis), np.var(values, axis=axis)
    return bool(np.max(np.abs(means)) < 1e-3 and np.max(np.abs(variances - 1.0)) < 1e-2)


def _is_of_values(clues: Clues, reference: Reals, candidate: Reals) -> bool:
    is_value = clues.evidence.kind in (CaptureKind.INPUT, CaptureKind.OUTPUT)
    return is_value and reference.shape == candidate.shape and reference.size >= _FEWEST


PROBES: tuple[Probe, ...] = (gelu, other_activation, activation, dropout, wrong_axis)
