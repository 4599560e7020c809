"""Weights of a compiled, exported or scripted layer that nothing but their shapes and order tells apart."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

from padiff_compare.layout_rules import IDENTITY, TRANSPOSE, Rule
from padiff_compare.weights.weight_pair import OwnedWeight
from padiff_rpc.v1.records import Weight
from padiff_rpc.v1.words import WeightKind

KindedWeight = tuple[str, OwnedWeight]


def pair_in_order(
    reference: Sequence[KindedWeight], candidate: Sequence[KindedWeight], *, one_framework: bool
) -> Iterator[tuple[OwnedWeight, OwnedWeight, Rule]]:
    """Yields pairs: those of one full name, then the n-th of a look with the other side's n-th.

    The latter where both sides have equally many of a look: shape, and what names tell. A matrix may be
    stored either way round; what comes out of the unit shows whether that went right.
    """
    for (_, ours), (_, theirs) in _pairs(reference, candidate):
        layouts = ours.weight.layout, theirs.weight.layout
        turned = not one_framework and any(layout is not None for layout in layouts)
        yield ours, theirs, _rule(ours, theirs, turned)


def _pairs(
    reference: Sequence[KindedWeight], candidate: Sequence[KindedWeight]
) -> Iterator[tuple[KindedWeight, KindedWeight]]:
    named = {one[1].name: one for one in candidate}
    same = {one[1].name for one in reference if one[1].name in named and _fit(one, named[one[1].name])}
    left = [[one for one in side if one[1].name not in same] for side in (reference, candidate)]
    yield from ((one, named[one[1].name]) for one in reference if one[1].name in same)
    alike = _by_look(left[0]), _by_look(left[1])
    for look, ours in alike[0].items():
        theirs = alike[1].get(look, [])
        if len(ours) == len(theirs):
            yield from zip(ours, theirs)


def _fit(reference: KindedWeight, candidate: KindedWeight) -> bool:
    shapes = [sorted(one.weight.spec.shape) for _, one in (reference, candidate)]
    return shapes[0] == shapes[1]


def _by_look(weights: Sequence[KindedWeight]) -> dict[Hashable, list[KindedWeight]]:
    found: defaultdict[Hashable, list[KindedWeight]] = defaultdict(list)
    for kind, owned in weights:
        weight = owned.weight
        is_bias = re.search(r"(^|[._])b(ias)?(_\d+)*$", weight.canonical) is not None
        is_buffer, is_norm = weight.kind is WeightKind.BUFFER, "norm" in (kind or weight.canonical)
        found[is_buffer, is_bias, is_norm, tuple(sorted(weight.spec.shape))].append((kind, owned))
    return found


def _rule(reference: OwnedWeight, candidate: OwnedWeight, turned: bool) -> Rule:
    ours, theirs = reference.weight.spec.shape, candidate.weight.spec.shape
    is_turned = ours != theirs or (turned and ours == ours[::-1])
    return TRANSPOSE if len(ours) == 2 and is_turned else IDENTITY


def is_turned_square(reference: Weight, candidate: Weight) -> bool:
    """Whether two frameworks store a square weight in two layouts, by the one side that names its kind."""
    shape = reference.spec.shape
    layouts = {reference.layout, candidate.layout}
    return len(shape) == 2 and shape == shape[::-1] and len(layouts) == 2 and None in layouts
