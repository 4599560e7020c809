"""Measurements of one pair of tensors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Optional, Union

import numpy as np

from padiff_compare.judge.evidence import MOST_OF_ONE, Measured
from padiff_compare.judge.interim import Reals, moved_back, sizes_of
from padiff_compare.judge.measure import magnitude_of, measure, worst_row
from padiff_compare.judge.outliers import JumpFinder
from padiff_compare.judge.tolerances import Explained, Tolerances, coarser, row_by_row, stepped_tolerance
from padiff_compare.layout_rules import IDENTITY, Rule
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING, HostTensor, epsilon, statistics
from padiff_rpc.v1.records import Figures, Hint, Reason, Tolerance
from padiff_rpc.v1.words import CallMoment, CaptureKind, Cause, DType, Phase


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
        offsets: by what noise has moved biases of the layer that made the value: candidate - reference.
        candidate_rule: what is applied to the candidate's value before.
    """

    phase: Phase
    kind: CaptureKind
    shown: Optional[ShownAt] = None
    offsets: tuple[Reals, ...] = dataclasses.field(default=(), compare=False, repr=False)
    candidate_rule: Rule = IDENTITY


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
    explained: Optional[Explained] = None,
    is_embedding: bool = False,
    computed_in: Optional[DType] = None,
    probe: Optional[Probe] = None,
) -> Measured:
    """Returns the figures of one pair; `rule` is the reference's layout rule, of one tensor or several.

    `sum_squares` is the reference's, from its header; without it the reference is read once more.
    `explained` is what an optimizer's steps did to a parameter, which widens its tolerance. The rows of an
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
    table = stepped_tolerance(
        tolerances.table(
            aspect.phase,
            aspect.kind,
            computed_in,
            magnitude,
        ),
        explained,
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
    )
    if reference.array.shape == candidate.array.shape:
        jumps = _jump_finder(dtype, measured.scale) if tolerances.in_lockstep else None
        measured = _with_figures(measured, aspect, reference, candidate, sum_squares, jumps)
    if tolerances.own is not None:
        by_table = dataclasses.replace(measured, tolerance=table)
        if _counts_elements(by_table):
            by_table = _with_figures(by_table, aspect, reference, candidate, sum_squares, None)
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
    aspect: Aspect,
    reference: HostTensor,
    candidate: HostTensor,
    sum_squares: float,
    jumps: Optional[JumpFinder],
) -> Measured:
    """Returns what was measured of two tensors of one shape."""
    tolerance = measured.tolerance
    figures, notes = _figures(reference, candidate, tolerance, sum_squares, aspect.offsets, jumps)
    if tolerance.row_relative_l2:
        row = worst_row(reference, candidate, tolerance.row_relative_l2)
        figures = dataclasses.replace(figures, worst_row=row)
    is_gradient = aspect.kind is CaptureKind.PARAMETER_GRADIENT
    return dataclasses.replace(
        measured,
        figures=figures,
        jumps=jumps.found(figures.elements) if jumps is not None else None,
        sizes=sizes_of(reference, candidate) if is_gradient else None,
        notes=notes,
    )


def probed(
    aspect: Aspect, measured: Measured, reference: HostTensor, candidate: HostTensor, probe: Optional[Probe]
) -> Measured:
    """Returns what was measured with the hints that `probe` has of it."""
    if probe is None:
        return measured
    return dataclasses.replace(measured, hints=probe(aspect, measured, reference, candidate))


def _figures(
    reference: HostTensor,
    candidate: HostTensor,
    tolerance: Tolerance,
    sum_squares: float,
    offsets: Sequence[Reals],
    jumps: Optional[JumpFinder],
) -> tuple[Figures, tuple[Reason, ...]]:
    """Returns the figures, and a reason where they are nearer with the offset of a bias taken off."""
    nearest = measure(reference, candidate, tolerance, sum_squares=sum_squares, jumps=jumps)
    notes: tuple[Reason, ...] = ()
    for offset in offsets:
        moved = moved_back(candidate, offset)
        if moved is None:
            continue
        figures = measure(reference, moved, tolerance, sum_squares=sum_squares)
        if figures.relative_l2 < nearest.relative_l2:
            # The values themselves are not equal.
            nearest = dataclasses.replace(figures, bitwise_equal=False)
            counts = float(np.count_nonzero(offset)), float(offset.size)
            notes = (Reason(cause=Cause.WITHOUT_MOVED_BIAS, numbers=counts),)
    return nearest, notes


def _jump_finder(dtype: DType, scale: float) -> Optional[JumpFinder]:
    """Returns what finds jumps in a pair of this dtype; None where nothing tells them from the others."""
    if dtype not in FLOATING | COMPLEX:
        return JumpFinder(smallest=0.0, scale=0.0)
    return JumpFinder(smallest=MOST_OF_ONE * epsilon(dtype), scale=scale) if scale else None


def _as_scalar(tensor: HostTensor) -> HostTensor:
    return dataclasses.replace(tensor, array=tensor.array.reshape(())) if tensor.array.size == 1 else tensor
