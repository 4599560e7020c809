"""Measurements of one pair of tensors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Optional, Union

import numpy as np

from padiff_compare.judge.evidence import MOST_OF_ONE, Measured
from padiff_compare.judge.measure import (
    Magnitude,
    magnitude_of,
    measure,
    root_mean_square,
    share_turned,
    worst_row,
)
from padiff_compare.judge.outliers import JumpFinder
from padiff_compare.judge.tolerances import Tolerances, coarser, drifted, row_by_row
from padiff_compare.layout_rules import IDENTITY, Rule
from padiff_compare.normalization import Normalization
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.tensors import COMPLEX, FLOATING, HostTensor, epsilon, sketch, sum_of_squares
from padiff_rpc.v1.records import Figures, Hint, TensorSpec, TensorStatistics, Tolerance
from padiff_rpc.v1.words import CallMoment, CaptureKind, DType, Phase

_IN_ANOTHER_LAYOUT = (
    "of it a sketch was recorded, and the other side has it in another layout; record it whole to compare it"
)


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
    embedding table's gradient are measured one by one as well. Where a sketch stands for a tensor, figures
    are estimates, and nobody is asked for hints. Raises InvalidRequestError for a rule that does not fit.
    """
    given = (reference,) if isinstance(reference, HostTensor) else tuple(reference)
    is_sketched = any(one.sketch_of is not None for one in (*given, candidate))
    if is_sketched:
        reference, candidate = _as_sketches(given, candidate, rule, aspect.candidate_rule)
    else:
        reference, candidate = rule.view(*given), aspect.candidate_rule.view(candidate)
    counts = math.prod(reference.told_spec.shape), sum(math.prod(one.told_spec.shape) for one in given)
    if sum_squares is None or rule.computes or counts[0] != counts[1]:
        sum_squares = sum_of_squares(reference)
    if aspect.kind is CaptureKind.LOSS:
        # One framework's scalar is 0-d where the other's has one element.
        reference, candidate = _as_scalar(reference), _as_scalar(candidate)
    if is_sketched:  # none has a mask's marks
        magnitude = Magnitude(rms=root_mean_square(sum_squares, counts[0]))
    else:
        magnitude = magnitude_of(reference, sum_squares)
    dtype = coarser(reference.told_spec.dtype, candidate.told_spec.dtype)
    computed_in = coarser(dtype, computed_in or dtype)
    table = tolerances.table(aspect.phase, aspect.kind, computed_in, magnitude)
    table = drifted(table, drift, math.sqrt(sum_squares))
    if is_embedding:
        table = row_by_row(table)
    measured = Measured(
        reference=reference.told_spec,
        candidate=candidate.told_spec,
        tolerance=tolerances.own or table,
        computed_in=computed_in,
        scale=magnitude.rms if math.isfinite(magnitude.rms) else 0.0,
    )
    if is_sketched:
        return _estimated(measured, reference, candidate, table)
    normalized = {one: sums for one in aspect.norms for sums in [one.sums(reference)] if sums is not None}
    measured = dataclasses.replace(measured, normalized=normalized)
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


def _as_sketches(
    given: Sequence[HostTensor], candidate: HostTensor, rule: Rule, candidate_rule: Rule
) -> tuple[HostTensor, HostTensor]:
    """Returns the sketches of both sides, where one stands for one of them, in one layout.

    Elements of a sketch cannot be moved, so that those of the other side are, to where its are. Raises
    InvalidRequestError where they cannot be either.
    """
    is_ours, is_theirs = any(one.sketch_of for one in given), candidate.sketch_of is not None
    buckets = next(one.array.size for one in (*given, candidate) if one.sketch_of is not None)
    if is_theirs:
        if candidate_rule != IDENTITY or (is_ours and rule != IDENTITY):
            raise InvalidRequestError(_IN_ANOTHER_LAYOUT)
        return (given[0] if is_ours else sketch(rule.apply(*given), buckets)), candidate
    candidate = candidate_rule.apply(candidate)
    shapes = [one.told_spec.shape for one in given]
    told = TensorSpec(dtype=rule.dtype(given[0].told_spec.dtype), shape=rule.shape(*shapes))
    parts = [candidate]
    if told.shape == candidate.array.shape:
        parts = _taken_apart(candidate, shapes, rule)
    ours = [one if one.sketch_of is not None else sketch(one, buckets) for one in given]
    return _joined(ours, told), _joined([sketch(part, buckets) for part in parts], candidate.spec)


def _joined(sketches: Sequence[HostTensor], told: TensorSpec) -> HostTensor:
    """Returns several sketches as one, of which the norm is that of what they stand for."""
    array = np.concatenate([one.array for one in sketches])
    return dataclasses.replace(sketches[0], array=array, sketch_of=told)


def _taken_apart(value: HostTensor, shapes: Sequence[tuple[int, ...]], rule: Rule) -> list[HostTensor]:
    """Returns the tensors of these shapes of which `rule` makes `value`."""
    if rule == IDENTITY:
        return [value]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    moves = not rule.computes and rule.dtype(value.dtype) is value.dtype
    if not moves or value.array.size != ends[-1]:
        raise InvalidRequestError(_IN_ANOTHER_LAYOUT)
    numbers = np.split(np.arange(ends[-1]), ends[:-1])
    moved = rule.apply(*(HostTensor.from_array(part.reshape(shape)) for part, shape in zip(numbers, shapes)))
    elements = np.empty_like(value.array.reshape(-1))
    elements[moved.array.reshape(-1)] = value.array.reshape(-1)
    return [dataclasses.replace(value, array=part) for part in np.split(elements, ends[:-1])]


def _estimated(
    measured: Measured, reference: HostTensor, candidate: HostTensor, table: Tolerance
) -> Measured:
    """Returns what sketches tell of two tensors; by the table too, where the user's own bounds decide."""
    if measured.reference.shape != measured.candidate.shape:
        return measured
    told = dataclasses.replace(measured, figures=_estimates(measured, reference, candidate))
    if measured.tolerance is table:
        return told
    by_table = dataclasses.replace(measured, tolerance=table)
    by_table = dataclasses.replace(by_table, figures=_estimates(by_table, reference, candidate))
    return dataclasses.replace(told, by_table=by_table)


def _estimates(measured: Measured, reference: HostTensor, candidate: HostTensor) -> Figures:
    """Returns the figures of two sketches, as of the tensors; some are exact where statistics came with both.

    No element is known: the largest difference is at least the root mean square of all, and at least how far
    the two largest elements, or the two least, are apart. Where that is outside the bounds of an element, at
    least one element is.
    """
    tolerance, elements, scale = measured.tolerance, math.prod(measured.reference.shape), measured.scale
    figures = measure(reference, candidate, tolerance)
    rmse = figures.rmse * math.sqrt(reference.array.size / elements)
    # Of two sketches that are much alike, the quotient of the norms is exact where each norm is not.
    ours, theirs = (float(np.linalg.norm(np.asarray(one.array))) for one in (reference, candidate))
    larger = scale * max(1.0, theirs / ours) if ours else 0.0
    estimated = dataclasses.replace(
        figures,
        elements=elements,
        bitwise_equal=False,
        max_abs=rmse,
        max_rel=0.0,
        worst=(),
        bias=0.0,
        mean_reference=0.0,
        mean_candidate=0.0,
        mean_abs=rmse,
        rmse=rmse,
        relative_l2=rmse / larger if larger else figures.relative_l2,
        rms_reference=scale,
        mismatches=int(not rmse <= tolerance.atol + tolerance.rtol * scale),
        histogram=(),
        is_estimate=True,
    )
    if reference.statistics is None or candidate.statistics is None:
        return estimated
    return _with_statistics(estimated, tolerance, reference.statistics, candidate.statistics)


def _with_statistics(
    figures: Figures, tolerance: Tolerance, ours: TensorStatistics, theirs: TensorStatistics
) -> Figures:
    """Returns estimated figures with what the statistics of both tensors tell."""
    apart = max(abs(theirs.minimum - ours.minimum), abs(theirs.maximum - ours.maximum))
    allowed = tolerance.atol + tolerance.rtol * max(abs(ours.minimum), abs(ours.maximum))
    others = (
        abs(theirs.positive_infinities - ours.positive_infinities)
        + abs(theirs.negative_infinities - ours.negative_infinities)
        + abs(theirs.nans - ours.nans)
    )
    return dataclasses.replace(
        figures,
        max_abs=max(figures.max_abs, apart),
        mismatches=max(figures.mismatches, int(not apart <= allowed)),
        bias=theirs.mean - ours.mean,
        mean_reference=ours.mean,
        mean_candidate=theirs.mean,
        nan_reference=ours.nans,
        nan_candidate=theirs.nans,
        inf_reference=ours.positive_infinities + ours.negative_infinities,
        inf_candidate=theirs.positive_infinities + theirs.negative_infinities,
        nonfinite_mismatches=others,
    )


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
