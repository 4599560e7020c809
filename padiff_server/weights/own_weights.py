"""The weights of two paired layers: which corresponds to which, and by which layout rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

from padiff_rpc.types import Weight
from padiff_rpc.words import WeightKind
from padiff_server.alignment.kinds import Kind, canonical_kind, canonical_name, is_flattened, layout
from padiff_server.weights.rules import IDENTITY, TRANSPOSE, Rule, reshape_to

# (reference's weight, candidate's weight, the rule between them)
Pair = tuple[Weight, Weight, Rule]


def pair_weights(
    kinds: tuple[Kind, Kind], reference: Sequence[Weight], candidate: Sequence[Weight]
) -> list[Pair]:
    """Returns the pairs in the reference's order: equal canonical names, then equal shapes by order.

    Equal names pair even where the shapes differ, so that the difference can be shown.
    """
    by_name = {canonical_name(kinds[1], weight.name): weight for weight in candidate}
    partner: dict[str, Weight] = {}
    for ours in reference:
        theirs = by_name.pop(canonical_name(kinds[0], ours.name), None)
        if theirs is not None:
            partner[ours.name] = theirs
    free = list(by_name.values())
    for ours in reference:
        if ours.name in partner:
            continue
        for theirs in free:
            same_kind = canonical_kind(kinds[0], ours) is canonical_kind(kinds[1], theirs)
            rule = choose_rule(kinds, ours, theirs)
            if same_kind and rule.shape_or_none(ours.spec.shape) == theirs.spec.shape:
                partner[ours.name] = theirs
                free.remove(theirs)
                break
    return [
        (ours, partner[ours.name], choose_rule(kinds, ours, partner[ours.name]))
        for ours in reference
        if ours.name in partner
    ]


def choose_rule(kinds: tuple[Kind, Kind], reference: Weight, candidate: Weight) -> Rule:
    """Returns the rule from the reference's layout to the candidate's.

    Layouts that are known decide alone, so that a square matrix is transposed as any other.
    """
    names = canonical_name(kinds[0], reference.name), canonical_name(kinds[1], candidate.name)
    ours, theirs = layout(kinds[0], names[0]), layout(kinds[1], names[1])
    shapes = reference.spec.shape, candidate.spec.shape
    if ours and theirs:
        rule = IDENTITY if ours == theirs else TRANSPOSE
    elif shapes[0] == shapes[1]:
        rule = IDENTITY
    elif shapes[0] == shapes[1][::-1] and (ours or theirs or not (kinds[0].name and kinds[1].name)):
        rule = TRANSPOSE
    elif any(map(is_flattened, kinds, names)) and math.prod(shapes[0]) == math.prod(shapes[1]):
        rule = reshape_to(shapes[1])
    else:
        rule = IDENTITY
    return rule if rule.shape_or_none(shapes[0]) is not None else IDENTITY


def is_ambiguous(kinds: tuple[Kind, Kind], reference: Weight, candidate: Weight) -> bool:
    """Whether a square matrix may be stored either way round, because a user's own class holds it.

    Within one framework, two users' classes are taken to store theirs alike (the caller's to know).
    """
    shape = reference.spec.shape
    is_square = len(shape) == 2 and shape[0] == shape[1] > 1 and candidate.spec.shape == shape
    is_parameter = reference.kind is WeightKind.PARAMETER
    return is_square and is_parameter and not all(kind.name for kind in kinds)
