"""Measurements of one pair of tensors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Optional, Union

from padiff_compare.judge.evidence import MOST_OF_ONE, Measured
from padiff_compare.judge.measure import magnitude_of, measure, share_turned, worst_row
from padiff_compare.judge.outliers import JumpFinder
from padiff_compare.judge.tolerances import Tolerances, coarser, drifted, row_by_row
from padiff_compare.layout_rules import IDENTITY, Rule
from padiff_compare.normalization import Normalization
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING, HostTensor, epsilon, statistics
from padiff_rpc.v1.records import Hint
from padiff_rpc.v1.words import CallMoment, CaptureKind, DType, Phase


@record
class ShownAt:
    """Where a pair shows first.

    Attributes:
        reference, candidate: the paths of the layers.
        slot: of the reference's call; of a weight its name in the common vocabulary, then the state's.
        moment, call: of a call of the reference; None and 0 for weights.
    """

    reference: str
    candidate: str
    slot: str
    moment: Optional[CallMoment] = None
    call: int = 0


@record
class Aspect:
    """What kind of pairs are measured; decides their tolerance.

    Attributes:
        shown: where; None where nobody asks for hints.
        candidate_rule: what is applied to the candidate's value before.
        norms: those that are called with the value.
    """

    phase: Phase
    kind: CaptureKind
    shown: Optional[ShownAt] = None
    candidate_rule: Rule = IDENTITY
    norms: tuple[Normalization, ...] = ()


# Is shown each pair with its figures, in the candidate's layout, and says what one that differs may be.
Probe = Callable[[Aspect, Measured, HostTensor, HostTensor], tuple[Hint, ...]]


def measure_pair(
    aspect: Aspect,
    reference: Union[HostTensor, Sequence[HostTensor]],
    candidate: HostTensor,
    *,
    tolerances: Tolerances,
    sum_squares: Optional[float] = None,
    rule: Rule = IDENTITY,
    drift: float = 0.0,
    is_embedding: bool = False,
    computed_in: Optional[DType] = None,
    probe: Optional[Probe] = None,
) -> Measured:
    """Returns the figures of one pair; `rule` is the reference's layout rule, of one tensor or several.

    `sum_squares` is the reference's, from its header; without it the reference is read once more.
    `drift` is how far (norm) steps may have brought the two apart. The rows of an
    embedding table's gradient are measured one by one as well.
    """
    given = (reference,) if isinstance(reference, HostTensor) else tuple(reference)
    reference, candidate = rule.apply(*given), aspect.candidate_rule.apply(candidate)
    if sum_squares is None or rule.computes or reference.array.size != sum(one.array.size for one in given):
        sum_squares = statistics(reference)[0]
    if aspect.kind is CaptureKind.LOSS:
        # One framework's scalar is 0-d where the other's has one element.
        reference, candidate = _as_scalar(reference), _as_scalar(candidate)
    magnitude = magnitude_of(reference, sum_squares)
    dtype = coarser(reference.dtype, candidate.dtype)
    computed_in = coarser(dtype, computed_in or dtype)
    table = drifted(
        tolerances.table(
            aspect.phase,
            aspect.kind,
            computed_in,
            magnitude,
        ),
        drift,
        math.sqrt(sum_squares),
    )
    if is_embedding:
        table = row_by_row(table)
    measured = Measured(
        reference=reference.spec,
        candidate=candidate.spec,
        tolerance=tolerances.own or table,
        computed_in=computed_in,
        scale=magnitude.rms if math.isfinite(magnitude.rms) else 0.0,
        normalized={one: sums for one in aspect.norms for sums in [one.sums(reference)] if sums is not None},
    )
    if reference.array.shape == candidate.array.shape:
        jumps = _jump_finder(dtype, measured.scale, in_lockstep=tolerances.in_lockstep)
        measured = _with_figures(measured, reference, candidate, sum_squares, jumps)
        if aspect.kind is CaptureKind.PARAMETER_GRADIENT and not tolerances.in_lockstep:
            measured = dataclasses.replace(measured, turned=share_turned(reference, candidate))
    if tolerances.own is not None:
        by_table = dataclasses.replace(measured, tolerance=table)
        if _counts_elements(by_table):
            by_table = _with_figures(by_table, reference, candidate, sum_squares, None)
            by_table = dataclasses.replace(by_table, jumps=measured.jumps)
        measured = dataclasses.replace(measured, by_table=by_table)
    return probed(aspect, measured, reference, candidate, probe)


def _counts_elements(measured: Measured) -> bool:
    """Whether its figures depend on its tolerance in more than what a reader sees."""
    figures, tolerance = measured.figures, measured.tolerance
    if figures is None or figures.bitwise_equal:
        return False
    return not tolerance.relative_l2 or bool(tolerance.row_relative_l2)


def _with_figures(
    measured: Measured,
    reference: HostTensor,
    candidate: HostTensor,
    sum_squares: float,
    jumps: Optional[JumpFinder],
) -> Measured:
    """Returns what was measured of two tensors of one shape."""
    tolerance = measured.tolerance
    figures = measure(reference, candidate, tolerance, sum_squares=sum_squares, jumps=jumps)
    if tolerance.row_relative_l2:
        row = worst_row(reference, candidate, tolerance.row_relative_l2)
        figures = dataclasses.replace(figures, worst_row=row)
    return dataclasses.replace(
        measured,
        figures=figures,
        jumps=jumps.found(figures.elements) if jumps is not None else None,
    )


def probed(
    aspect: Aspect, measured: Measured, reference: HostTensor, candidate: HostTensor, probe: Optional[Probe]
) -> Measured:
    """Returns what was measured with the hints that `probe` has of it."""
    if probe is None:
        return measured
    return dataclasses.replace(measured, hints=probe(aspect, measured, reference, candidate))


def _jump_finder(dtype: DType, scale: float, *, in_lockstep: bool) -> Optional[JumpFinder]:
    """Returns what finds jumps in a pair of this dtype; None where nothing tells them from the others.

    In a free run whole numbers alone: what small differences grow to drowns the jumps of others.
    """
    if dtype not in FLOATING | COMPLEX:
        return JumpFinder(smallest=0.0, scale=0.0)
    return JumpFinder(smallest=MOST_OF_ONE * epsilon(dtype), scale=scale) if scale and in_lockstep else None


def _as_scalar(tensor: HostTensor) -> HostTensor:
    return dataclasses.replace(tensor, array=tensor.array.reshape(())) if tensor.array.size == 1 else tensor
