"""Words of a report: places, figures and numbers as people read them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from padiff_rpc.records import Word
from padiff_rpc.v1.records import (
    Figures,
    FromGold,
    Omitted,
    OptimizerDifference,
    OwnBounds,
    Place,
    Row,
    TableRow,
    Tolerance,
    WorstElement,
)
from padiff_rpc.v1.words import CaptureKind, Omission, Pass, Phase, Side, Verdict

FAILING = frozenset(
    {
        Verdict.MISMATCH,
        Verdict.SHAPE_MISMATCH,
        Verdict.DTYPE_MISMATCH,
        Verdict.NONFINITE,
        Verdict.UNMATCHED,
    }
)
_CALL_KINDS = frozenset(
    {
        CaptureKind.INPUT,
        CaptureKind.OUTPUT,
        CaptureKind.INPUT_GRADIENT,
        CaptureKind.OUTPUT_GRADIENT,
    }
)
_BEFORE_THE_STEPS = frozenset({Phase.CONNECT, Phase.LOAD, Phase.TRACE, Phase.INITIAL_WEIGHTS})
_KIND_WORDS = {
    CaptureKind.INPUT_GRADIENT: "gradient of input",
    CaptureKind.OUTPUT_GRADIENT: "gradient of output",
    CaptureKind.PARAMETER_GRADIENT: "gradient of parameter",
    CaptureKind.OPTIMIZER_STATE: "optimizer state",
}

_OMISSIONS = {
    Omission.RANDOM: "they depend on random decisions that the sides do not share",
    Omission.ONE_SIDED: "only one side has any",
    Omission.NO_BACKWARD: "there was no backward, and the notes say why",
    Omission.COMPUTED: "your own rule computes the weights, and both sides have some",
    Omission.JUDGED_ELSEWHERE: "judged elsewhere",
    Omission.SUSPECTED: "their sketches differ, and their elements were not fetched behind the first fault",
    Omission.FUSED: "one side's layer applies an activation that the other side does not show",
}


def plain(text: str) -> str:
    """Returns `text` on one line and without characters that a terminal obeys; line breaks become spaces."""
    line = re.sub(r"\s*[\n\r\v\f\x85\u2028\u2029]\s*", " ", text.strip("\r\n")).replace("\t", " ")
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)


def words(word: Word) -> str:
    """Returns a word of the contract as text: "same path" for `same_path`."""
    return str(word).replace("_", " ")


def other(side: Optional[Side]) -> Side:
    """Returns the opposite side."""
    return Side.CANDIDATE if side is Side.REFERENCE else Side.REFERENCE


def some(names: Sequence[str], shown: int = 3) -> str:
    """Returns "a, b, c and 2 more"."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{', '.join(names[:shown])}{more}"


def call(path: str, number: float) -> str:
    """Returns "encoder.fc#0"."""
    return f"{path or 'the root'}#{number:.0f}"


def small(value: float) -> str:
    """Returns a difference or a share with three digits."""
    return f"{value:.3g}"


def share(value: float) -> str:
    """Returns a share as percents with two digits."""
    return f"{value * 100:.2g}%"


def from_gold(one: FromGold) -> str:
    """Returns how far each side is from the reference's float64 run, and which one is off."""
    what = "both are equally far" if one.off is None else f"the {one.off} is off"
    return (
        f"relative L2 to float64 {small(one.reference)} in the reference, {small(one.candidate)} in the "
        f"candidate: {what}"
    )


def exact(value: float) -> str:
    """Returns a value with as many digits as a float32 has."""
    return f"{value:.9g}"


def element(value: Any) -> str:
    """Returns an element of an array, as `exact` does."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    return f"{value:.9g}"


def layer(place: Place) -> str:
    """Returns "encoder.fc (Linear)"."""
    name = plain(place.path) or "the root"
    return f"{name} ({plain(place.class_name)})" if place.class_name else name


def what(row: Row) -> str:
    """Returns what is compared within the layer: "output 0", "gradient of parameter weight"."""
    place = row.reference or row.candidate
    kind = _KIND_WORDS.get(row.kind, str(row.kind))
    slot = plain(place.slot) if place is not None else ""
    if row.kind is CaptureKind.LOSS or not slot:
        return kind
    return f"{kind} {slot}"


def happens_in_a_call(row: Row) -> bool:
    """Whether a call number means anything for this row."""
    return row.kind in _CALL_KINDS


def is_of_whole_optimizer(row: Row) -> bool:
    """Whether a row is of a number that all parameters share: a learning rate, a count of steps."""
    place = row.reference or row.candidate
    return row.kind is CaptureKind.OPTIMIZER_STATE and place is not None and "." not in place.slot


def place_of(row: Row) -> str:
    """Returns a row's layer (both sides' where the paths differ) and what is compared in it."""
    reference, candidate = row.reference, row.candidate
    place = reference or candidate
    if place is None or row.kind in (CaptureKind.LOSS, CaptureKind.TARGET) or is_of_whole_optimizer(row):
        return what(row)
    if is_of_loaders(row):
        differing = candidate is not None and candidate.slot != place.slot
        return f"{what(row)} / {plain(candidate.slot)}" if candidate and differing else what(row)
    # In lockstep: the input of a call (or the gradient of its output) that the layer around it made.
    is_charged = row.between and row.pass_kind is Pass.LOCKSTEP
    text = f"{what(row)} {'made by the code of' if is_charged else 'of'} {layer(place)}"
    if reference is not None and candidate is not None and reference.path != candidate.path:
        text += f" / {layer(candidate)}"
    if happens_in_a_call(row) and place.call:
        text += f", call {place.call}"
    return f"{text}, {plain(_calls_said(row.between))}" if row.between else text


def _calls_said(between: str) -> str:
    """Returns "between a and b" for "between a#0 and b#0"; a later call is said."""
    if re.search(r"#[1-9]", between):
        return re.sub(r"#(\d+)", r" (call \1)", between)
    return re.sub(r"#0\b", "", between)


def is_of_loaders(row: Row) -> bool:
    """Whether a row compares a field of two loaders' batches; no model was run for it."""
    place = row.reference or row.candidate
    return row.phase is Phase.INPUTS and place is not None and not place.class_name


def moment_of(row: Row) -> str:
    """Returns `moment` of a row; of loaders "batch 3"."""
    return f"batch {row.step}" if is_of_loaders(row) else moment(row.phase, row.step)


def moment(phase: Phase, step: int) -> str:
    """Returns "forward of step 0"; what comes before the steps stands alone."""
    word = str(phase).replace("_", " ")
    return word if phase in _BEFORE_THE_STEPS else f"{word} of step {step}"


def measured(figures: Figures) -> str:
    """Returns the figures that say how far two tensors are apart."""
    if figures.nonfinite_mismatches or figures.nan_reference or figures.nan_candidate:
        text = f"NaN: {figures.nan_reference} in the reference, {figures.nan_candidate} in the candidate"
        if figures.first_nonfinite:
            text += f", first at {index(figures.first_nonfinite)}"
        return f"{text}; max abs of the rest {small(figures.max_abs)}"
    at_least = "at least " if figures.is_estimate else ""
    parts = [f"max abs {at_least}{small(figures.max_abs)}", f"relative L2 {small(figures.relative_l2)}"]
    if not math.isnan(figures.cosine):
        parts.append(f"cosine {exact(figures.cosine)}")
    if not math.isnan(figures.scale):
        parts.append(f"scale {exact(figures.scale)}")
    if figures.is_estimate:
        return f"{', '.join(parts)}, estimated from sketches"
    share = figures.mismatches / figures.elements if figures.elements else 0.0
    parts.append(f"{figures.mismatches} of {figures.elements} elements outside ({share:.1%})")
    return ", ".join(parts)


def worst(element: WorstElement) -> str:
    """Returns where two tensors are furthest apart, and by how much."""
    part = ", imaginary part" if element.imaginary else ""
    return (
        f"{index(element.index)}{part}: reference {exact(element.reference)}, "
        f"candidate {exact(element.candidate)}, {small(element.abs_diff)} apart"
    )


def worst_row(row: TableRow) -> str:
    """Returns how far a row of an embedding table's gradient is apart."""
    sizes = ", ".join(
        f"{side} {f'rms {small(size)}' if size else 'zero'}"
        for side, size in (("reference", row.rms_reference), ("candidate", row.rms_candidate))
    )
    return f"{row.index}: {sizes}, relative L2 {small(row.relative_l2)}"


def allowed(tolerance: Optional[Tolerance]) -> str:
    """Returns the bound that decided, and who set it."""
    if tolerance is None:
        return ""
    if tolerance.relative_l2:
        row = f", {small(tolerance.row_relative_l2)} of each row" if tolerance.row_relative_l2 else ""
        return f"relative L2 {small(tolerance.relative_l2)}{row} ({tolerance.source})"
    return f"{small(tolerance.atol)} + {small(tolerance.rtol)} * |reference| ({tolerance.source})"


def bounds(own: OwnBounds) -> str:
    """Returns what the user's own bounds mean: as NumPy's, the one that is not given is 0."""
    given = {"atol": own.atol, "rtol": own.rtol}
    missing = "".join(f"; {name} was not given, and so is 0" for name, one in given.items() if one is None)
    return (
        f"your {_given(own)} decided: |candidate - reference| <= {small(own.atol or 0.0)} + "
        f"{small(own.rtol or 0.0)} * |reference|{missing}"
    )


def beyond_rounding(own: Optional[OwnBounds]) -> str:
    """Returns how many places agree by the user's own bounds alone; "" for none."""
    if own is None or not own.places:
        return ""
    verb = "exceeds" if own.places == 1 else "exceed"
    return f"your {_given(own)}; {count(own.places, 'place')} {verb} rounding"


def _given(own: OwnBounds) -> str:
    given = {"atol": own.atol, "rtol": own.rtol}
    return ", ".join(f"{name}={small(one)}" for name, one in given.items() if one is not None)


def optimizer_difference(one: OptimizerDifference) -> str:
    """Returns a setting, or a way to compute, in which two optimizers differ."""
    text = f"{one.name} is {one.reference} in the reference, {one.candidate} in the candidate"
    if one.convention:
        text += "; no setting changes that"
    if one.parameters:
        more = f" and {len(one.parameters) - 1} more" if len(one.parameters) > 1 else ""
        text = f"{one.parameters[0]}{more}: {text}"
    return plain(text)


def omitted(found: Sequence[Omitted]) -> str:
    """Returns what was not compared, in numbers, and why; "" where there is nothing to say."""
    parts: list[str] = []
    for one in found:
        verb = "" if parts else f" {'was' if one.places == 1 else 'were'} not compared"
        number = f"{count(one.places, words(one.what))} of {count(one.layers, 'layer')}"
        if not one.places:
            number, verb = f"no {words(one.what)}s", " were compared" if not parts else ""
        parts.append(f"{number}{verb}: {_OMISSIONS[one.omission]}")
    return "; ".join(parts)


def index(position: tuple[int, ...]) -> str:
    """Returns an element's index as one writes it in Python."""
    return f"[{', '.join(map(str, position))}]"


def count(number: int, noun: str, several: str = "") -> str:
    """Returns "1 tensor", "2 tensors"; `several`: the plural, where it is not the noun and an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {several or f'{noun}s'}"


def listed(names: Sequence[str]) -> str:
    """Returns "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def size(number: float) -> str:
    """Returns a number of bytes in the unit that suits it: "35 MiB"."""
    units = ("bytes", "KiB", "MiB", "GiB")
    power = min(len(units) - 1, max(0, math.floor(math.log2(number)) // 10)) if number >= 1 else 0
    amount = number / 1024**power
    return f"{amount:.{1 if power and amount < 10 else 0}f} {units[power]}"


def clock(seconds: float) -> str:
    """Returns a length of time: "12 s", "1:10", "2:03:20"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def times(factor: float) -> str:
    """Returns a factor as people say it: "2,500", "1.7"."""
    if not math.isfinite(factor):
        return "infinitely many"
    if factor < 10:
        return f"{factor:.2g}"
    digits = 1 - math.floor(math.log10(factor))
    return f"{round(factor, digits):,.0f}" if factor < 1e9 else f"{factor:.1e}"
