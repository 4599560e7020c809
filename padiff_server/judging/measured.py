"""What is known of one pair of tensors after both were seen."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Optional, Union

from padiff_rpc.records import record
from padiff_rpc.results import Figures, Tolerance
from padiff_rpc.tensors import COMPLEX, FLOATING, HostTensor, epsilon, statistics
from padiff_rpc.types import TensorSpec
from padiff_rpc.words import CaptureKind, DType, Phase
from padiff_server.judging.magnitude import magnitude_of
from padiff_server.judging.measure import measure
from padiff_server.judging.tolerances import Explained, Tolerances, stepped_tolerance
from padiff_server.weights.rules import IDENTITY, apply_rule


@record
class Measured:
    """Specs (the reference's after its layout rule), and figures where the shapes are equal."""

    reference: TensorSpec
    candidate: TensorSpec
    tolerance: Tolerance
    figures: Optional[Figures] = None


@record
class Aspect:
    """What kind of pairs are measured; decides their tolerance."""

    phase: Phase
    kind: CaptureKind


def measure_pair(
    aspect: Aspect,
    reference: Union[HostTensor, Sequence[HostTensor]],
    candidate: HostTensor,
    *,
    tolerances: Tolerances,
    sum_squares: Optional[float] = None,
    rule: str = "",
    explained: Optional[Explained] = None,
) -> Measured:
    """Returns the figures of one pair; `rule` is the reference's layout rule, of one tensor or several.

    `sum_squares` is the reference's, from its header; without it the reference is read once more.
    `explained` is what an optimizer's steps did to a parameter, which widens its tolerance.
    """
    given = (reference,) if isinstance(reference, HostTensor) else tuple(reference)
    reference = apply_rule(rule or IDENTITY, *given)
    if sum_squares is None or reference.array.size != sum(one.array.size for one in given):
        sum_squares = statistics(reference)[0]
    if aspect.kind is CaptureKind.LOSS:
        # One framework's scalar is 0-d where the other's has one element.
        reference, candidate = _as_scalar(reference), _as_scalar(candidate)
    tolerance = stepped_tolerance(
        tolerances.tolerance(
            aspect.phase,
            aspect.kind,
            coarser(reference.dtype, candidate.dtype),
            magnitude_of(reference, sum_squares),
        ),
        explained,
        math.sqrt(sum_squares),
    )
    same_shape = reference.array.shape == candidate.array.shape
    return Measured(
        reference=reference.spec,
        candidate=candidate.spec,
        tolerance=tolerance,
        figures=measure(reference, candidate, tolerance, sum_squares=sum_squares) if same_shape else None,
    )


def coarser(first: DType, second: DType) -> DType:
    """Returns the dtype with the larger rounding step; the first where one of them has none."""
    if {first, second} <= FLOATING | COMPLEX and epsilon(second) > epsilon(first):
        return second
    return first


def _as_scalar(tensor: HostTensor) -> HostTensor:
    return dataclasses.replace(tensor, array=tensor.array.reshape(())) if tensor.array.size == 1 else tensor
