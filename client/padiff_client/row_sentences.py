"""Sentences for what is said of rows alone; the contract says what each cause's reason carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Optional

from padiff_client import wording
from padiff_rpc.tensors import COMPLEX
from padiff_rpc.v1.records import Figures, Reason, Row, TensorSpec, Tolerance
from padiff_rpc.v1.words import Cause, Side

# See `sentences`.
TEMPLATES: Mapping[Cause, str] = {
    Cause.MESSAGE: "{name}",
    Cause.OFFSET: "candidate is reference + {n:.4g} throughout",
    Cause.FACTOR: "candidate is {n:.4g} * reference throughout",
    Cause.ROUNDING: "{n:.3g} apart; rounding of the sums behind it can reach {m:.3g}",
    Cause.RANDOM_NEARBY: "random: {names} in the same code, which the sides do not share, may be the cause",
    Cause.SHOWN_BEFORE: "the same tensor as the {name} of {second}, where it is judged",
    Cause.SHARED_TENSOR: (
        "one tensor on one side and two on the other: its whole gradient is judged at the {name} of {second}"
    ),
    Cause.ACCUMULATION: "accumulated error: given the reference's own values, this place agrees",
    Cause.LEAP: (
        "given the reference's own values this place agrees, and nothing before it differs, so that this is "
        "no accumulated error"
    ),
    Cause.LOCAL_FAULT: "a fault of its own: given the reference's own values, it differs too",
    Cause.ONE_SIDED: "only the {side} has this {kind}",
    Cause.NO_GRADIENT: "no gradient on the {side}, and the {other}'s is not zero",
    Cause.ZERO_GRADIENT: "no gradient on the {side}, only zeros on the {other}",
    Cause.FROZEN: "it is frozen on the {side}",
    Cause.PACKED_WITHOUT_GRADIENT: "no gradient of {names} on the reference, only of what it is packed with",
    Cause.PRESENCE_ONLY: "so it is only known that both sides have a gradient",
    Cause.NO_TENSOR: "its output holds no tensor that can be seen",
    Cause.ACTIVATION_NOT_SHOWN: (
        "one side's layer applies an activation itself, and the other side, which shows that elsewhere in "
        "other steps, did not in this one"
    ),
    Cause.SHOWN_ELSEWHERE: "the {side} shows these values at {name}",
    Cause.BEHIND_ACTIVATION: "behind {name}, which the {side}'s layer applies itself",
    Cause.RESHAPED: "reshaped",
    Cause.PACKED_SEQUENCES: (
        "the {side} keeps the sequences packed, so the padding behind their ends is not compared"
    ),
    Cause.VARIANCE_CONVENTION: (
        "one side divides the variance by n - 1 and the other by n (n = {n:.0f}); compared as the candidate "
        "computes it"
    ),
    Cause.STEP_CONVENTION: (
        "the {side}'s step, computed by the other side's formula, since the optimizers' {names} differ"
    ),
    Cause.CARRIED_OVER: (
        "carried over from what ran before: each call agrees given the reference's own values, but the "
        "candidate left to itself drifts further than the reference does"
    ),
    Cause.OWN_TRAIN_STEP: "a train step steps by a function, or by an optimizer that it alone knows",
    Cause.SCRIPTS_OWN_STEPS: "both sides are scripts, which make their own steps with their own batches",
    Cause.CANDIDATE_IS_RECORDED: "the candidate was recorded, and nothing can be put in place of its values",
    Cause.STATISTICS_ONLY: (
        "the {side}'s recording holds statistics of large tensors only: how far these differ is an estimate, "
        "within some 5%"
    ),
    Cause.SUSPECTED: (
        "only sketches were compared, and they are about {n:.3g} apart (relative L2), which decides nothing"
    ),
    Cause.WORKER_KEEPS_NO_STATE: "the {side}'s worker, of an older version, cannot put a state back",
    Cause.WORKER_SEES_NO_FUNCTIONS: "the {side}'s worker, of an older version, does not record them",
    Cause.TOO_FEW_BITS: "{name} has too few bits for tensors to be matched by their values",
    Cause.CHANCE_IS_NOT_SHARED: (
        "the sides make different random decisions, so nothing behind them can be matched by value"
    ),
    Cause.FUNCTIONS_CUT_SHORT: "more than {n:,.0f} functions were called; those after them are not recorded",
    Cause.WITHIN_OWN_ERROR: "rounding: {n:.2g} times as far as the reference is from its own float64 run",
    Cause.BEYOND_OWN_ERROR: "{n:.2g} times as far as the reference is from its own float64 run",
    Cause.WITHIN_NOISE: "rounding: {n:.2g} times what noise in the last digit does to the reference",
    Cause.BEYOND_NOISE: "{n:.2g} times what noise in the last digit does to the reference",
    Cause.INCONCLUSIVE_LOCALLY: (
        "cannot be judged: given the reference's own values, rounding alone may cause this difference"
    ),
    Cause.NO_LOCKSTEP_ASKED: "nothing runs in lockstep with local_error=False",
    Cause.WORKER_HAS_NO_FLOAT64: "the {side}'s worker, of an older version, runs no step in float64",
    Cause.TIE: (
        "tie: in {n:.0f} of {m:.0f} elements the sides chose differently between values that are equal up to "
        "rounding"
    ),
    Cause.OFF_PLAN: "off plan: this call was not in the {side}'s trace",
    Cause.LET_GO: (
        "off plan: a call that was not in the trace needed the {side}'s tensor after it was freed; "
        "trace='first_step' traces the step itself"
    ),
    Cause.DID_NOT_COME: "the {side}'s tensor was never sent",
    Cause.NO_VALUES: "its values did not arrive",
    Cause.NOT_KEPT: (
        "its tensors were not kept, and its figures alone do not decide under these bounds; keep='all' keeps "
        "them"
    ),
    Cause.STOPPED: "the comparison stopped before this pair was measured",
    Cause.LOW_CONFIDENCE: "low-confidence pair ({n:.2f}: {because})",
    Cause.NORM_WITHOUT: "the {side}'s norm is made without this parameter",
    Cause.NEUTRAL: "it is {n:g} in all elements, which computes the same",
    Cause.NOT_NEUTRAL: "it is not {n:g} in all elements",
    Cause.TRAINED_ALONE: "an optimizer has changed it: the {side} alone trains it",
    Cause.NOT_RETURNED: "{name} returned no {second!r}",
    Cause.MORE_PARAMETERS: "and of {n:.0f} more parameters",
    Cause.ZERO_STATE: "no {name} on the {side}, only zeros on the {other}",
    Cause.NOT_STEPPED: "no {name} on the {side}: its optimizer has not stepped this parameter",
    Cause.NOT_GIVEN: "the {side}'s optimizer was not given this parameter",
    Cause.PLAIN_VALUES: "{name} in the reference, {second} in the candidate",
}


def _specs(row: Row) -> Optional[tuple[TensorSpec, TensorSpec]]:
    specs = [place.spec for place in (row.reference, row.candidate) if place is not None]
    reference, candidate = specs if len(specs) == 2 else (None, None)
    return (reference, candidate) if reference is not None and candidate is not None else None


def _specs_differ(what: str, shown: Callable[[TensorSpec], object]) -> Callable[[Reason, Row], str]:
    """Returns what says of a row that its specs differ in `what`, of which `shown` is shown."""

    def text(_: Reason, row: Row) -> str:
        specs = _specs(row)
        if specs is None:
            return what
        reference, candidate = specs
        both = f"reference {shown(reference)}, candidate {shown(candidate)}"
        return f"{what}: {both}{_lacking_part(reference, candidate)}"

    return text


def _lacking_part(reference: TensorSpec, candidate: TensorSpec) -> str:
    """Returns what is off where complex numbers of one side meet real ones of the other; "" else."""
    is_complex = reference.dtype in COMPLEX, candidate.dtype in COMPLEX
    if is_complex[0] is is_complex[1]:
        return ""
    side, real = (Side.CANDIDATE, candidate) if is_complex[0] else (Side.REFERENCE, reference)
    whole = reference if is_complex[0] else candidate
    if real.shape == (*whole.shape, 2):
        return f"; the {side} has the real and the imaginary part in its last axis"
    return f"; the {side} has no imaginary part"


def _nonfinite(_: Reason, row: Row) -> str:
    figures = row.figures or Figures(elements=0, bitwise_equal=False)
    text = f"NaN: {figures.nan_reference} in the reference, {figures.nan_candidate} in the candidate"
    if figures.inf_reference or figures.inf_candidate:
        text += f"; infinite: {figures.inf_reference} and {figures.inf_candidate}"
    agree = "" if figures.nonfinite_mismatches else "; both sides agree, yet NaN never passes"
    return f"{text}; first at {wording.index(figures.first_nonfinite)}{agree}"


def _values(_: Reason, row: Row) -> str:
    figures, tolerance = row.figures, row.tolerance
    if figures is None or tolerance is None:
        return "the values differ"
    if not tolerance.relative_l2:
        return _outside(figures, tolerance)
    if figures.relative_l2 <= tolerance.relative_l2:
        bound = f"{tolerance.of_one:g} times {tolerance.atol:.3g} + {tolerance.rtol:.3g} * |reference|"
        return f"elements are off by more than {bound}{_worst(figures)}"
    return f"relative L2 {figures.relative_l2:.3g}, allowed {tolerance.relative_l2:.3g}{_worst(figures)}"


def _elements(_: Reason, row: Row) -> str:
    if row.figures is None or row.tolerance is None:
        return "elementwise"
    return f"elementwise: {_outside(row.figures, row.tolerance)}"


def _outside(figures: Figures, tolerance: Tolerance) -> str:
    share = figures.mismatches / max(figures.elements, 1)
    some = f"{figures.mismatches} of {figures.elements} elements ({share:.3g})"
    if figures.is_estimate:
        some = "at least one element" if figures.mismatches else "no element known"
    return (
        f"{some} outside atol {tolerance.atol:.3g} + rtol {tolerance.rtol:.3g} * |reference|{_worst(figures)}"
    )


def _worst(figures: Figures) -> str:
    if not figures.worst:
        return ""
    worst = figures.worst[0]
    return (
        f"; largest difference {worst.abs_diff:.3g} at {wording.index(worst.index)}"
        f"{', in the imaginary part' if worst.imaginary else ''} "
        f"(reference {worst.reference:.6g}, candidate {worst.candidate:.6g})"
    )


def _table_row(_: Reason, row: Row) -> str:
    worst = row.figures.worst_row if row.figures is not None else None
    if worst is None or row.tolerance is None:
        return "a row of the table differs"
    bound = f"relative L2 {worst.relative_l2:.3g}, allowed {row.tolerance.row_relative_l2:.3g} for each row"
    sizes = {Side.REFERENCE: worst.rms_reference, Side.CANDIDATE: worst.rms_candidate}
    shown = ", ".join(f"{side} {f'rms {size:.3g}' if size else 'all zeros'}" for side, size in sizes.items())
    return f"row {worst.index}: {bound} ({shown})"


def _means(one: Reason, row: Row) -> str:
    bias = row.figures.bias if row.figures is not None else 0.0
    return f"the means differ by {bias:.3g}, more than {one.numbers[0]:.3g}"


def _random(one: Reason, row: Row) -> str:
    text = f"random: {', '.join(one.names)} (not shared)"
    return f"{text}; randomness='shared' or 'off' compares it" if row.counts else text


def _axes(one: Reason, row: Row) -> str:
    moved = [axis for axis, source in enumerate(one.numbers) if axis != source]
    if len(moved) == 2:
        return f"axes {moved[0]} and {moved[1]} exchanged"
    return f"axes in the order {', '.join(f'{source:.0f}' for source in one.numbers)}"


def _by_own_bounds(one: Reason, row: Row) -> str:
    text = "agrees under your own bounds alone"
    if one.numbers:
        return f"{text}: {one.numbers[0]:.2g} times what rounding makes there"
    return f"{text}: the table allows less"


def _inconclusive(one: Reason, row: Row) -> str:
    return f"inconclusive: rounding alone reaches {wording.share(one.numbers[0])} here"


def _repeated(one: Reason, row: Row) -> str:
    axes = ", ".join(str(int(number)) for number in one.numbers)
    return f"repeated along {'axis' if len(one.numbers) == 1 else 'axes'} {axes} by the {one.side}"


def _loader_ended(one: Reason, row: Row) -> str:
    batches = wording.count(int(one.numbers[0]), "batch", "batches")
    return f"the {one.side}'s loader ended after {batches}, and the {wording.other(one.side)}'s goes on"


WRITTEN: Mapping[Cause, Callable[[Reason, Row], str]] = {
    Cause.SHAPE: _specs_differ("shape", lambda spec: list(spec.shape)),
    Cause.DTYPE: _specs_differ("dtype", lambda spec: spec.dtype),
    Cause.NONFINITE: _nonfinite,
    Cause.VALUES: _values,
    Cause.ELEMENTS: _elements,
    Cause.MEANS: _means,
    Cause.TABLE_ROW: _table_row,
    Cause.RANDOM: _random,
    Cause.BY_OWN_BOUNDS: _by_own_bounds,
    Cause.INCONCLUSIVE: _inconclusive,
    Cause.AXES: _axes,
    Cause.REPEATED: _repeated,
    Cause.LOADER_ENDED: _loader_ended,
}
