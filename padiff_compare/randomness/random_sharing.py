"""Pairs of layers whose random decisions can be the same on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from padiff_compare.alignment.plan import Plan
from padiff_compare.capture.sides import SIDES
from padiff_compare.capture.trace import CallName
from padiff_compare.join.calls import JoinedCalls, Operations
from padiff_rpc.records import record
from padiff_rpc.v1.records import RandomOperation, RandomPair
from padiff_rpc.v1.words import PairedBy, Side


@dataclass
class Group:
    """The decisions of one call of a sharing pair, in order."""

    made: dict[Side, list[RandomOperation]] = field(default_factory=lambda: {side: [] for side in SIDES})

    def shareable(self, side: Side) -> int:
        """Returns how many of a side's decisions can be drawn from the common generator."""
        return sum(one.shared for one in self.made[side])

    @property
    def others(self) -> tuple[str, ...]:
        """What cannot, by name."""
        made = (one for side in SIDES for one in self.made[side])
        return tuple(dict.fromkeys(one.name for one in made if not one.shared))

    @property
    def is_even(self) -> bool:
        """Whether both sides draw as many."""
        return self.shareable(Side.REFERENCE) == self.shareable(Side.CANDIDATE)


@record
class Sharing:
    """Which pairs share.

    Attributes:
        pairs: by side, numbered alike.
        groups: (reference path, call number) of the sharing pair -> its decisions.
    """

    pairs: Mapping[Side, tuple[RandomPair, ...]]
    groups: Mapping[CallName, Group]


def share(seen: JoinedCalls, operations: Operations) -> Sharing:
    """Returns the pairs that share their decisions, as fine as both sides make equally many in each call.

    A pair in which they do not leaves its decisions to the nearest pair around it that comes out even: a
    module against a function in its parent, one module called twice against two. Where none does, the
    pairs stay as they are.
    """
    numbers = _candidates(seen.plan)
    listed = frozenset(numbers)
    uneven = _uneven(_groups(seen, operations, listed))
    for around in sorted({above for path in uneven for above in _above(path)}, key=_depth, reverse=True):
        inside = {path for path in uneven if around in _above(path)}
        trial = _uneven(_groups(seen, operations, listed - inside))
        if inside and trial <= uneven - inside - {around}:
            listed, uneven = listed - inside, trial
    paths = {pair.reference: pair.candidate for pair in seen.plan.layers if pair.reference in listed}
    return Sharing(
        pairs={
            side: tuple(
                RandomPair(path=ours if side is Side.REFERENCE else theirs, pair=numbers[ours])
                for ours, theirs in paths.items()
            )
            for side in SIDES
        },
        groups=_groups(seen, operations, listed),
    )


def _candidates(plan: Plan) -> dict[str, int]:
    """Returns reference path -> number of every pair; what lies inside units counts for these."""
    units = [(pair.reference, pair.candidate) for pair in plan.layers if pair.unit]
    return {
        pair.reference: number
        for number, pair in enumerate(plan.layers)
        if pair.how is not PairedBy.INSIDE_PINNED
        and not any(
            ours in _above(pair.reference) or theirs in _above(pair.candidate) for ours, theirs in units
        )
    }


def _groups(seen: JoinedCalls, operations: Operations, listed: frozenset[str]) -> dict[CallName, Group]:
    groups: dict[CallName, Group] = {}
    for side in SIDES:
        for one in operations[side]:
            around = seen.calls_around(side, (one.path, one.call))
            key = next((call for call in around if call[0] in listed), ("", 0))
            groups.setdefault(key, Group()).made[side].append(one)
    return groups


def _uneven(groups: Mapping[CallName, Group]) -> frozenset[str]:
    return frozenset(path for (path, _), group in groups.items() if not group.is_even and not group.others)


def _above(path: str) -> list[str]:
    """Returns the paths of the layers around a path, innermost first; the root lies in nothing."""
    found = []
    while path:
        path = path.rpartition(".")[0]
        found.append(path)
    return found


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0
