"""Conventions of frameworks in which weights differ on purpose, with their exact corrections.

A running variance is r' = (1 - m) r + m v, with v the variance of what a call normalised: the mean square
deviation over n values of a channel, or that times n / (n - 1) (Bessel's correction).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Optional

import numpy as np
import numpy.typing as npt

from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.trace import Traces
from padiff_compare.judge.evidence import Measured
from padiff_compare.judge.tolerances import LANES_OF_NORMS, Terms, rounding_of_sums
from padiff_compare.model_index import Models
from padiff_compare.weights.weight_pair import WeightPair
from padiff_rpc.records import record
from padiff_rpc.tensors import HostTensor, cast, widen
from padiff_rpc.v1.records import Reason, Weight
from padiff_rpc.v1.words import CallMoment, Cause, DType, Side, VarianceDivisor

_Reals = npt.NDArray[np.float64]
_MEAN, _VARIANCE = "running_mean", "running_var"


@record
class Converted:
    """The reference's value as the candidate's convention makes it, and a reason that says so."""

    value: HostTensor
    reason: Reason


@dataclasses.dataclass
class _Known:
    """A pair's running variances: as they were when a step began, and as they were last seen."""

    step: int
    before: dict[Side, _Reals]
    now: dict[Side, _Reals]


class RunningVariances:
    """Knows the running variances that one side divides by n and the other by n - 1."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._known: dict[str, _Known] = {}

    def seen(self, pair: WeightPair, step: int, reference: HostTensor, candidate: HostTensor) -> None:
        """Takes what a pair has come to in a step, last of all in its free run.

        `reference`: in the candidate's layout.
        """
        if _divisors(pair) is None or reference.array.shape != candidate.array.shape:
            return
        now = {Side.REFERENCE: _reals(reference), Side.CANDIDATE: _reals(candidate)}
        known = self._known.get(pair.candidate_name)
        if known is None:
            self._known[pair.candidate_name] = _Known(step=step, before=now, now=now)
            return
        if known.step != step:
            known.step, known.before = step, known.now
        known.now = now

    def converted(
        self, pair: WeightPair, reference: HostTensor, traces: Optional[Traces], *, in_lockstep: bool
    ) -> Optional[Converted]:
        """Returns what the candidate is to have, by what the step's calls normalised; None for the same.

        `traces`: of the step; None before the first. In lockstep the candidate began with the reference's
        variance.

        expected = (1 - m)^k c + (r' - (1 - m)^k r) f, with k calls in the step, r and c the reference's and
        the candidate's variance before it, and f = (n - 1) / n, or its inverse.
        """
        divisors, known = _divisors(pair), self._known.get(pair.candidate_name)
        share = self._models[Side.REFERENCE].setting(pair.references[0].path, "momentum")
        counts = _counts(pair, traces) if traces is not None else None
        if divisors is None or known is None or counts is None or not isinstance(share, float):
            return None
        n, k = counts
        before, now = known.before, _reals(reference)
        if np.array_equal(now, before[Side.REFERENCE]):
            return None  # no call in train mode
        factor = (n - 1) / n if divisors[0] is VarianceDivisor.COUNT_LESS_ONE else n / (n - 1)
        kept = (1.0 - share) ** k
        own = before[Side.REFERENCE if in_lockstep else Side.CANDIDATE]
        expected = kept * own + (now - kept * before[Side.REFERENCE]) * factor
        return Converted(
            value=cast(HostTensor(array=expected, dtype=DType.FLOAT64), reference.dtype),
            reason=Reason(cause=Cause.VARIANCE_CONVENTION, numbers=(float(n),)),
        )


def is_variance(weight: Weight) -> bool:
    """Whether a weight is a running variance, of which frameworks keep two kinds."""
    return weight.canonical == _VARIANCE


class Spreads:
    """By layer of the candidate: the standard deviation of the values whose running mean it keeps."""

    def __init__(self, measured: Iterable[tuple[str, Weight, Measured]]) -> None:
        """`measured`: layers and weights of the candidate, all of one reading."""
        self._spreads = {
            path: math.sqrt(one.figures.rms_reference)
            for path, weight, one in measured
            if one.figures is not None and is_variance(weight)
        }

    def of(self, path: str, weight: Weight) -> Optional[float]:
        """Returns the spread of the values whose running mean a buffer is; None of any other."""
        return self._spreads.get(path) if weight.canonical == _MEAN else None


def rounding_of_statistics(
    pair: WeightPair, measured: Measured, spread: Optional[float], traces: Optional[Traces]
) -> float:
    """Returns how far apart rounding may bring running statistics that both sides made of the same values.

    `spread`: of the values whose mean a buffer is; None where it is none. `traces`: as for `converted`.
    """
    if spread is None and pair.candidate.weight.divisor is None:
        return 0.0
    counts = _counts(pair, traces) if traces is not None else None
    count = float(counts[0]) if counts is not None else 1.0
    scale = spread / math.sqrt(count) if spread is not None else 0.0
    terms = Terms(scale=scale, result=measured.scale, count=count, lanes=LANES_OF_NORMS)
    return rounding_of_sums(terms, measured.reference.dtype)


def _divisors(pair: WeightPair) -> Optional[tuple[VarianceDivisor, VarianceDivisor]]:
    """Returns both sides' divisors where they differ."""
    if len(pair.references) != 1:
        return None
    ours, theirs = pair.references[0].weight.divisor, pair.candidate.weight.divisor
    return None if ours is None or theirs is None or ours is theirs else (ours, theirs)


def _counts(pair: WeightPair, traces: Traces) -> Optional[tuple[int, int]]:
    """Returns how many values of a channel each call normalised, and how many calls there were.

    None where the calls, or the sides, are not alike.
    """
    paths = {Side.REFERENCE: pair.references[0].path, Side.CANDIDATE: pair.candidate.path}
    channels = int(np.prod(pair.candidate.weight.spec.shape, dtype=np.int64))
    found = []
    for side in SIDES:
        sizes = [
            int(np.prod(event.slots[0].spec.shape, dtype=np.int64)) // max(channels, 1)
            for event in traces[side].events
            if event.moment is CallMoment.ENTRY and event.path == paths[side] and event.slots
        ]
        found.append(sizes)
    ours, theirs = found
    is_alike = ours == theirs and len(set(ours)) == 1 and ours[0] > 1
    return (ours[0], len(ours)) if is_alike else None


def _reals(tensor: HostTensor) -> _Reals:
    return widen(tensor.array, tensor.dtype).astype(np.float64)
