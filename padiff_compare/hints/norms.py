"""Probe for a norm's epsilon: the call with the other epsilon is computed from what it was given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Optional

import numpy as np

from padiff_compare.hints.clues import Clues, Probe, Reals, corner
from padiff_rpc.tensors import HostTensor, widen
from padiff_rpc.v1.records import Hint
from padiff_rpc.v1.words import CaptureKind, HintKind

_MOST_ELEMENTS = 1 << 24
# By word, the reference's and the candidate's.
Settings = Mapping[str, tuple[Any, Any]]


def epsilon(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """Another epsilon e in w (x - mean) / sqrt(var + e) + c: b = c + (a - c) sqrt((var + e) / (var + e')).

    The variance is that of the values along the norm's axes, or the running one of a batch norm in eval mode:
    of the two the one that makes the candidate's values counts.
    """
    ours, theirs = clues.settings.get("epsilon", (None, None))
    is_output = clues.evidence.kind is CaptureKind.OUTPUT and reference.shape == candidate.shape
    if not is_output or not _is_number(ours) or not _is_number(theirs) or ours == theirs:
        return None
    shift = _shaped(clues, "bias", reference)
    # In train mode a batch norm has both.
    for variance in (clues.variance, _shaped(clues, "running_var", reference)):
        if variance is None:
            continue
        factor = np.sqrt((variance + ours) / (variance + theirs))
        added = 0.0 if shift is None else shift
        made = added + (reference - added) * factor
        hint = clues.hint(HintKind.EPSILON, made, reference, candidate, numbers=(float(ours), float(theirs)))
        if hint is not None:
            return hint
    return None


def variance_of(kinds: tuple[str, str], settings: Settings, entered: HostTensor) -> Optional[Reals]:
    """Returns the variance that a norm divides by, of what it was called with, as it broadcasts.

    An RMS norm divides by the mean square. None for other kinds, for a shape that they do not take, and for
    more elements than are worth it.
    """
    if entered.array.size > _MOST_ELEMENTS:
        return None
    kind = kinds[0]
    values = widen(entered.array, entered.dtype).astype(np.float64, copy=False)
    if kind in ("layer_norm", "rms_norm"):
        axes = tuple(range(-_normalized(settings), 0))
        if len(axes) > values.ndim:
            return None
        if kind == "rms_norm":
            values = np.square(values)
            return np.asarray(np.mean(values, axis=axes, keepdims=True))
        return np.asarray(np.var(values, axis=axes, keepdims=True))
    if values.ndim < 2:
        return None
    channel = _channel(settings, values)
    inside = tuple(axis for axis in range(1, values.ndim) if axis != channel)
    if kind == "batch_norm":
        return np.asarray(np.var(values, axis=(0, *inside), keepdims=True))
    if kind == "instance_norm":
        return np.asarray(np.var(values, axis=inside, keepdims=True))
    groups, size = settings.get("num_groups", (None,))[0], values.shape[channel]
    if kind != "group_norm" or not isinstance(groups, int) or groups < 1 or size % groups or channel != 1:
        return None
    variances = np.var(values.reshape(len(values), groups, -1), axis=-1)
    each = np.repeat(variances, size // groups, axis=1)
    return each.reshape(*each.shape, *[1] * (values.ndim - 2))


def _normalized(settings: Settings) -> int:
    """Returns over how many axes a layer norm goes; of several equal ones the vocabulary has one number."""
    shape = settings.get("normalized_shape", (None,))[0]
    return len(shape) if isinstance(shape, tuple) else 1


def _channel(settings: Settings, values: Reals) -> int:
    return values.ndim - 1 if settings.get("channels_last", (False,))[0] else min(1, values.ndim - 1)


def _shaped(clues: Clues, name: str, values: Reals) -> Optional[Reals]:
    """Returns a weight of the norm as it broadcasts with `values`; None where it is not known."""
    vector, measured = clues.vectors.get(name), clues.evidence.measured
    whole = measured.reference.shape if measured is not None else values.shape
    if clues.kinds[0] in ("layer_norm", "rms_norm"):
        first = len(whole) - _normalized(clues.settings)
        shape = tuple(size if axis >= first else 1 for axis, size in enumerate(whole))
    else:
        channel = _channel(clues.settings, values)
        shape = tuple(size if axis == channel else 1 for axis, size in enumerate(whole))
    if vector is None or vector.size != math.prod(shape):
        return None
    return vector.reshape(shape)[corner(whole)]


def _is_number(value: Any) -> bool:
    return isinstance(value, float) and value >= 0.0


PROBES: tuple[Probe, ...] = (epsilon,)
