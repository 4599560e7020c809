"""Sketches and statistics of captures, which travel in place of large tensors where a step asks for them."""

from __future__ import annotations

import dataclasses
import math
from typing import Optional

import numpy as np

from padiff_rpc.records import record
from padiff_rpc.tensors import (
    BLOCK_ELEMENTS,
    COMPLEX,
    FLOATING,
    WIRE_BUCKETS,
    HostTensor,
    byte_count,
    sketch,
    sum_of_squares,
    widen,
)
from padiff_rpc.v1.records import CaptureId, Sketching, TensorSpec, TensorStatistics
from padiff_rpc.v1.words import CaptureKind

_SKETCH_BYTES = WIRE_BUCKETS * np.dtype(np.float64).itemsize
# One number, and what is no activation.
_ALWAYS_WHOLE = frozenset({CaptureKind.LOSS, CaptureKind.TARGET})
# A mask's marks (-1e4, -1e9) are looked for in such values alone; beside them nothing else shows in a norm.
_RMS_OF_MARKS, _LEAST_MARK = 30.0, 1e3

Place = tuple[str, int, str, CaptureKind]


def place_of(capture: CaptureId) -> Place:
    """Returns what names a capture in any step."""
    return capture.path, capture.call, capture.slot, capture.kind


@record
class Sketched:
    """A tensor's sketch, with its statistics, and the sum of squares of its finite elements.

    Attributes:
        is_transposed: whether the sketch is of the tensor with its axes exchanged.
    """

    tensor: HostTensor
    sum_squares: float
    is_transposed: bool = False


class Sketcher:
    """Makes the sketches that a step's start asks for. Thread-safe: it holds what was asked."""

    def __init__(self, asked: Sketching) -> None:
        self._whole = frozenset(map(place_of, asked.whole))
        self._transposed = frozenset(map(place_of, asked.transposed))

    def takes(self, capture: CaptureId, spec: TensorSpec) -> bool:
        """Whether a capture of that dtype and shape is to travel as a sketch."""
        return (
            spec.dtype in FLOATING | COMPLEX
            and byte_count(spec) > _SKETCH_BYTES
            and capture.kind not in _ALWAYS_WHOLE
            and place_of(capture) not in self._whole
        )

    def made(self, capture: CaptureId, tensor: HostTensor) -> Optional[Sketched]:
        """Returns the sketch of a tensor that it `takes`; None for one that may hold a mask's marks."""
        squares, statistics = sum_of_squares(tensor), statistics_of(tensor)
        largest = max(abs(statistics.minimum), abs(statistics.maximum))
        if math.sqrt(squares / tensor.array.size) > _RMS_OF_MARKS and largest >= _LEAST_MARK:
            return None
        is_transposed = place_of(capture) in self._transposed and tensor.array.ndim == 2
        if is_transposed:
            tensor = dataclasses.replace(tensor, array=np.ascontiguousarray(tensor.array.T))
        made = sketch(_finite(tensor) if _has_nonfinite(statistics) else tensor, WIRE_BUCKETS)
        made = dataclasses.replace(made, sketch_of=tensor.spec, statistics=statistics)
        return Sketched(tensor=made, sum_squares=squares, is_transposed=is_transposed)


def statistics_of(tensor: HostTensor) -> TensorStatistics:
    """Returns the statistics of a floating or complex tensor, computed in float64 block by block."""
    least, largest, total, count = math.inf, -math.inf, 0.0, 0
    nans = positive = negative = 0
    flat = tensor.array.reshape(-1)
    with np.errstate(all="ignore"):
        for start in range(0, flat.size, BLOCK_ELEMENTS):
            reals = widen(flat[start : start + BLOCK_ELEMENTS], tensor.dtype).view(np.float64)
            summed = float(reals.sum())
            if not math.isfinite(summed):
                nans += int(np.isnan(reals).sum())
                positive += int(np.isposinf(reals).sum())
                negative += int(np.isneginf(reals).sum())
                reals = reals[np.isfinite(reals)]
                summed = float(reals.sum())
            if reals.size:
                least, largest = min(least, float(reals.min())), max(largest, float(reals.max()))
            total += summed
            count += reals.size
    return TensorStatistics(
        minimum=least if count else 0.0,
        maximum=largest if count else 0.0,
        mean=total / count if count else 0.0,
        nans=nans,
        positive_infinities=positive,
        negative_infinities=negative,
    )


def _has_nonfinite(statistics: TensorStatistics) -> bool:
    """Whether there are elements that are not finite."""
    return bool(statistics.nans or statistics.positive_infinities or statistics.negative_infinities)


def _finite(tensor: HostTensor) -> HostTensor:
    """Returns a copy of the tensor, widened, with zeros in place of what is not finite."""
    wide = np.array(widen(tensor.array.reshape(-1), tensor.dtype))
    reals = wide.view(np.float64)
    reals[~np.isfinite(reals)] = 0.0
    return HostTensor.from_array(wide.reshape(tensor.array.shape))
