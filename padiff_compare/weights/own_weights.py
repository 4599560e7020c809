"""The weights of two paired layers: which corresponds to which, and by which layout rule."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set

from padiff_compare.alignment.kinds import is_computed, is_flattened
from padiff_compare.layout_rules import (
    AS_COMPLEX,
    AS_REAL,
    IDENTITY,
    TRANSPOSE,
    Rule,
    fitting_axes,
    reshape_to,
)
from padiff_rpc.tensors import COMPLEX
from padiff_rpc.v1.records import Layer, Weight
from padiff_rpc.v1.words import WeightKind

# (reference's weight, candidate's weight, the rule between them)
Pair = tuple[Weight, Weight, Rule]


def pair_weights(
    kinds: tuple[str, str], reference: Sequence[Weight], candidate: Sequence[Weight]
) -> list[Pair]:
    """Returns the pairs in the reference's order: equal canonical names, then equal shapes by order.

    Equal names pair even where the shapes differ, so that the difference can be shown.
    """
    by_name = {weight.canonical: weight for weight in candidate}
    partner: dict[str, Weight] = {}
    for ours in reference:
        theirs = by_name.pop(ours.canonical, None)
        if theirs is not None:
            partner[ours.name] = theirs
    free = list(by_name.values())
    for ours in reference:
        if ours.name in partner:
            continue
        for theirs in free:
            rule = choose_rule(kinds, ours, theirs)
            if ours.kind is theirs.kind and fits(rule, ours, theirs):
                partner[ours.name] = theirs
                free.remove(theirs)
                break
    return [
        (ours, partner[ours.name], choose_rule(kinds, ours, partner[ours.name]))
        for ours in reference
        if ours.name in partner
    ]


def with_computed(
    layer: Layer, weights: Sequence[Weight], wanted: Set[str]
) -> tuple[list[Weight], dict[str, list[Weight]]]:
    """Returns the reference's `weights`, for a layer that holds what the reference computes of several.

    What a weight norm or another parametrization makes takes the place of what it is made of, where
    `wanted`, the canonical names of the candidate's, has it and nothing of the rest. Also returns what
    each is made of, by its name.
    """
    kept = list(weights)
    computed: dict[str, list[Weight]] = {}
    for made in (weight for weight in layer.weights if is_computed(weight)):
        parts = [weight for weight in kept if weight.part_of == made.name]
        if made.name in wanted and wanted.isdisjoint(part.canonical for part in parts):
            kept = [made, *(weight for weight in kept if weight not in parts)]
            computed[made.name] = parts
    return kept, computed


def choose_rule(kinds: tuple[str, str], reference: Weight, candidate: Weight) -> Rule:
    """Returns the rule from the reference's layout to the candidate's; the likeliest where several fit.

    Layouts that are known decide alone, so that a square matrix is transposed as any other.
    """
    ours, theirs = reference.layout, candidate.layout
    shapes = reference.spec.shape, candidate.spec.shape
    if _is_complex(reference) is not _is_complex(candidate):
        rule = AS_REAL if _is_complex(reference) else AS_COMPLEX
        rule = rule if fits(rule, reference, candidate) else IDENTITY
    elif ours and theirs:
        rule = IDENTITY if ours == theirs else TRANSPOSE
    elif shapes[0] == shapes[1]:
        rule = IDENTITY
    else:
        may_turn = ours or theirs or not all(kinds)
        rule = next(iter(fitting_axes(*shapes)), IDENTITY) if may_turn else IDENTITY
        if (
            rule == IDENTITY
            and any(map(is_flattened, kinds, (reference, candidate)))
            and math.prod(shapes[0]) == math.prod(shapes[1])
        ):
            rule = reshape_to(shapes[1])
    return rule if rule.shape_or_none(shapes[0]) is not None else IDENTITY


def fits(rule: Rule, reference: Weight, candidate: Weight) -> bool:
    """Whether the rule gives the candidate's shape, and complex numbers where the candidate holds such."""
    made = rule.dtype(reference.spec.dtype) in COMPLEX
    return made is _is_complex(candidate) and rule.shape_or_none(reference.spec.shape) == candidate.spec.shape


def _is_complex(weight: Weight) -> bool:
    return weight.spec.dtype in COMPLEX


def alternatives(
    kinds: tuple[str, str], reference: Weight, candidate: Weight, *, alike: bool
) -> tuple[Rule, ...]:
    """Returns the rules that a parameter's shapes allow where nothing known tells between them.

    The likeliest first; empty where there is one at most. A user's own class may store its axes in any order.
    `alike`: two users' classes of one framework, which are taken to store what has the same shape alike.
    """
    shapes = reference.spec.shape, candidate.spec.shape
    if all(kinds) or reference.kind is not WeightKind.PARAMETER or (alike and shapes[0] == shapes[1]):
        return ()
    found = fitting_axes(*shapes)
    return found if len(found) > 1 else ()
