"""Weights of a series of alike layers that the other side keeps in one tensor, as of a mixture's experts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Optional

from padiff_compare.alignment.plan import PairedLayer, Plan
from padiff_compare.layout_rules import (
    IDENTITY,
    STACK,
    TRANSPOSE,
    Rule,
    Shape,
    axes,
    chain,
    part_of,
    reshape_to,
)
from padiff_compare.weights.lone_weights import LoneWeight, innermost_first, name_words
from padiff_rpc.records import record
from padiff_rpc.v1.words import WeightLayout

# As many series lie in one tensor beside each other: a gate and what it gates.
_MOST_BESIDE = 2


@record
class StackedPair:
    """Weights of the reference that make one of the candidate's, or the one of which that is a part.

    Attributes:
        others: rules that fit the shapes as well as `rule`.
        around: the innermost pair of layers around both sides.
    """

    references: tuple[LoneWeight, ...]
    candidate: LoneWeight
    rule: Rule
    others: tuple[Rule, ...]
    around: PairedLayer


@record
class _Series:
    """Weights of one shape whose names differ in one number, in its order, from 0."""

    members: tuple[LoneWeight, ...]
    words: frozenset[str]

    @property
    def shape(self) -> Shape:
        return self.members[0].shape

    @property
    def turn(self) -> Rule:
        """What brings a member from [in, out] to [out, in], or back."""
        return TRANSPOSE if self.members[0].owned.weight.layout is WeightLayout.IN_OUT else IDENTITY

    @property
    def form(self) -> tuple[object, ...]:
        """What series have in common that lie in one tensor."""
        return self.out_in, self.turn, len(self.members)

    @property
    def out_in(self) -> Shape:
        return self.shape if self.turn == IDENTITY else self.shape[::-1]


@record
class _Match:
    """A tensor, and the series of which it holds a member each per entry of its first axis, in this order.

    Attributes:
        orders: of the tensor's axes, such that they are (member, what the series have for out, for in).
    """

    whole: LoneWeight
    beside: tuple[_Series, ...]
    orders: tuple[Shape, ...]
    likeness: float


def pair_stacked(
    plan: Plan, reference: Sequence[LoneWeight], candidate: Sequence[LoneWeight]
) -> Iterator[StackedPair]:
    """Yields the pairs: of one tensor in a layer of the user's own, and series as long as its first axis.

    Where several series fit, names decide; nothing is guessed.
    """
    left = list(reference), list(candidate)
    for around in innermost_first(plan):
        for side in (0, 1):
            inside = [
                [one for one in left[0] if one.is_in(around.reference)],
                [one for one in left[1] if one.is_in(around.candidate)],
            ]
            for match in _matches(inside[side], inside[1 - side]):
                left[side].remove(match.whole)
                for series in match.beside:
                    for member in series.members:
                        left[1 - side].remove(member)
                yield from (_taken_apart if side == 0 else _put_together)(match, around)


def _matches(wholes: Sequence[LoneWeight], others: Sequence[LoneWeight]) -> list[_Match]:
    """Returns those whose names are more alike than with any other, and those that have no other."""
    series = _series(others)
    fitting = [
        match
        for whole in wholes
        if not whole.layer.kind and len(whole.shape) > 1
        for count in range(1, _MOST_BESIDE + 1)
        for beside in combinations(series, count)
        for match in [_match(whole, _in_order(whole, beside))]
        if match is not None
    ]
    found: list[_Match] = []
    for match in sorted(fitting, key=lambda one: -one.likeness):
        rivals = [one for one in fitting if one is not match and _compete(one, match)]
        is_named = match.likeness > max((one.likeness for one in rivals), default=0.0)
        if (is_named or not rivals) and not any(_compete(one, match) for one in found):
            found.append(match)
    return found


def _compete(one: _Match, other: _Match) -> bool:
    """Whether two matches want a weight that only one of them can have."""
    return one.whole is other.whole or any(series in other.beside for series in one.beside)


def _series(weights: Sequence[LoneWeight]) -> list[_Series]:
    groups: defaultdict[tuple[object, ...], dict[int, LoneWeight]] = defaultdict(dict)
    for one in weights:
        for found in re.finditer(r"(?<=\.)\d+(?=\.)|^\d+(?=\.)", one.owned.name):
            name = one.owned.name
            key = name[: found.start()], name[found.end() :], one.shape, one.kind
            groups[key][int(found[0])] = one
    return [
        _Series(
            members=tuple(members[number] for number in range(len(members))),
            words=name_words(f"{key[0]}{key[1]}"),
        )
        for key, members in groups.items()
        if len(members) > 1 and members.keys() == set(range(len(members)))
    ]


def _in_order(whole: LoneWeight, beside: tuple[_Series, ...]) -> tuple[_Series, ...]:
    """Returns series in the order in which the tensor's name has their words, as "gate_up" has them."""
    told = list(dict.fromkeys(re.findall(r"[a-z]+|\d+", whole.owned.weight.name.lower())))

    def place(series: _Series) -> int:
        own = series.words.difference(*(other.words for other in beside if other is not series))
        return next((n for n, word in enumerate(told) if own & name_words(word)), len(told))

    return tuple(sorted(beside, key=place))


def _match(whole: LoneWeight, beside: tuple[_Series, ...]) -> Optional[_Match]:
    first = beside[0]
    if any(one.form != first.form for one in beside):
        return None
    words = name_words(whole.owned.name)
    told = frozenset().union(*(series.words for series in beside))
    if len(beside) > 1 and not all(
        words & series.words.difference(*(one.words for one in beside if one is not series))
        for series in beside
    ):
        return None  # two series beside each other are told by the tensor's name alone
    stacked = len(first.members), first.out_in[0] * len(beside), *first.out_in[1:]
    orders = [
        order
        for order in ((0, 1, 2), (0, 2, 1), (0, 1))
        if len(order) == len(stacked) == len(whole.shape)
        and tuple(whole.shape[axis] for axis in order) == stacked
    ]
    if not orders:
        return None
    likeness = len(words & told) / len(words | told)
    return _Match(whole=whole, beside=beside, orders=tuple(orders), likeness=likeness)


def _taken_apart(match: _Match, around: PairedLayer) -> Iterator[StackedPair]:
    """Yields each of the candidate's weights as a part of the reference's one."""
    count = len(match.beside[0].members) * len(match.beside)
    for place, series in enumerate(match.beside):
        rows = reshape_to((count * series.out_in[0], *series.out_in[1:]))
        for number, member in enumerate(series.members):
            part = part_of(number * len(match.beside) + place, count)
            rules = [chain(axes(order), rows, part, series.turn) for order in match.orders]
            yield StackedPair(
                references=(match.whole,),
                candidate=member,
                rule=rules[0],
                others=tuple(rules) if len(rules) > 1 else (),
                around=around,
            )


def _put_together(match: _Match, around: PairedLayer) -> Iterator[StackedPair]:
    """Yields the candidate's one weight as the stack of the reference's."""
    first = match.beside[0]
    stacked = len(first.members), first.out_in[0] * len(match.beside), *first.out_in[1:]
    # Each order is its own inverse.
    rules = [chain(first.turn, STACK, reshape_to(stacked), axes(order)) for order in match.orders]
    members = zip(*(series.members for series in match.beside))
    yield StackedPair(
        references=tuple(one for several in members for one in several),
        candidate=match.whole,
        rule=rules[0],
        others=tuple(rules) if len(rules) > 1 else (),
        around=around,
    )
