"""The registry of probes: all kinds of mistakes that are looked for, and the order of those that fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

import numpy as np

from padiff_compare.hints import formulas, functions, layouts, norms, products, spots
from padiff_compare.hints.clues import Clues, Probe, Reals
from padiff_rpc.v1.records import Hint
from padiff_rpc.v1.words import HintKind

# Where several fit equally well the first is the likeliest: what explains most by least comes first.
PROBES: tuple[Probe, ...] = (
    *norms.PROBES,
    *products.PROBES,
    *functions.PROBES,
    *layouts.PROBES,
    *formulas.PROBES,
    *spots.PROBES,
)
# A hint of these kinds says where, or that something is set differently, and not what was done.
_WEAK = frozenset(
    (
        *(HintKind.FEW_INDICES, HintKind.FEW_ELEMENTS, HintKind.BORDER, HintKind.OTHER_KIND),
        *(HintKind.TRAIN_MODE, HintKind.OFFSET_EACH, HintKind.SCALED_EACH, HintKind.AFFINE_EACH),
        HintKind.PERMUTED,
    )
)
# What need not be said where the other is: a special case of it, and the setting that it is of.
_COVERS: Mapping[HintKind, Set[HintKind]] = {
    HintKind.SIGN: {HintKind.SCALED, HintKind.SCALED_EACH},
    HintKind.SCALED: {HintKind.SCALED_EACH},
    HintKind.OFFSET: {HintKind.OFFSET_EACH},
    HintKind.FEW_INDICES: {HintKind.OFFSET_EACH, HintKind.SCALED_EACH, HintKind.AFFINE_EACH},
    HintKind.FEW_ELEMENTS: {HintKind.OFFSET_EACH, HintKind.SCALED_EACH, HintKind.AFFINE_EACH},
    HintKind.EPSILON: {HintKind.SCALED, HintKind.SCALED_EACH, HintKind.AFFINE_EACH, HintKind.STATISTICS},
}
_SETTINGS: Mapping[HintKind, str] = {
    HintKind.EPSILON: "epsilon",
    HintKind.GELU: "approximate",
    HintKind.MISSING_BIAS: "bias",
    HintKind.MOMENTUM: "momentum",
}
_MOST = 3
UNKNOWN = Hint(kind=HintKind.UNKNOWN)


def found(clues: Clues, reference: Reals, candidate: Reals) -> tuple[Hint, ...]:
    """Returns the hints of all probes that fit."""
    with np.errstate(all="ignore"):
        hints = [probe(clues, reference, candidate) for probe in PROBES]
    return tuple(hint for hint in hints if hint is not None)


def ranked(values: Iterable[Hint], settings: Iterable[Hint]) -> tuple[Hint, ...]:
    """Returns the likeliest hints, those of `values` and of `settings`; unknown where there are none.

    What was computed and agrees stands before what is set differently, and that before what only says where.
    """
    told = list(values)
    covered = {kind for hint in told for kind in _COVERS.get(hint.kind, ())}
    words = {_SETTINGS[hint.kind] for hint in told if hint.kind in _SETTINGS}
    hints = [hint for hint in told if hint.kind not in covered]
    hints += [hint for hint in settings if hint.kind is not HintKind.SETTING or hint.names[0] not in words]
    first = [hint for hint in hints if hint.verified]
    second = [hint for hint in hints if not hint.verified and hint.kind not in _WEAK]
    third = [hint for hint in hints if not hint.verified and hint.kind in _WEAK]
    return tuple([*first, *second, *third][:_MOST]) or (UNKNOWN,)
