"""Probe for a norm's epsilon: the call with the other epsilon is computed from what it was given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from padiff_compare.hints.clues import Clues, Probe, Reals, corner
from padiff_compare.normalization import Normalization
from padiff_rpc.tensors import HostTensor
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
    norm = Normalization.of(kinds[0], {word: ours for word, (ours, _) in settings.items()})
    moments = norm.moments(entered) if norm is not None and entered.array.size <= _MOST_ELEMENTS else None
    if moments is None:
        return None
    mean, squares = moments
    variance = np.maximum(squares - np.square(mean), 0.0)
    if kinds[0] != "group_norm":
        return np.asarray(variance)
    channel = _channel(settings, entered.array)
    each = np.repeat(variance[:, :, 0], entered.array.shape[channel] // variance.shape[1], axis=1)
    return np.moveaxis(each, 1, channel)


def _normalized(settings: Settings) -> int:
    """Returns over how many axes a layer norm goes; of several equal ones the vocabulary has one number."""
    shape = settings.get("normalized_shape", (None,))[0]
    return len(shape) if isinstance(shape, tuple) else 1


def _channel(settings: Settings, values: npt.NDArray[Any]) -> int:
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
