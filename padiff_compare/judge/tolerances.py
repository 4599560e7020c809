"""Tolerances of a pair of tensors, by dtype and by what the pair is.

The defaults were found by trying: float32 on one thread of a CPU, torch 2.13 against paddle 3.3.1, the
same weights in both. "Elementwise" is |a - b| / (|b| + rms(b)), the quantity that an equal rtol and
scale-relative atol bound.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Optional

from padiff_compare.judge.evidence import GRADIENTS, LARGEST_SCORE, ROOM_OF_ONE, spacing
from padiff_compare.judge.measure import Magnitude
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING, epsilon
from padiff_rpc.v1.records import Options, Tolerance
from padiff_rpc.v1.words import CaptureKind, CompareMode, DType, Phase, ToleranceSource

_PRECISION = {DType.COMPLEX64: DType.FLOAT32, DType.COMPLEX128: DType.FLOAT64}

# Values on the way forward, and the loss; elementwise. Worst of a healthy pair, float32: ResNet-50 in eval
# mode 1.0e-5, a 12-layer transformer 2.8e-6; a LayerNorm epsilon of 1e-3 for 1e-5 makes 8.7e-4, in a
# BatchNorm 1.8e-2. (ResNet-50 with random weights in train mode amplifies rounding to 5e-4 and fails.)
# float64: 3.4e-13, and a detour through float32 would make 1e-7. Halves against float64: float16 1.3e-2,
# bfloat16 8.0e-2, here times 2.5 since both sides round.
_FORWARD = {DType.FLOAT16: 3e-2, DType.BFLOAT16: 2e-1, DType.FLOAT32: 1e-4, DType.FLOAT64: 1e-11}

# Gradients; relative L2. An activation that falls on the other side of a ReLU makes healthy float32 pairs
# differ by 6.3e-3 (ResNet-50, eval mode) to 4.4e-2 (train mode); without kinks it is 1e-6. Halves: 0.22
# and 0.56 for ResNet-50, 3e-3 and 2.5e-2 for the transformer; a gradient times 3 makes 0.67.
_GRADIENT = {DType.FLOAT16: 2e-1, DType.BFLOAT16: 4e-1, DType.FLOAT32: 5e-2, DType.FLOAT64: 1e-6}

# In lockstep, where every call gets the reference's own inputs; relative L2, in epsilons. What exceeds the
# first of each is held against the reference's own run in float64; where that cannot be had, against the
# second, as gradients in float64 are, since factors may be float32 numbers. Worst of healthy pairs: forward
# 5.3 (a sum over 2048 products; ResNet-18 and -50, eval and train mode, BERT, GPT-2 and Llama ports),
# gradients of activations 13, of parameters 46 (the first convolution in train mode).
# A LayerNorm epsilon of 1e-6 for 1e-5 makes 38.
_LOCAL_EPSILONS, _LOCAL_EPSILONS_ALONE = 8.0, 16.0
_LOCAL_GRADIENT_EPSILONS, _LOCAL_GRADIENT_EPSILONS_ALONE = 16.0, 160.0

# Parameters after an optimizer's step; relative L2. Adam makes a step of lr out of any gradient, so an
# element whose gradient is rounding noise may go the other way: elementwise bounds fail healthy pairs, while
# few such elements hardly move the norm: 4e-6 for a CNN after 5 steps, 2.3e-5 for the transformer (lr 1e-3).
# A weight decay of 0.02 for 0.01 at lr 1e-2 makes 1.0e-4 in a step, lr 1.02e-3 for 1e-3 makes 1e-4 to 2e-2.
_STEPPED = {DType.FLOAT16: 2e-3, DType.BFLOAT16: 2e-2, DType.FLOAT32: 5e-5, DType.FLOAT64: 1e-8}

# In lockstep both optimizers step from one state, with one gradient: a share of the step, on top of rounding.
# Settings that one framework keeps in float32 change Adam's step by up to 1e-5.
_LOCAL_STEP_SHARE = 1e-4

# Buffers after a step; elementwise. Torch keeps the unbiased variance in running_var, Paddle the biased
# one: momentum / (n - 1) apart at each step, 1e-3 for 100 values a channel. Another momentum makes 0.1.
_BUFFER = {DType.FLOAT16: 3e-2, DType.BFLOAT16: 2e-1, DType.FLOAT32: 1e-2, DType.FLOAT64: 1e-2}

# In lockstep, all buffers; relative L2, in epsilons. The next step starts from the reference's, so that what
# passes here is never seen again.
_LOCAL_BUFFER_EPSILONS = 16.0
# A momentum is a float32 number in one framework: 2.3e-7 in running means of float64.
_LOCAL_BUFFER_IN_FLOAT64 = 2e-6

# What optimizers keep, where gradients agree to rounding; relative L2. Worst of 20 steps of each on a small
# network: float32 1.5e-5, float64 4e-7 (most of Paddle's round their settings to float32). A beta of 0.91 for
# 0.9 makes 1e-1 in a step.
_STATE = {DType.FLOAT16: 3e-2, DType.BFLOAT16: 2e-1, DType.FLOAT32: 1e-4, DType.FLOAT64: 1e-6}
# States that are sums or averages of gradients' squares. A relative error of a gradient is twice that of
# its square.
_SQUARES = frozenset(
    {
        "second_moment",
        "largest_second_moment",
        "mean_square",
        "mean_square_update",
        "sum_of_squares",
    }
)
# Where gradients point in several directions over the steps, their average is smaller than they are, and
# their errors count for more.
_ROOM_OF_AVERAGES = 4.0
# A learning rate is a number of float32 to Paddle, and schedules may be computed in two ways.
RATE = Tolerance(atol=0.0, rtol=1e-6, source=ToleranceSource.DEFAULT)

# Copied values (inputs, initial weights), in epsilons: room for one rounding, not for a computation.
_COPIED_EPSILONS = 2.0


def own_bounds(options: Options) -> Optional[Tolerance]:
    """Returns the user's atol and rtol, which mean what NumPy means by them; None where neither is given.

    The one that is not given is 0.
    """
    if options.atol is None and options.rtol is None:
        return None
    return Tolerance(atol=options.atol or 0.0, rtol=options.rtol or 0.0, source=ToleranceSource.USER)


class Tolerances:
    """The bounds of one comparison, or of its passes in lockstep; holds nothing but its options.

    Attributes:
        in_lockstep: whether both sides have the same values to begin with.
    """

    def __init__(self, options: Options, *, in_lockstep: bool = False) -> None:
        self._options = options
        self.in_lockstep = in_lockstep

    @property
    def own(self) -> Optional[Tolerance]:
        """The user's own bounds, which decide in every phase in place of the table; None for none."""
        return own_bounds(self._options)

    def tolerance(self, phase: Phase, kind: CaptureKind, dtype: DType, magnitude: Magnitude) -> Tolerance:
        """Returns what a pair of this dtype may differ by: the user's bounds, or the table's."""
        return self.own or self.table(phase, kind, dtype, magnitude)

    def table(self, phase: Phase, kind: CaptureKind, dtype: DType, magnitude: Magnitude) -> Tolerance:
        """Returns what a pair of this dtype may differ by, where the user sets no bounds.

        Integers and bools must be equal. Else atol is the reference's rms, without marks of a mask, times
        rtol; where `relative_l2` is set it decides, and atol and rtol only count elements. In mean mode atol
        and rtol always decide, and so they do beside marks, in which a norm would drown everything. A
        reference that is zero throughout allows nothing: nothing here tells how large the terms were that
        cancelled.
        """
        if dtype not in FLOATING and dtype not in COMPLEX:
            return Tolerance(atol=0.0, rtol=0.0, source=ToleranceSource.DEFAULT)
        if self.in_lockstep and not magnitude.has_marks:
            bound, by_norm = _local(phase, kind, dtype)
        else:
            bound, by_norm = _default(phase, kind, dtype)
        # Squares beyond float64 leave no scale; an infinite atol would pass anything.
        scale = magnitude.rms if math.isfinite(magnitude.rms) else 0.0
        is_strict = self._options.compare_mode is CompareMode.STRICT
        by_norm = by_norm and is_strict and not magnitude.has_marks
        is_of_call = kind in GRADIENTS or phase is Phase.FORWARD
        return Tolerance(
            atol=bound * scale,
            rtol=bound,
            relative_l2=bound if by_norm else 0.0,
            source=ToleranceSource.DEFAULT,
            of_one=ROOM_OF_ONE if by_norm and self.in_lockstep and is_of_call else 0.0,
        )


class StepTolerances(Tolerances):
    """Bounds of one parameter behind an optimizer's step in lockstep: rounding, and a share of the step."""

    def __init__(self, options: Options, step_rms: float) -> None:
        """`step_rms`: how far (root mean square) the step moved the reference's."""
        super().__init__(options, in_lockstep=True)
        self._step_rms = step_rms
        self._is_strict = options.compare_mode is CompareMode.STRICT

    def table(self, phase: Phase, kind: CaptureKind, dtype: DType, magnitude: Magnitude) -> Tolerance:
        general = super().table(phase, kind, dtype, magnitude)
        if dtype not in FLOATING | COMPLEX:
            return general
        share = self._step_rms / magnitude.rms if magnitude.rms else 0.0
        stepped = _LOCAL_EPSILONS_ALONE * spacing(dtype) + _LOCAL_STEP_SHARE * share
        bound = min(_STEPPED[_PRECISION.get(dtype, dtype)], stepped)
        return dataclasses.replace(
            general,
            atol=bound * magnitude.rms,
            rtol=bound,
            relative_l2=bound if self._is_strict else 0.0,
        )


class StateTolerances(Tolerances):
    """Bounds of one state of one parameter, of which the two gradients were at most `apart` (relative L2)."""

    def __init__(self, options: Options, state: str, apart: float) -> None:
        super().__init__(options)
        self._power = 2.0 if state in _SQUARES else 1.0
        self._apart = apart
        self._is_strict = options.compare_mode is CompareMode.STRICT

    def table(self, phase: Phase, kind: CaptureKind, dtype: DType, magnitude: Magnitude) -> Tolerance:
        general = super().table(phase, kind, dtype, magnitude)
        if dtype not in FLOATING | COMPLEX:
            return general
        bound = self._power * max(_STATE[_PRECISION.get(dtype, dtype)], _ROOM_OF_AVERAGES * self._apart)
        return Tolerance(
            atol=bound * magnitude.rms,
            rtol=bound,
            relative_l2=bound if self._is_strict else 0.0,
            source=general.source,
        )


def rounding_without_gold(kind: CaptureKind, dtype: DType) -> float:
    """Returns what rounding is taken for where a call's own is not known, as a share of what it made."""
    if dtype not in FLOATING and dtype not in COMPLEX:
        return 0.0
    epsilons = _LOCAL_GRADIENT_EPSILONS_ALONE if kind in GRADIENTS else _LOCAL_EPSILONS_ALONE
    return epsilons * spacing(dtype)


def coarser(first: DType, second: DType) -> DType:
    """Returns the dtype with the larger rounding step; the first where one of them has none."""
    if {first, second} <= FLOATING | COMPLEX and epsilon(second) > epsilon(first):
        return second
    return first


def _default(phase: Phase, kind: CaptureKind, dtype: DType) -> tuple[float, bool]:
    """Returns the table's bound, and whether it bounds the relative L2 instead of each element."""
    precision = _PRECISION.get(dtype, dtype)
    if kind in GRADIENTS:
        return _GRADIENT[precision], True
    if phase in (Phase.INPUTS, Phase.INITIAL_WEIGHTS):
        return _COPIED_EPSILONS * epsilon(dtype), False
    if kind is CaptureKind.PARAMETER:
        return _STEPPED[precision], True
    if kind is CaptureKind.BUFFER:
        return _BUFFER[precision], False
    return _FORWARD[precision], False


def _local(phase: Phase, kind: CaptureKind, dtype: DType) -> tuple[float, bool]:
    """Returns `_default` in lockstep: what one call may make of equal inputs. (No buffer is a variance.)"""
    if kind in GRADIENTS:
        is_of_float64 = _PRECISION.get(dtype, dtype) is DType.FLOAT64
        epsilons = _LOCAL_GRADIENT_EPSILONS_ALONE if is_of_float64 else _LOCAL_GRADIENT_EPSILONS
        return epsilons * spacing(dtype), True
    if phase is Phase.FORWARD:
        return _LOCAL_EPSILONS * spacing(dtype), True
    if phase is Phase.WEIGHTS and kind is CaptureKind.BUFFER:
        precision = _PRECISION.get(dtype, dtype)
        if precision is DType.FLOAT64:
            return _LOCAL_BUFFER_IN_FLOAT64, True
        return min(_LOCAL_BUFFER_EPSILONS * spacing(dtype), _BUFFER[precision]), True
    return _default(phase, kind, dtype)


def row_by_row(tolerance: Tolerance) -> Tolerance:
    """Returns `tolerance` of an embedding table's gradient, which bounds each of its rows as well.

    An activation that falls on the other side of a ReLU belongs to one row, which has then more than the
    whole's share of the difference. A row that is zero on one side, or half as large, is further off.
    """
    return dataclasses.replace(tolerance, row_relative_l2=math.sqrt(tolerance.relative_l2))


def drifted(tolerance: Tolerance, drift: float, norm: float) -> Tolerance:
    """Returns `tolerance` of a tensor of this norm that steps may have brought further apart, by `drift`."""
    # Not `<=`: a NaN, of what overflowed, explains nothing.
    if not tolerance.relative_l2 or not drift > 0.0 or not norm > 0.0:
        return tolerance
    return dataclasses.replace(tolerance, relative_l2=tolerance.relative_l2 + drift / norm)


# What sums of many terms lose, in epsilons of the dtype that they are added up in: see docs/verdicts.md.
# Where terms cancel, so much for each root of their number, of what they come to if they do not; and of what
# they do come to, from the first number on, and more steeply from the second on, where single terms are lost
# beside the sum.
_CANCELLING_TERMS = 64.0
_MANY_TERMS, _LOST_TERMS = 576.0, 2.0**17
# Norms add up in vectors of so many numbers.
LANES_OF_NORMS = 8.0


@record
class Terms:
    """What sums a tensor's elements are: root mean squares over the elements, and how many terms each has.

    Attributes:
        scale: what the terms would come to if their signs were drawn; 0 where that is not known.
        result: what they come to, where that is known to be a sum of so many.
        lanes: how many parts of a sum are added up side by side, at least.
    """

    scale: float = 0.0
    result: float = 0.0
    count: float = 1.0
    lanes: float = 1.0


def rounding_of_sums(terms: Terms, dtype: DType) -> float:
    """Returns how far apart (root mean square) rounding may bring two ways of adding up the same terms.

    Each term may be rounded by itself. What is added up is rounded at each term, in float32 at the coarsest.
    """
    if dtype not in FLOATING and dtype not in COMPLEX:
        return 0.0
    of_each = spacing(dtype) * terms.scale
    of_sum = min(epsilon(dtype), epsilon(DType.FLOAT32))
    cancelled = of_sum * math.sqrt(terms.count / _CANCELLING_TERMS) * terms.scale
    in_a_lane = terms.count / terms.lanes
    growth = math.sqrt(in_a_lane / _MANY_TERMS) * max(1.0, in_a_lane / _LOST_TERMS)
    return LARGEST_SCORE * max(of_each, cancelled, of_sum * max(1.0, growth) * terms.result)
