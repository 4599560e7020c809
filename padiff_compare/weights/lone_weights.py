"""Weights that the pairs of layers leave over: a parameter here, there another layer's weight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Optional

from padiff_compare.alignment.kinds import is_power_vector
from padiff_compare.alignment.path_words import part_words
from padiff_compare.alignment.plan import PairedLayer, Plan
from padiff_compare.layout_rules import TRANSPOSE, Rule, Shape, reshape_to
from padiff_compare.weights.own_weights import choose_rule
from padiff_compare.weights.weight_pair import OwnedWeight, is_within
from padiff_rpc.records import record
from padiff_rpc.v1.records import Layer
from padiff_rpc.v1.words import WeightKind

# Words that say nothing of which weight it is.
_EMPTY = frozenset({"weight", "parameter", "param"})
_SHORT = 3


@record
class LoneWeight:
    """A weight without a partner in its own layer's pair, or whose layer has none."""

    layer: Layer
    owned: OwnedWeight

    @property
    def kind(self) -> WeightKind:
        return self.owned.weight.kind

    @property
    def shape(self) -> Shape:
        return self.owned.weight.spec.shape

    def is_in(self, path: str) -> bool:
        """Whether its layer is the one at `path`, or below it."""
        return is_within(self.layer.path, path)


@record
class LonePair:
    """Two lone weights that hold the same numbers; `around`: the innermost pair of layers around both."""

    reference: LoneWeight
    candidate: LoneWeight
    rule: Rule
    around: PairedLayer


def pair_lone(
    plan: Plan, reference: Sequence[LoneWeight], candidate: Sequence[LoneWeight]
) -> Iterator[LonePair]:
    """Yields the pairs: of one shape, its axes in any order, and the only ones of it in a pair of layers.

    The innermost pairs of layers come first, the root last, so that each block's table meets its own. Among
    several of one shape words in their names decide, where they do so for both; nothing is guessed. One of
    the two is a user's own parameter: of two layers that frameworks know, equal shapes say nothing, but for
    the vectors of a spectral norm, which may be a layer of its own, and for a layer that its partner wraps.
    """
    ours, theirs = list(reference), list(candidate)
    for around in innermost_first(plan):
        inside = (
            [one for one in ours if one.is_in(around.reference)],
            [one for one in theirs if one.is_in(around.candidate)],
        )
        if not all(inside):
            continue
        for one, other in _matched(*inside):
            rule = _rule(one, other, around)
            if rule is not None:
                ours.remove(one)
                theirs.remove(other)
                yield LonePair(reference=one, candidate=other, rule=rule, around=around)


def innermost_first(plan: Plan) -> list[PairedLayer]:
    """Returns the pairs of layers, those that lie deepest first, the root last."""
    return sorted(plan.layers, key=lambda pair: -_depth(pair.reference))


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0


def _matched(
    ours: Sequence[LoneWeight], theirs: Sequence[LoneWeight]
) -> Iterator[tuple[LoneWeight, LoneWeight]]:
    groups: tuple[defaultdict[object, list[LoneWeight]], ...] = (defaultdict(list), defaultdict(list))
    for group, several in zip(groups, (ours, theirs)):
        for one in several:
            group[one.kind, _sizes(one.shape)].append(one)
    for key, mine in groups[0].items():
        others = groups[1].get(key, [])
        if len(mine) > 1 or len(others) > 1:
            for one, other in _named_alike(mine, others):
                mine, others = _without(mine, one), _without(others, other)
                yield one, other
        if len(mine) == len(others) == 1:
            yield mine[0], others[0]


def _named_alike(
    ours: Sequence[LoneWeight], theirs: Sequence[LoneWeight]
) -> list[tuple[LoneWeight, LoneWeight]]:
    """Returns those whose names share more words with each other's than with any other's."""
    found = []
    for one in ours:
        other = _best(one, theirs)
        if other is not None and _best(other, ours) is one:
            found.append((one, other))
    return found


def _best(lone: LoneWeight, several: Sequence[LoneWeight]) -> Optional[LoneWeight]:
    """Returns what is more like `lone` in name than all others; None where nothing is."""
    ranked = sorted(several, key=lambda one: _likeness(lone, one), reverse=True)
    scores = [_likeness(lone, one) for one in ranked[:2]]
    if not scores or not scores[0] or (len(scores) > 1 and scores[0] == scores[1]):
        return None
    return ranked[0]


def _likeness(one: LoneWeight, other: LoneWeight) -> float:
    words = [name_words(lone.owned.name) for lone in (one, other)]
    return len(words[0] & words[1]) / max(len(words[0] | words[1]), 1)


def name_words(name: str) -> frozenset[str]:
    """Returns what the words of a weight's full name mean, each once, without those that say nothing."""
    words = {word for part in name.split(".") for word in part_words(part)} - _EMPTY
    # One row here, several there.
    return frozenset(word.removesuffix("s") if len(word) > _SHORT else word for word in words)


def _without(several: Sequence[LoneWeight], left_out: LoneWeight) -> list[LoneWeight]:
    return [one for one in several if one is not left_out]


def _sizes(shape: Shape) -> Shape:
    """Returns what a shape has in common with all orders of its axes, those of one element left out."""
    return tuple(sorted(_bare(shape)))


def _bare(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def _rule(one: LoneWeight, other: LoneWeight, around: PairedLayer) -> Optional[Rule]:
    """Returns the rule from one to the other; None where there is none, or where equal shapes say nothing."""
    kinds = one.layer.kind, other.layer.kind
    if all(kinds) and not (_are_power_vectors(one, other) or _is_held_by_partner(one, other, around)):
        return None
    known = choose_rule(kinds, one.owned.weight, other.owned.weight)
    rules = [known, TRANSPOSE]
    if _bare(one.shape) == _bare(other.shape):
        rules.insert(1, reshape_to(other.shape))
    return next((rule for rule in rules if rule.shape_or_none(one.shape) == other.shape), None)


def _is_held_by_partner(one: LoneWeight, other: LoneWeight, around: PairedLayer) -> bool:
    """Whether one layer is what its partner on the other side holds: a model of one layer, wrapped."""
    is_outer = one.layer.path == around.reference or other.layer.path == around.candidate
    is_one = one.owned.weight.canonical == other.owned.weight.canonical
    return is_outer and is_one and one.layer.kind == other.layer.kind


def _are_power_vectors(one: LoneWeight, other: LoneWeight) -> bool:
    """Whether they are one vector of a spectral norm, of which a side has a layer of its own."""
    weights = one.owned.weight, other.owned.weight
    is_one = weights[0].canonical == weights[1].canonical
    return is_one and any(is_power_vector(lone.layer.kind, lone.owned.weight) for lone in (one, other))
