"""Tolerances of optimizers' states: those of the gradients that they are made of."""

from __future__ import annotations

from typing import Optional

from padiff_compare.judge.measure import Magnitude
from padiff_compare.judge.tolerances import Tolerances
from padiff_rpc.tensors import COMPLEX, FLOATING
from padiff_rpc.v1.records import Options, Tolerance
from padiff_rpc.v1.words import CaptureKind, CompareMode, DType, Phase, ToleranceSource

# States that are sums or averages of gradients' squares. A relative error of a gradient is twice that of
# its square.
SQUARES = frozenset(
    {
        "second_moment",
        "largest_second_moment",
        "mean_square",
        "mean_square_update",
        "sum_of_squares",
    }
)

# Relative L2, where gradients agree to rounding. Worst of 20 steps of each optimizer on a small network:
# float32 1.5e-5, float64 4e-7 (most of Paddle's round their settings to float32). A beta of 0.91 for 0.9
# makes 1e-1 in a step.
_STATE = {DType.FLOAT16: 3e-2, DType.BFLOAT16: 2e-1, DType.FLOAT32: 1e-4, DType.FLOAT64: 1e-6}
_PRECISION = {DType.COMPLEX64: DType.FLOAT32, DType.COMPLEX128: DType.FLOAT64}

# Where gradients point in several directions over the steps, their average is smaller than they are, and
# their errors count for more.
_ROOM = 4.0
# Beyond it (half precision comes near) gradients have nothing in common, and nor has what is made of them.
_LARGEST_ERROR = 0.25

# A learning rate is a number of float32 to Paddle, and schedules may be computed in two ways.
RATE = Tolerance(atol=0.0, rtol=1e-6, source=ToleranceSource.DEFAULT)


class StateTolerances(Tolerances):
    """Bounds of one state of one parameter.

    `gradient_relative_l2` is the largest that was seen between its two gradients; None: none was.
    """

    def __init__(self, options: Options, state: str, gradient_relative_l2: Optional[float]) -> None:
        super().__init__(options)
        self._power = 2.0 if state in SQUARES else 1.0
        self._error = gradient_relative_l2 or 0.0
        self._is_strict = options.compare_mode is CompareMode.STRICT

    def table(self, phase: Phase, kind: CaptureKind, dtype: DType, magnitude: Magnitude) -> Tolerance:
        general = super().table(phase, kind, dtype, magnitude)
        if dtype not in FLOATING | COMPLEX:
            return general
        # Not `max`: a NaN, of gradients that overflowed, explains nothing.
        error = min(self._error, _LARGEST_ERROR) if self._error > 0.0 else 0.0
        bound = self._power * max(_STATE[_PRECISION.get(dtype, dtype)], _ROOM * error)
        return Tolerance(
            atol=bound * magnitude.rms,
            rtol=bound,
            relative_l2=bound if self._is_strict else 0.0,
            source=general.source,
        )
