"""Sentences for hints: what a row that differs probably is, and what says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from padiff_client import wording
from padiff_rpc.v1.records import Hint, Row
from padiff_rpc.v1.words import HintKind, Phase

# `{side}` and `{other}`: the side that the hint names, and the other; `{n}`, `{m}`: its first two numbers as
# figures; `{axis}`, `{i}`, `{j}`: its first three as whole ones; `{name}`, `{second}`, `{third}`: its names.
_TEMPLATES: Mapping[HintKind, str] = {
    HintKind.UNKNOWN: "unknown",
    HintKind.RESHAPED: "the same elements in another shape",
    HintKind.PERMUTED: "along axis {axis} the indices are in another order ({i} of {j} moved)",
    HintKind.INTERLEAVED: (
        "axis {axis} is {i} groups of {j} elements, which the candidate splits the other way round, as heads "
        "and their sizes exchanged"
    ),
    HintKind.FLIPPED: "axis {axis} is reversed",
    HintKind.ROLLED: "along axis {axis} everything is rolled by {i}",
    HintKind.SHIFTED: "along axis {axis} everything is moved by {i}",
    HintKind.SIGN: "the sign is the opposite",
    HintKind.SCALED: "a factor throughout: candidate = {n} * reference",
    HintKind.OFFSET: "a constant throughout: candidate = reference + {n}",
    HintKind.OFFSET_EACH: (
        "something is added for each index of axis {axis}: a bias that is missing, or another one"
    ),
    HintKind.SCALED_EACH: "a factor for each index of axis {axis}: a scale that is missing, or another one",
    HintKind.AFFINE_EACH: (
        "a factor and a constant for each index of axis {axis}: other scales and shifts, or other statistics "
        "of a norm"
    ),
    HintKind.MISSING_BIAS: "the {side} does not add the bias",
    HintKind.EPSILON: "the norm's epsilon: {n} in the reference, {m} in the candidate",
    HintKind.MOMENTUM: (
        "the norm's momentum, as the share of the new value: {n} in the reference, {m} in the candidate"
    ),
    HintKind.UNBIASED: "the {side} divides the variance by n - 1, the {other} by n (n = {axis})",
    HintKind.GELU: "the {side} computes the GELU by tanh, the {other} by erf",
    HintKind.DROPOUT: "dropout is active on the {side}: it drops {n} of the elements, and scales by {m}",
    HintKind.WRONG_AXIS: "another axis: axis {axis} in the reference, axis {i} in the candidate",
    HintKind.MASK_INVERTED: "the mask is inverted",
    HintKind.MASK_SHIFTED: "the mask is moved by {i} along axis {axis}",
    HintKind.FEW_ELEMENTS: "{axis} of {i} elements differ, all others agree",
    HintKind.BORDER: (
        "only the border differs, {axis} wide: padding, or what a pooling counts of it, is different"
    ),
    HintKind.MORE_AT_BORDER: (
        "the candidate has {i} more along axis {axis}, and the rest agrees: ceil_mode or padding"
    ),
    HintKind.ACCUMULATED: "the gradient of the step before was added: it was not cleared",
    HintKind.SETTING: "{name} is {second} in the reference, {third} in the candidate",
    HintKind.OTHER_KIND: "the layers are of different kinds: {name} and {second}",
    HintKind.OPTIMIZER_SETTING: (
        "the optimizer's {name} is {second} in the reference, {third} in the candidate"
    ),
    HintKind.TRAIN_MODE: "the {side} is in train mode, the {other} in eval mode",
}
# They say how the values differ, and leave open what makes them so.
PATTERNS = frozenset(
    {
        *(HintKind.SIGN, HintKind.SCALED, HintKind.OFFSET),
        *(HintKind.SCALED_EACH, HintKind.OFFSET_EACH, HintKind.AFFINE_EACH),
        *(HintKind.FEW_ELEMENTS, HintKind.FEW_INDICES),
    }
)
_CHANNELS_LAST = {
    (0.0, 2.0, 1.0): "last",
    (0.0, 2.0, 3.0, 1.0): "last",
    (0.0, 3.0, 1.0, 2.0): "first",
    (0.0, 2.0, 3.0, 4.0, 1.0): "last",
    (0.0, 4.0, 1.0, 2.0, 3.0): "first",
}
_SHOWN = 8


def probably(row: Row) -> str:
    """Returns what a row probably is, the likeliest first; "" where it was not looked at."""
    return "; or ".join(map(sentence, ordered(row)))


def ordered(row: Row) -> list[Hint]:
    """Returns a row's hints, the likeliest first, and mistakes before patterns, which they explain."""
    return sorted(row.hints, key=lambda hint: hint.kind in PATTERNS)


def likeliest(row: Row) -> str:
    """Returns the likeliest alone, as lists of faults show it; "" where nothing is known."""
    if not row.hints or row.hints[0].kind is HintKind.UNKNOWN:
        return ""
    return f"; probably: {sentence(ordered(row)[0])}"


def sentence(hint: Hint) -> str:
    """Returns what a hint says, with what was computed of it."""
    written = _WRITTEN.get(hint.kind)
    text = written(hint) if written is not None else _filled(hint)
    return wording.plain(text + _evidence(hint))


def of_phases(rows: Iterable[Row]) -> list[str]:
    """Returns what the first row with hints of each phase probably is, unless nothing is known of it.

    The first phase is left out, whose row is the first divergence.
    """
    first: dict[Phase, Row] = {}
    for row in rows:
        if row.hints and row.counts:
            first.setdefault(row.phase, row)
    return [
        f"{wording.moment_of(row)}: {wording.place_of(row)}{likeliest(row)}"
        for row in list(first.values())[1:]
        if row.hints[0].kind is not HintKind.UNKNOWN
    ]


def _filled(hint: Hint) -> str:
    numbers, names = [*hint.numbers, 0.0, 0.0, 0.0, 0.0], [*hint.names, "", "", ""]
    return _TEMPLATES[hint.kind].format(
        side=hint.side,
        other=wording.other(hint.side),
        n=f"{numbers[0]:.6g}",
        m=f"{numbers[1]:.6g}",
        axis=f"{numbers[0]:.0f}",
        i=f"{numbers[1]:.0f}",
        j=f"{numbers[2]:.0f}",
        name=names[0],
        second=names[1],
        third=names[2],
    )


def _evidence(hint: Hint) -> str:
    """Returns how well the hint explains the difference, where that was computed."""
    if hint.kind is HintKind.UNKNOWN or not hint.before:
        return ""
    checked = "checked: " if hint.verified else ""
    if hint.verified or hint.after < hint.before:
        before, after = wording.small(hint.before), wording.small(hint.after)
        return f" ({checked}corrected, the difference falls from {before} to {after})"
    return ""


def _axes(hint: Hint) -> str:
    order = ", ".join(f"{number:.0f}" for number in hint.numbers)
    channels = _CHANNELS_LAST.get(hint.numbers)
    told = f": channels {channels} in the candidate" if channels else ""
    return f"the axes are in the order {order}{told}"


def _parts(hint: Hint) -> str:
    axis, *order = hint.numbers or (0.0,)
    shown = ", ".join(f"{number:.0f}" for number in order[:_SHOWN])
    more = ", ..." if len(order) > _SHOWN else ""
    told = {3: " (query, key, value?)", 4: " (gates?)"}.get(len(order), "")
    return f"{len(order)} equal parts of axis {axis:.0f}{told} stand in the order {shown}{more}"


def _few_indices(hint: Hint) -> str:
    axis, count, size, first = [*hint.numbers, 0.0, 0.0, 0.0, 0.0][:4]
    if count == 1:
        return f"only index {first:.0f} of axis {axis:.0f} differs, the other {size - 1:.0f} agree"
    return f"only {count:.0f} of {size:.0f} indices of axis {axis:.0f} differ, the first of them {first:.0f}"


def _statistics(hint: Hint) -> str:
    if hint.side is None:
        return "other statistics of the norm: one side may be in train mode, and the other not"
    other = wording.other(hint.side)
    return (
        f"train mode and eval mode: the {hint.side} takes the batch's statistics, the {other} the kept ones"
    )


def _transposed(hint: Hint) -> str:
    if hint.names:
        return f"the layer takes {hint.names[0]} transposed"
    return "the last two axes are exchanged (transposed)"


def _activation(hint: Hint) -> str:
    if len(hint.names) > 1:
        return f"the {hint.side} applies {hint.names[0]} in place of {hint.names[1]}"
    return f"the {hint.side} alone applies {hint.names[0]}"


def _rounded(hint: Hint) -> str:
    what = f"the {hint.side}'s values"
    if len(hint.names) > 1:
        what = f"the values of {hint.names[1]} on the {hint.side}"
    return f"{what} are rounded to {hint.names[0]}"


def _swapped(hint: Hint) -> str:
    if len(hint.names) > 1:
        return f"the layer takes {hint.names[0]} in place of {hint.names[1]}"
    there = hint.names[0] if hint.names else "another weight"
    return f"the candidate has what the reference has in {there}: the two may be swapped"


def _stale(hint: Hint) -> str:
    if hint.names:
        return f"the layer takes {hint.names[0]} as it was before the step"
    return "the candidate has the value from before the step: it was not updated"


_WRITTEN: Mapping[HintKind, Callable[[Hint], str]] = {
    HintKind.TRANSPOSED: _transposed,
    HintKind.ACTIVATION: _activation,
    HintKind.ROUNDED: _rounded,
    HintKind.SWAPPED: _swapped,
    HintKind.STALE: _stale,
    HintKind.AXES: _axes,
    HintKind.PARTS: _parts,
    HintKind.FEW_INDICES: _few_indices,
    HintKind.STATISTICS: _statistics,
}
