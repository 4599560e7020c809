"""Norms: which values they divide by the spread of, and what rounding of their sums comes to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from padiff_rpc.records import record
from padiff_rpc.tensors import FLOATING, HostTensor, widen

Reals = npt.NDArray[np.float64]

# Kinds of layers, in the common vocabulary.
NORMS = frozenset({"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"})
_LIKE_LAYER_NORM = frozenset({"layer_norm", "rms_norm"})
_BLOCK_ELEMENTS = 1 << 18


@record
class NormSums:
    """What a norm makes of values by their sums: root mean squares over its groups, without its weight.

    A group is what one mean and one variance are of. Some frameworks take the square of the mean from the
    mean of squares: rounding is then as many times larger as the squares are than what is left of them.

    Attributes:
        made: values that are normalised.
        made_of_squares: the same, each group's times that.
        factor: what gradients are multiplied by on their way back, 1 / sqrt(variance + epsilon).
        factor_of_squares: the same, each group's times that.
        count: how many values a group has.
    """

    made: float
    made_of_squares: float
    factor: float
    factor_of_squares: float
    count: float

    @property
    def cancelling(self) -> float:
        """How many times larger rounding is in normalised values because squares cancel."""
        return self.made_of_squares / self.made if self.made else 1.0


@record
class Normalization:
    """How a norm groups the values that it takes.

    Attributes:
        kind: in the common vocabulary.
        groups: of a group norm's channels.
        width: how many values a layer norm goes over; 0: those of the last axis.
    """

    kind: str
    epsilon: float
    groups: int = 1
    width: int = 0
    channels_last: bool = False

    @classmethod
    def of(cls, kind: str, settings: Mapping[str, Any], width: int = 0) -> Optional[Normalization]:
        """Returns that of a layer's settings; None of a layer that is no norm.

        `width`: the elements of its weight, 0 where it has none.
        """
        if kind not in NORMS:
            return None
        epsilon, groups = settings.get("epsilon"), settings.get("num_groups")
        shape = settings.get("normalized_shape")
        return cls(
            kind=kind,
            epsilon=float(epsilon) if isinstance(epsilon, (int, float)) else 0.0,
            groups=groups if isinstance(groups, int) else 1,
            width=(width or _elements(shape)) if kind in _LIKE_LAYER_NORM else 0,
            channels_last=bool(settings.get("channels_last", False)),
        )

    def grouped(self, values: npt.NDArray[Any]) -> Optional[tuple[npt.NDArray[Any], tuple[int, ...]]]:
        """Returns values, and along which of their axes one group lies; None of values it does not take.

        Those of a group norm get an axis for the groups, the second.
        """
        shape = values.shape
        if self.kind in _LIKE_LAYER_NORM:
            axes = self._last_axes(shape)
            return (values, axes) if axes else None
        if len(shape) < 2:
            return None
        channel = len(shape) - 1 if self.channels_last else 1
        if self.kind == "group_norm":
            if self.groups < 1 or shape[channel] % self.groups:
                return None
            split = np.moveaxis(values, channel, 1)
            split = split.reshape(len(values), self.groups, -1, *split.shape[2:])
            return split, tuple(range(2, split.ndim))
        first = 0 if self.kind == "batch_norm" else 1
        axes = tuple(axis for axis in range(first, len(shape)) if axis != channel)
        return (values, axes) if axes else None

    def _last_axes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns as many of the last axes as hold the norm's values; () where none do."""
        first = len(shape) - 1
        while first > 0 and math.prod(shape[first:]) < self.width:
            first -= 1
        fits = bool(shape) and self.width in (0, math.prod(shape[first:]))
        return tuple(range(first, len(shape))) if fits else ()

    def moments(self, tensor: HostTensor) -> Optional[tuple[Reals, Reals]]:
        """Returns the mean and the mean square of each group, as they broadcast with `grouped` values.

        None of values that the norm does not take. An RMS norm takes no mean away: it is 0.
        """
        found = self.grouped(tensor.array) if tensor.dtype in FLOATING and tensor.array.size else None
        if found is None:
            return None
        values, axes = found
        sums = [
            (wide.sum(axes, keepdims=True), np.square(wide).sum(axes, keepdims=True))
            for wide in _wide_blocks(values, tensor)
        ]
        count = math.prod(values.shape[axis] for axis in axes)
        join = sum if 0 in axes else np.concatenate
        total, squares = (np.asarray(join(part)) / count for part in zip(*sums))
        return (np.zeros_like(total) if self.kind == "rms_norm" else total), squares

    def sums(self, tensor: HostTensor) -> Optional[NormSums]:
        """Returns what the norm makes of values; None of those that it does not take, or not finite ones."""
        moments = self.moments(tensor)
        if moments is None:
            return None
        mean, squares = moments
        variance = np.maximum(squares - np.square(mean), 0.0)
        left = variance + self.epsilon
        known = np.isfinite(left) & (left > 0.0)
        if not known.any():
            return None
        squares, variance, left = squares[known], variance[known], left[known]
        cancelling = (squares + self.epsilon) / left
        return NormSums(
            made=_rms(np.sqrt(variance / left)),
            made_of_squares=_rms(cancelling * np.sqrt(variance / left)),
            factor=_rms(1.0 / np.sqrt(left)),
            factor_of_squares=_rms(cancelling / np.sqrt(left)),
            count=tensor.array.size / known.size,
        )


def _wide_blocks(values: npt.NDArray[Any], tensor: HostTensor) -> Iterator[Reals]:
    """Yields the values in float64, some of the first axis at a time."""
    rows = max(1, _BLOCK_ELEMENTS * len(values) // values.size)
    with np.errstate(all="ignore"):
        for start in range(0, len(values), rows):
            yield widen(values[start : start + rows], tensor.dtype).astype(np.float64, copy=False)


def _rms(values: Reals) -> float:
    return math.sqrt(float(np.square(values).mean()))


def _elements(shape: Any) -> int:
    """Returns the elements of a tuple of sizes; 0 of one number, which may stand for several equal ones."""
    return math.prod(shape) if isinstance(shape, tuple) else 0
