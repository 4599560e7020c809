"""Probe for a norm's epsilon: the call with the other epsilon is computed from what it was given."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from padiff_compare.hints.clues import Clues, Probe, Reals
from padiff_rpc.v1.records import Hint
from padiff_rpc.v1.words import CaptureKind, HintKind


def epsilon(clues: Clues, reference: Reals, candidate: Reals) -> Optional[Hint]:
    """Another epsilon e in w (x - mean) / sqrt(var + e) + c: b = c + (a - c) sqrt((var + e) / (var + e')).

    The variance is that of the values along the norm's axes, or the running one of a batch norm in eval mode:
    of the two the one that makes the candidate's values counts.
    """
    ours, theirs = clues.settings.get("epsilon", (None, None))
    is_output = clues.evidence.kind is CaptureKind.OUTPUT and reference.shape == candidate.shape
    if not is_output or not _is_number(ours) or not _is_number(theirs) or ours == theirs:
        return None
    for variance, shift in _variances(clues, reference):
        factor = np.sqrt((variance + ours) / (variance + theirs))
        made = shift + (reference - shift) * factor
        hint = clues.hint(HintKind.EPSILON, made, reference, candidate, numbers=(float(ours), float(theirs)))
        if hint is not None:
            return hint
    return None


def _variances(clues: Clues, reference: Reals) -> list[tuple[Reals, Reals]]:
    """Returns the variances that the norm may divide by, and what it adds at the end, as they broadcast."""
    kind, values = clues.kinds[0], clues.entered
    if values is not None and values.shape != reference.shape:
        values = None
    if kind in ("layer_norm", "rms_norm"):
        # One number stands for equal ones too; that is rare.
        shape = clues.settings.get("normalized_shape", (None, None))[0]
        count = len(shape) if isinstance(shape, tuple) else 1
        axes = tuple(range(-count, 0))
        shift = _shaped(clues, "bias", reference.shape[-count:])
        if values is None or count > reference.ndim:
            return []
        squares = np.mean(np.square(values), axis=axes, keepdims=True)
        variance = squares if kind == "rms_norm" else np.var(values, axis=axes, keepdims=True)
        return [(variance, np.zeros(1) if shift is None else shift)]
    if reference.ndim < 2:
        return []
    channel = reference.ndim - 1 if clues.settings.get("channels_last", (False,))[0] else 1
    along = tuple(size if axis == channel else 1 for axis, size in enumerate(reference.shape))
    shift = _shaped(clues, "bias", along)
    found = [_shaped(clues, "running_var", along)] if kind == "batch_norm" else []
    if values is not None:
        inside = tuple(axis for axis in range(1, reference.ndim) if axis != channel)
        if kind == "batch_norm":
            found.append(np.var(values, axis=(0, *inside), keepdims=True))
        elif kind == "instance_norm":
            found.append(np.var(values, axis=inside, keepdims=True))
        elif kind == "group_norm":
            found.append(_of_groups(clues, values, channel))
    return [(one, np.zeros(1) if shift is None else shift) for one in found if one is not None]


def _of_groups(clues: Clues, values: Reals, channel: int) -> Optional[Reals]:
    groups = clues.settings.get("num_groups", (None,))[0]
    size = values.shape[channel]
    if not isinstance(groups, int) or groups < 1 or size % groups or channel != 1:
        return None
    variances = np.var(values.reshape(len(values), groups, -1), axis=-1)
    each = np.repeat(variances, size // groups, axis=1)
    return each.reshape(*each.shape, *[1] * (values.ndim - 2))


def _shaped(clues: Clues, name: str, shape: tuple[int, ...]) -> Optional[Reals]:
    """Returns a weight of the layer in the shape that broadcasts; None where it is not known."""
    vector = clues.vectors.get(name)
    if vector is None or vector.size != int(np.prod(shape)):
        return None
    return vector.reshape(shape)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) and value >= 0.0


PROBES: tuple[Probe, ...] = (epsilon,)
